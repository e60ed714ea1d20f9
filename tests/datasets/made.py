"""Small images and archives that the tests of datasets are made of."""

import io
import tarfile
import zipfile

import h5py
from nodal import datasets
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


FOLDER = {"source": "folder", "size": 12, "channels": 3}


def prepare_tree(tmp_path, files, kind="zip", manifest=None, said=None, **changes):
    """Read what a dataset of these files holds. said: a list that takes the lines of the log."""
    source = tmp_path / "source"
    source.mkdir()
    own = {"data": write_tree(source, files, kind)}
    if manifest is not None:
        own["manifest"] = tmp_path / "splits.csv"
        own["manifest"].write_text("file,label,split\n" + "\n".join(manifest) + "\n")
    target, said = tmp_path / "out" / "set.h5", [] if said is None else said
    try:
        datasets.prepare(target, "set", {**FOLDER, **changes}, own, said.append)
    finally:
        assert not [p for p in target.parent.glob("*") if p != target], "something was left"
    return read(target)


def grey(**counts):
    """{name: an image} with a grey of its own each: `train__ant=3` is train/ant/0.png to 2.png."""
    files, value = {}, 0
    for folder, count in counts.items():
        for i in range(count):
            value += 5
            files[f"{folder.replace('__', '/')}/{i}.png"] = png(colour((value,) * 3))
    return files


def greys(splits, split):
    """The grey values of a split, over 5: the numbers of its images in the order of `grey`."""
    return sorted((splits[split][0][:, 0, 0, 0] // 5).tolist())
