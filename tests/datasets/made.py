"""Small images and archives that the tests of datasets are made of."""

import io
import tarfile
import zipfile

import h5py
from nodal.files.storage import Strings
from PIL import Image


def read(path):
    """A prepared dataset: {split: (inputs, labels)}, label names, attributes."""
    with h5py.File(path) as file:
        splits = {s: (file[s]["inputs"][:], file[s]["labels"][:]) for s in ("train", "test")}
        return splits, Strings(file["label_names"])[:], dict(file.attrs)


def png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


def colour(value, size=(12, 12)):
    return Image.new("RGB", size, value)


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_tree(path, files, kind):
    if kind == "directory":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path
    if kind == "zip":
        with zipfile.ZipFile(path / "set.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path / "set.zip"
    with tarfile.open(path / "set.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            add(tar, name, content)
    return path / "set.tar.gz"
