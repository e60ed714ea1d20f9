"""Arrays in one .npz: x_train, y_train and so on, or train_images, train_labels as in MedMNIST.

Images are uint8, (N, H, W), (N, H, W, channels) or (N, channels, H, W); labels whole numbers 0..C-1
or text, (N,) or (N, 1).
"""

import zipfile
from functools import partial
from tokenize import TokenError

import numpy as np

from nodal.datasets.images import BATCH_BYTES, Images
from nodal.datasets.splits import divide
from nodal.datasets.tree import BROKEN
from nodal.errors import NodalError

BATCH = 4096
KEYS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
PARTS = ("train", "val", "test")
CHANNELS = range(1, 5)  # what is taken for channels where the axes do not tell otherwise


def open_source(settings, files, log):
    path = files["data"]
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise NodalError(f"{path}: not an npz file ({error})") from error
    keys = _keys(archive, path, log)
    labels = {part: _labels(archive, path, y) for part, (_, y) in keys.items()}
    _require_no_gap(path, keys["train"][1], labels["train"])
    starts = dict(zip(labels, np.cumsum([0, *map(len, labels.values())]), strict=False))
    parts = [part for part, values in labels.items() for _ in values]
    names = [str(label) for values in labels.values() for label in values]
    division = divide(names, parts, settings, path, log)

    def images(rows):
        for part, start in starts.items():
            within = division.labels[start : start + len(labels[part])]
            taken = np.isin(np.arange(start, start + len(within)), rows)
            if taken.any():
                yield from _batches(archive, path, *keys[part], within, taken, log)

    return Images(
        label_names=division.label_names,
        splits={split: images(rows) for split, rows in division.splits.items()},
        origins=division.origins,
    )


def _keys(archive, path, log):
    """{part: (key of the images, key of the labels)} of the arrays that are there."""
    present = {name.removesuffix(".npy") for name in archive.namelist()}
    for pattern in KEYS:
        keys = {part: tuple(key.format(part) for key in pattern) for part in PARTS}
        found = {part: pair for part, pair in keys.items() if present & set(pair)}
        if found:
            break
    found.setdefault("train", keys["train"] if found else ("x_train", "y_train"))
    for key in (key for pair in found.values() for key in pair):
        if key not in present:
            raise NodalError(
                f"{path}: has no array {key}; expected x_train, y_train, x_test, y_test, "
                "or train_images, train_labels, test_images, test_labels"
            )
    unused = sorted(present - {key for pair in found.values() for key in pair})
    if unused:
        log(f"{path}: arrays not used: {', '.join(unused)}")
    return {part: found[part] for part in PARTS if part in found}


def _labels(archive, path, key):
    """The labels of an array, (N,): whole numbers or text."""
    batches = list(_stream(archive, path, key))
    labels = np.concatenate(batches) if batches else np.zeros(0, int)
    if labels.ndim == 2 and labels.shape[1] != 1:
        raise NodalError(
            f"{path}: {key} has {labels.shape[1]} values for an image; multi-label data cannot be "
            f"used, expected one label each, (N,) or (N, 1), not {labels.shape}"
        )
    labels = labels[:, 0] if labels.ndim == 2 else labels
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iuUS":
        raise NodalError(f"{path}: {key}: expected a vector of integers 0..C-1, or of text")
    if labels.dtype.kind in "US":
        return np.array([_text(path, key, label) for label in labels], object)
    if labels.min() < 0:
        raise NodalError(f"{path}: {key}: expected a vector of integers 0..C-1, or of text")
    return labels


def _require_no_gap(path, key, labels):
    values = np.unique(labels)
    if labels.dtype.kind in "iu" and len(values) <= values[-1]:
        raise NodalError(
            f"{path}: {key}: expected each of 0..{values[-1]}, got {values[:5].tolist()}..."
        )


def _text(path, key, label):
    try:
        text = label.decode() if isinstance(label, bytes) else str(label)
    except UnicodeDecodeError as error:
        raise NodalError(f"{path}: {key}: {label!r} is not UTF-8") from error
    if not text:
        raise NodalError(f"{path}: {key}: an empty label; expected text")
    return text


def _batches(archive, path, x_key, y_key, labels, taken, log):
    """(images (n, H, W, channels), labels (n,)) of the rows taken."""
    start, layout = 0, None
    for images in _stream(archive, path, x_key):
        if layout is None:
            layout = _layout(path, x_key, images, log)
        end = start + len(images)
        rows = taken[start:end]
        if rows.any() and end <= len(labels):
            yield layout(images)[rows], labels[start:end][rows]
        start = end
    if start != len(labels):
        raise NodalError(f"{path}: {x_key} has {start} images but {y_key} {len(labels)} labels")


def _layout(path, key, images, log):
    """A function that brings a batch to (n, H, W, channels), by the one reading of its axes."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise NodalError(
            f"{path}: {key} is {images.dtype} with {images.ndim} axes; expected uint8 "
            "(N, H, W), (N, H, W, channels) or (N, channels, H, W)"
        )
    if images.ndim == 3:
        return lambda batch: batch[..., None]
    a, b, c = images.shape[1:]
    readings = {"last": (c in CHANNELS, a == b), "first": (a in CHANNELS, b == c)}
    for wanted in ((True, True), (True, False), (False, True)):
        # First the readings with few channels and square images, then those with few channels, ...
        found = [axis for axis, reading in readings.items() if reading == wanted]
        if found:
            break
    if len(found) != 1:
        raise NodalError(
            f"{path}: {key}: {a} x {b} x {c} may have its channels first or last; "
            "expected (N, H, W, channels)"
        )
    if found == ["last"]:
        return lambda batch: batch
    log(f"{path}: {key}: read as images of {b} x {c} with {a} channel(s) first")
    return partial(np.moveaxis, source=1, destination=-1)


def _stream(archive, path, key):
    """Batches of rows of one member, read without holding the whole array; nothing unpickled."""
    try:
        with archive.open(f"{key}.npy") as file:
            shape, dtype = _header(file, path, key)
            row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
            rows = max(1, min(BATCH, BATCH_BYTES // max(1, row)))
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                raw = file.read(count * row)
                if len(raw) != count * row:
                    raise NodalError(f"{path}: {key} is cut short")
                yield np.frombuffer(raw, dtype).reshape(count, *shape[1:])
    except BROKEN as error:
        raise NodalError(f"{path}: {key} is damaged ({error})") from error


def _header(file, path, key):
    try:
        version = np.lib.format.read_magic(file)
        reader = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, fortran, dtype = reader(file)
    except (ValueError, AttributeError, TokenError) as error:
        raise NodalError(f"{path}: {key} is not a NumPy array ({error})") from error
    if dtype.hasobject:
        raise NodalError(
            f"{path}: {key} holds Python objects, which are never read; expected text saved with "
            ".astype(str), or numbers"
        )
    if fortran or not shape:
        raise NodalError(f"{path}: {key}: expected a C-ordered array of numbers")
    return shape, dtype
