"""Images in `train/<label>/*` and `test/<label>/*`, as a directory, a zip or a tar."""

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from PIL import Image

from nodal.datasets import SPLITS, Images
from nodal.datasets.decode import decode_all
from nodal.errors import NodalError


def open_source(settings, files):
    path = Path(files["data"])
    size, channels = settings["size"], settings["channels"]
    listing = [place for place in map(_place, _names(path)) if place]
    labels = _labels(listing, path)
    index = {label: i for i, label in enumerate(labels)}
    return Images(
        label_names=labels,
        splits={split: decode_all(_read(path, split, index), size, channels) for split in SPLITS},
    )


def _place(name):
    """'x/train/goldfish/000.webp' -> ('train', 'goldfish'); None for what is no image there."""
    Image.init()
    parts = PurePosixPath(name).parts
    if len(parts) < 3 or parts[-3] not in SPLITS or parts[-1].startswith("."):
        return None
    return parts[-3:-1] if PurePosixPath(name).suffix.lower() in Image.EXTENSION else None


def _labels(listing, path):
    found = {split: {label for s, label in listing if s == split} for split in SPLITS}
    for split, other in (SPLITS, SPLITS[::-1]):
        for label in sorted(found[other] - found[split]):
            raise NodalError(f"{path}: label {label!r} has images in {other}/ but none in {split}/")
    if not found["train"]:
        raise NodalError(f"{path}: no image in train/<label>/ and test/<label>/")
    return sorted(found["train"])


def _names(path):
    """Names of all files, and an error for a label folder that is empty."""
    if path.is_dir():
        for folder in sorted(p for s in SPLITS for p in path.glob(f"**/{s}/*") if p.is_dir()):
            if not any(folder.iterdir()):
                raise NodalError(f"{folder}: the label's folder is empty; expected images")
        return [p.relative_to(path).as_posix() for p in sorted(path.rglob("*")) if p.is_file()]
    if not path.exists():
        raise NodalError(f"{path}: no such file or directory")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return sorted(archive.namelist())
        with tarfile.open(path) as archive:
            return [member.name for member in archive if member.isfile()]
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise NodalError(f"{path}: not a directory, zip or tar ({error})") from error


def _read(path, split, index):
    """(name, bytes, label) of every image of a split; archives are never unpacked to disk."""
    for name, data in _contents(path, split):
        yield f"{path}:{name}" if path.is_file() else str(path / name), data, index[_place(name)[1]]


def _contents(path, split):
    def wanted(name):
        place = _place(name)
        return place is not None and place[0] == split

    if path.is_dir():
        yield from ((n, (path / n).read_bytes()) for n in filter(wanted, _names(path)))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in filter(wanted, sorted(archive.namelist())):
                try:
                    yield name, archive.read(name)
                except (zipfile.BadZipFile, EOFError) as error:
                    raise NodalError(f"{path}:{name}: damaged in the archive ({error})") from error
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and wanted(member.name):
                    yield member.name, archive.extractfile(member).read()
