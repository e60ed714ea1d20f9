"""HDF5 as the artifacts use it: every byte checked, and an error that names the file at fault.

Only what reading itself raises is turned into an error about the file; what goes wrong with the
numbers afterwards goes on as it is. Text is stored in fixed length: HDF5 keeps strings of variable
length where no checksum reaches.
"""

import contextlib

import h5py
import numpy as np

from nodal.errors import NodalError

FORMAT = ("v110", "v110")  # the oldest whose index and attributes carry checksums
CHUNK_CACHE = 2**20  # bytes for each array; chunks are written once, so more only fills memory
LOCKED = ("unable to lock file", "file is already open")


@contextlib.contextmanager
def blaming(path):
    """Turn what reading raises into a NodalError that names the file; None: let it pass."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        if path is None:
            raise
        raise NodalError(f"{path}: {_what(error)}") from error


def _what(error):
    reason = str(error).strip("'\"").split("\n")[0]
    if isinstance(error, PermissionError):
        return "cannot be read: Permission denied"
    if any(sign in reason for sign in LOCKED):
        return (
            f"locked, or open for writing in another program ({reason}); close it there, or go on "
            "with HDF5_USE_FILE_LOCKING=FALSE in the environment if nothing writes to it"
        )
    return f"not a complete HDF5 artifact ({reason}); delete it and run again"


class Attributes(h5py.AttributeManager):
    """Attributes whose text lies within a checksum; read back as str."""

    def __init__(self, parent, path):
        super().__init__(parent)
        self._path = path

    def __getitem__(self, name):
        with blaming(self._path):
            return _decoded(super().__getitem__(name))

    def create(self, name, data, shape=None, dtype=None):
        super().create(name, _encoded(data), shape, dtype)

    def __iter__(self):
        with blaming(self._path):
            return iter(list(super().__iter__()))


def _encoded(data):
    """Text or a sequence of texts -> bytes of fixed length; anything else as it is."""
    array = data if isinstance(data, bytes) else np.asarray(data)
    if isinstance(array, bytes) or array.dtype.kind not in "UO":
        return data
    flat = [str(text).encode() for text in array.ravel()]
    kind = h5py.string_dtype("utf-8", max(1, *map(len, flat)) if flat else 1)
    return np.array(flat, dtype=kind).reshape(array.shape)


def _decoded(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return np.array([text.decode() for text in value.ravel()], object).reshape(value.shape)
    return value


class _Node:
    """What a group of an artifact does more than h5py's: its parts are of these classes too."""

    _path = None

    def _wrapped(self, found):
        if isinstance(found, h5py.Group):
            return Part(found.id, self._path)
        return Stored(found.id, self._path) if isinstance(found, h5py.Dataset) else found

    def __getitem__(self, name):
        with blaming(self._path):
            return self._wrapped(super().__getitem__(name))

    def get(self, name, default=None):
        return self[name] if name in self else default  # noqa: SIM401  it is what `get` is

    def __contains__(self, name):
        with blaming(self._path):
            return super().__contains__(name)

    def __iter__(self):
        with blaming(self._path):
            return iter(list(super().__iter__()))

    def create_group(self, *arguments, **options):
        return self._wrapped(super().create_group(*arguments, **options))

    @property
    def attrs(self):
        return Attributes(self, self._path)


class Part(_Node, h5py.Group):
    """A group of an artifact. path: the file to name, None while it is written."""

    def __init__(self, bind, path):
        super().__init__(bind)
        self._path = path


class Stored(h5py.Dataset):
    """An array of an artifact; damage is named when a slice of it is read."""

    def __init__(self, bind, path):
        super().__init__(bind)
        self._path = path

    def __getitem__(self, *arguments, **options):
        with blaming(self._path):
            return super().__getitem__(*arguments, **options)

    def read_direct(self, *arguments, **options):
        with blaming(self._path):
            super().read_direct(*arguments, **options)

    @property
    def attrs(self):
        return Attributes(self, self._path)


class Writer(_Node, h5py.File):
    """An artifact that is being written into a file object."""

    def __init__(self, disk):
        super().__init__(disk, "w", libver=FORMAT, rdcc_nbytes=CHUNK_CACHE)


class Reader(_Node, h5py.File):
    """An artifact opened for reading, without a lock: it was whole when it got its name."""

    def __init__(self, path):
        with blaming(path):
            super().__init__(path, "r", locking=False)
        self._path = path


def rows(stored):
    """Rows of an array in any order, `rows(stored)[index]`, without their chunks read whole.

    An array in memory is returned as it is.
    """
    return Rows(stored) if isinstance(stored, h5py.Dataset) else stored


class Rows:
    """Rows of an HDF5 array that is stored as it is in memory, mapped from its file.

    HDF5 reads a chunk, and checks it, for every row; here all chunks are checked once, at first.
    Raises NodalError naming the file if one is damaged, ValueError if the array is compressed or
    its chunks are no whole rows.
    """

    def __init__(self, stored):
        chunks = stored.chunks
        if not chunks or chunks[1:] != stored.shape[1:] or stored.compression or stored.shuffle:
            raise ValueError(f"{stored.name}: expected an array of whole, uncompressed rows")
        for start in range(0, len(stored), chunks[0]):
            stored[start : start + chunks[0]]
        self._per_chunk, self._shape, self._dtype = chunks[0], stored.shape[1:], stored.dtype
        self._offsets = np.zeros(-(-len(stored) // chunks[0]), np.int64)
        stored.id.chunk_iter(self._place)
        self._file = np.memmap(stored.file.filename, np.uint8, "r")

    def _place(self, chunk):
        self._offsets[chunk.chunk_offset[0] // self._per_chunk] = chunk.byte_offset

    def __getitem__(self, index):
        """index: (n,) integers -> (n, ...), a copy."""
        out = np.empty((len(index), *self._shape), self._dtype)
        size = out[:1].nbytes
        flat = out.reshape(len(index), -1).view(np.uint8)
        starts = self._offsets[index // self._per_chunk] + index % self._per_chunk * size
        for row, start in zip(flat, starts, strict=True):
            row[:] = self._file[start : start + size]
        return out
