"""Arrays x_train, y_train, x_test, y_test in one .npz; x (N, H, W) or (N, H, W, channels) uint8."""

import zipfile

import numpy as np

from nodal.datasets import SPLITS, Images
from nodal.errors import NodalError

BATCH = 4096


def open_source(settings, files):
    path = files["data"]
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise NodalError(f"{path}: not an npz file ({error})") from error
    present = set(archive.namelist())
    for key in (f"{axis}_{split}" for split in SPLITS for axis in "xy"):
        if f"{key}.npy" not in present:
            raise NodalError(
                f"{path}: has no array {key}; expected x_train, y_train, x_test, y_test"
            )
    labels = {split: _labels(archive, path, split) for split in SPLITS}
    n_classes = int(labels["train"].max()) + 1
    for split in SPLITS:
        missing = np.setdiff1d(np.arange(n_classes), labels[split])
        if missing.size or labels[split].max() >= n_classes:
            raise NodalError(
                f"{path}: y_{split}: expected each of 0..{n_classes - 1}, "
                f"got {np.unique(labels[split])[:5].tolist()}..."
            )
    return Images(
        label_names=[str(i) for i in range(n_classes)],
        splits={split: _batches(archive, path, split, labels[split]) for split in SPLITS},
    )


def _labels(archive, path, split):
    batches = list(_stream(archive, path, f"y_{split}"))
    labels = np.concatenate(batches) if batches else np.zeros(0, int)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise NodalError(f"{path}: y_{split}: expected a vector of integers 0..C-1")
    return labels


def _batches(archive, path, split, labels):
    start = 0
    for images in _stream(archive, path, f"x_{split}"):
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise NodalError(
                f"{path}: x_{split} is {images.dtype} with {images.ndim} axes; expected uint8 "
                "(N, H, W) or (N, H, W, channels)"
            )
        images = images[..., None] if images.ndim == 3 else images
        yield images, labels[start : start + len(images)]
        start += len(images)
    if start != len(labels):
        raise NodalError(f"{path}: x_{split} has {start} images but y_{split} {len(labels)} labels")


def _stream(archive, path, key):
    """Batches of rows of one member, read without holding the whole array; nothing unpickled."""
    with archive.open(f"{key}.npy") as file:
        try:
            version = np.lib.format.read_magic(file)
            reader = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            shape, fortran, dtype = reader(file)
        except (ValueError, AttributeError) as error:
            raise NodalError(f"{path}: {key} is not a NumPy array ({error})") from error
        if fortran or dtype.hasobject or not shape:
            raise NodalError(f"{path}: {key}: expected a C-ordered array of numbers")
        row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        for start in range(0, shape[0], BATCH):
            count = min(BATCH, shape[0] - start)
            try:
                raw = file.read(count * row)
            except (EOFError, zipfile.BadZipFile) as error:
                raise NodalError(f"{path}: {key} is damaged ({error})") from error
            if len(raw) != count * row:
                raise NodalError(f"{path}: {key} is cut short")
            yield np.frombuffer(raw, dtype).reshape(count, *shape[1:])
