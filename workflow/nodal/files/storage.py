"""Files: written whole or not at all, read with an error that names them."""

import contextlib
import errno
import io
import json
import os
import socket
import uuid
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil

from nodal import __version__
from nodal.errors import NodalError
from nodal.files import hdf5

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM,
                errno.EIO)  # fmt: skip
NAMES = ("label_name", "experiment")  # columns of tables that hold what a user called something
SOFTWARE = ("torch", "numpy", "h5py", "pandas")


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path`; rename it into place only if the block succeeds.

    The temporary name carries host and process, so the same job may run twice at once on a shared
    file system, and what a killed job left behind is swept by the next writer of the same file.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    except OSError as error:
        raise NodalError(f"{path}: cannot be written: {error.strerror or error}") from error
    temporary = path.with_name(
        f".{path.name}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    )
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:  # of something that is read meanwhile
            raise
        raise NodalError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(path):
    """Remove temporaries of `path` whose process, on this host, is no longer alive."""
    host = socket.gethostname()
    for stale in path.parent.glob(f".{path.name}.{host}-*-*.tmp"):
        pid = int(stale.name.removesuffix(".tmp").split("-")[-2])
        if not psutil.pid_exists(pid):
            stale.unlink(missing_ok=True)


def provenance(settings):
    """Attributes that say which settings and which software made an artifact."""
    versions = {"nodal": __version__}
    for package in SOFTWARE:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"settings": json.dumps(settings, sort_keys=True), "software": json.dumps(versions)}


def settings_of(file):
    """The settings that made an open HDF5 artifact, those of what it was made from included."""
    return json.loads(file.attrs["settings"])


class _Disk(io.FileIO):
    """A file that remembers its first error in place of raising it.

    The HDF5 library cannot close a file whose last blocks could not be written: it floods the
    terminal and crashes at exit. So it is told that all is well, and the error is raised after it.
    """

    error = None

    def write(self, data):
        data = memoryview(data).cast("B")
        written = 0
        while self.error is None and written < len(data):
            try:
                written += super().write(data[written:])
            except OSError as error:
                self.error = error
        return len(data)


class Artifact(hdf5.Writer):
    """An HDF5 file that is being written."""

    def __init__(self, disk):
        self._disk = disk
        super().__init__(disk)

    def check(self):
        """Raise now what went wrong with the disk so far; for loops that would go on for hours."""
        if self._disk.error:
            raise self._disk.error


@contextlib.contextmanager
def write_hdf5(path, settings):
    """Open a new HDF5 file that appears at `path` only when the block has ended well.

    Raises NodalError naming the file if it cannot be written, a full disk for instance.
    """
    with atomic(path) as temporary, _Disk(temporary, "w+") as disk:
        try:
            with Artifact(disk) as file:
                file.attrs.update(provenance(settings))
                for key in ("experiment", "seed", "dataset"):
                    if key in settings:
                        file.attrs[key] = settings[key]
                yield file
        finally:
            if disk.error:
                raise disk.error


def put(group, name, array, **options):
    """Store an array with a checksum, so that later damage on disk is found when it is read.

    Raises ValueError for a single number, which no checksum would reach: it belongs in `attrs`.
    """
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number; expected an array")
    options = {} if array.size == 0 else {"fletcher32": True, **options}
    return group.create_dataset(name, data=array, **options)


def put_strings(group, name, strings):
    """Store texts of any length with a checksum; `Strings(group[name])` reads them.

    HDF5's own strings of variable length lie outside every checksum.
    """
    encoded = [string.encode() for string in strings]
    stored = group.create_group(name)
    put(stored, "bytes", np.frombuffer(b"".join(encoded), np.uint8))
    put(stored, "ends", np.cumsum([len(e) for e in encoded], dtype=np.int64))


class Strings(Sequence):
    """Texts stored by `put_strings`, read when they are taken: one by its index, or a slice."""

    def __init__(self, stored):
        self._bytes, self._ends = stored["bytes"], stored["ends"][:]

    def __len__(self):
        return len(self._ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1 and start < stop:
                return self._run(start, stop)
            return [self[i] for i in range(start, stop, step)]
        return self._run(*_one(index, len(self)))[0]

    def _run(self, start, stop):
        begin = int(self._ends[start - 1]) if start else 0
        raw, ends = self._bytes[begin : self._ends[stop - 1]].tobytes(), self._ends - begin
        starts = [0, *ends[start : stop - 1]]
        return [raw[a:b].decode() for a, b in zip(starts, ends[start:stop], strict=True)]


def _one(index, length):
    index = range(length)[index]
    return index, index + 1


@contextlib.contextmanager
def read_hdf5(path):
    """Open an HDF5 artifact for reading.

    Raises NodalError naming the file if it is missing, locked, cut short, damaged or lacks a part;
    an error of another kind within the block is not the file's and goes on as it is.
    """
    path = Path(path)
    if not path.exists():
        raise NodalError(f"{path}: no such file")
    with hdf5.Reader(path) as file:
        yield file


def write_csv(path, frame):
    """Write a data frame as CSV, whole or not at all; floats to 7 significant digits."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.7g")


def read_csv(path):
    """Read a CSV table; names stay the text they are, 007 and NA too, and empty cells are missing.

    Raises NodalError naming the file if it is missing, malformed or cut short.
    """
    import pandas as pd

    try:
        text = Path(path).read_text()
        if not text.endswith("\n"):
            raise pd.errors.ParserError("it ends within a line")
        return pd.read_csv(
            io.StringIO(text),
            dtype=dict.fromkeys(NAMES, str),
            keep_default_na=False,
            na_values=[""],
        )
    except FileNotFoundError as error:
        raise NodalError(f"{path}: no such file") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise NodalError(f"{path}: not a CSV table ({error}); delete it and run again") from error


def save_torch(path, content):
    """torch.save, whole or not at all; the same content makes the same bytes."""
    import torch

    # Given a name, torch would write it, the temporary one, into the file.
    with atomic(path) as temporary, open(temporary, "wb") as file:
        torch.save(content, file)


def load_torch(path, device="cpu"):
    """torch.load of tensors and plain values only (nothing is unpickled beyond them).

    Raises NodalError naming the file if it is missing, truncated, damaged (by the checksums that
    torch writes but does not check) or holds anything else.
    """
    import pickle
    import zipfile

    import torch

    if not Path(path).exists():
        raise NodalError(f"{path}: no such file")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged:
                raise ValueError(f"{damaged} does not have its checksum")
        return torch.load(path, map_location=device, weights_only=True)
    except (
        RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        reason = str(error).strip().split("\n")[0][:120]
        raise NodalError(f"{path}: not a readable weights file ({reason})") from error
