"""CIFAR-100 from its binary archive, so that nothing is unpickled; fine labels."""

import contextlib
import tarfile
import zlib

import numpy as np

from nodal.datasets.images import Images
from nodal.errors import NodalError

RECORD = 2 + 3 * 32 * 32  # coarse label, fine label, then the red, green and blue planes
BATCH = 4096
MEMBERS = {"train": "train.bin", "test": "test.bin"}
NAMES = "fine_label_names.txt"


def open_source(settings, files, log):
    (archive,) = files.values()
    return Images(
        label_names=_label_names(archive),
        splits={split: _records(archive, name) for split, name in MEMBERS.items()},
    )


@contextlib.contextmanager
def _member(archive, name):
    """One member of the archive as a stream; nothing is unpacked to disk.

    Raises NodalError naming the archive and the member, also for damage met while it is read.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            found = (m for m in tar if m.isfile() and m.name.rpartition("/")[2] == name)
            member = next(found, None)
            if member is None:
                raise NodalError(f"{archive}: has no {name}; expected the CIFAR-100 binary archive")
            yield tar.extractfile(member)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise NodalError(f"{archive}: {name} cannot be read ({error})") from error


def _label_names(archive):
    with _member(archive, NAMES) as stream:
        return stream.read().decode().split()


def _records(archive, name):
    with _member(archive, name) as stream:
        while raw := stream.read(BATCH * RECORD):
            if len(raw) % RECORD:
                raise NodalError(
                    f"{archive}: {name} is not a whole number of {RECORD}-byte records"
                )
            records = np.frombuffer(raw, np.uint8).reshape(-1, RECORD)
            images = records[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            yield np.ascontiguousarray(images), records[:, 1]
