"""The dataset registry, and the one door through which every input enters: `prepare`.

Importing this module reads no image library. A source is a module of this package with one
function, `open_source(settings, files, log) -> Images or Texts`.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np

from nodal.datasets.inputs import Inputs
from nodal.datasets.splits import PARTS, SPLITS
from nodal.datasets.tree import fingerprint as fingerprint
from nodal.errors import NodalError
from nodal.files import storage
from nodal.files.download import local_path


def ignore(line):
    """A log that nobody reads."""


MEANING = ("kind", "shape", "mean", "std")  # attributes that decide what a network sees


@dataclass(frozen=True)
class File:
    """A published file: where to get it (addresses of its folder) and how to know it is whole."""

    md5: str
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """files: name -> File that must be fetched. image_shape: (channels, height, width) if fixed.

    settings: the keys of a dataset's section that it obeys, beside source, mean and std.
    """

    files: dict = field(default_factory=dict)
    mirrors: tuple = ()
    image_shape: tuple | None = None
    local: bool = False
    kind: str = "image"
    settings: tuple = ()


TEXT = ("length", "min_count", "tokenizer")  # what every source of texts obeys
IMAGE = ("size", "channels", "skip_damaged")  # of image files
THREE = ("train", "test")  # of data in three parts
PARTED = (*THREE, "test_share", "test_seed")  # of one's own data, in parts or not

SOURCES = {
    "digits": Source(image_shape=(1, 8, 8), settings=()),
    "cifar100": Source(
        files={"cifar-100-binary.tar.gz": File("03b5dce01913d631647c71ecec9e9cb8")},
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        image_shape=(3, 32, 32),
        settings=(),
    ),
    "flowers102": Source(
        files={
            "102flowers.tgz": File("52808999861908f626f3c1f4e79d11fa"),
            "imagelabels.mat": File("e0620be6f572b9609742df49c70aed4d"),
            "setid.mat": File("a5357ecc9cb78c4bef273ce3793fc85c"),
        },
        mirrors=("https://thor.robots.ox.ac.uk/datasets/flowers-102/",
                 "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"),
        settings=(*IMAGE, *THREE, "split"),
    ),
    "clinc150": Source(
        files={"data_full.json": File("30c29dc6ab78edf3b5dfa640be204cde")},
        mirrors=("https://raw.githubusercontent.com/clinc/oos-eval/master/data/",),
        kind="text",
        settings=(*TEXT, *THREE),
    ),
    "banking77": Source(
        files={
            "train.csv": File("cec64185f4197906aabce0781ef9a19b"),
            "test.csv": File("8dcd9dc31b686c75ec1f24bf23c140cb"),
        },
        mirrors=("https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/"
                 "banking_data/",),
        kind="text",
        settings=TEXT,
    ),
    "text": Source(
        local=True, kind="text",
        settings=(*TEXT, *PARTED, "columns"),
    ),
    "folder": Source(local=True, settings=(*IMAGE, *PARTED, "manifest")),
    "npz": Source(local=True, settings=PARTED),
}  # fmt: skip


def obeyed(source):
    """The keys of a dataset's section that mean something for a source, as the user writes them."""
    known = SOURCES[source]
    where = ("path",) if known.local else ("path", "mirrors") if known.files else ()
    moments = ("mean", "std") if known.kind == "image" else ()
    return ("source", *where, *moments, *known.settings)


def check(where, settings):
    """Raise NodalError for settings of a dataset's section that do not fit each other.

    where: the section's key, which the error begins with.
    """
    is_part = settings["test"] in (None, "test", "val")
    if not is_part and settings["source"] != "text":
        raise NodalError(f"{where}.test: {settings['test']!r}; expected test or val")
    if settings["train"] == "trainval" and settings["test"] == "val":
        raise NodalError(f"{where}.train: trainval with val as the test; expected test: test")


OWN = {"data": "path", "test": "test", "manifest": "manifest", "tokenizer": "tokenizer"}


def own_files(settings):
    """{name: path} of the user's own files that a dataset's section names by the keys of OWN."""
    named = {"tokenizer": settings["tokenizer"]}
    if SOURCES[settings["source"]].local:
        named["data"] = settings["path"]
        named["test"] = settings["test"] if settings["test"] not in PARTS else None
        named["manifest"] = settings["manifest"] if settings["source"] == "folder" else None
    return {name: str(local_path(path)) for name, path in named.items() if path}


def open_source(settings, files, log=ignore):
    """A dataset section of the config and the paths of its files -> Images or Texts.

    files: {name: path} for a published source, {"data": path} for a local one, beside them "test",
    "manifest" and "tokenizer" where the settings name such files. log: takes a line that says what
    was taken, and what was not and why.
    """
    module = import_module(f"nodal.datasets.{settings['source']}")
    return module.open_source(settings, files, log)


def prepare(path, name, settings, files, log=ignore):
    """Bring a dataset into `path` (HDF5): per split inputs and labels, and the label names.

    Attributes: kind and shape of an input (see Inputs), of images mean and std per channel, and a
    digest of all this content; of a split its origin, what the data calls it. Raises NodalError
    naming the file, or the label that has no input in a split.
    """
    content = open_source(settings, files, log)
    names = [str(label) for label in content.label_names]
    with storage.write_hdf5(path, {"dataset": name, **settings}) as file:
        content.store(file, settings, log)
        for split in SPLITS:
            _require_all_labels(file[split]["labels"][:], names, name, split)
            file[split].attrs["origin"] = content.origins[split]
        if len(names) < 2:
            raise NodalError(f"dataset {name}: one label alone, {names[0]!r}; expected two or more")
        storage.put_strings(file, "label_names", names)
        file.attrs["n_classes"] = len(names)
        file.attrs["digest"] = _digest(file, names)


def _digest(file, names):
    """One name for a dataset's content: equal exactly if a network would learn the same from it."""
    attributes = {key: np.asarray(file.attrs[key]).tolist() for key in MEANING if key in file.attrs}
    digest = hashlib.sha256(json.dumps([names, attributes], sort_keys=True).encode())
    for split in SPLITS:
        inputs = file[split]["inputs"]
        rows = inputs.chunks[0] if inputs.chunks else len(inputs)
        for start in range(0, len(inputs), rows):
            digest.update(np.ascontiguousarray(inputs[start : start + rows]))
        digest.update(np.ascontiguousarray(file[split]["labels"][:]))
    return digest.hexdigest()


def _require_all_labels(labels, names, dataset, split):
    counts = np.bincount(labels, minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            raise NodalError(f"dataset {dataset}: label {name!r} has no input in the {split} split")


@dataclass
class Split:
    """inputs: as `Inputs` says, an array or an HDF5 dataset; labels: (N,) int64.

    texts: of texts alone, the originals, a list or a storage.Strings. origin: what the data calls
    it, "official test" for instance.
    """

    inputs: np.ndarray
    labels: np.ndarray
    texts: Sequence | None = None
    origin: str = ""

    def __str__(self):
        """'official test (6,149)'"""
        return f"{self.origin} ({len(self.labels):,})".lstrip()


@dataclass
class Dataset:
    """A prepared dataset, as training and the dump use it.

    inputs: what one input is. mean, std: per channel, of images alone. vocabulary: the word of each
    id, of texts alone; 0 is padding, 1 any rare or unknown word. digest: of all this content, so
    that a training can tell whether it goes on with the same.
    """

    train: Split
    test: Split
    label_names: list
    inputs: Inputs
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    vocabulary: list | None = None
    digest: str | None = None

    @property
    def n_classes(self):
        return len(self.label_names)


def load(path):
    """results/data/{dataset}.h5 -> Dataset in memory. Raises NodalError naming a damaged file."""
    with opened(path) as dataset:
        return replace(dataset, train=_in_memory(dataset.train), test=_in_memory(dataset.test))


def _in_memory(split):
    texts = None if split.texts is None else split.texts[:]
    return replace(split, inputs=split.inputs[:], texts=texts)


@contextmanager
def opened(path):
    """Yield the Dataset with its inputs on disk: a slice is read when it is taken."""
    with storage.read_hdf5(path) as file:
        moments = {key: file.attrs[key] for key in ("mean", "std") if key in file.attrs}
        yield Dataset(
            **{split: _split(file[split]) for split in SPLITS},
            label_names=storage.Strings(file["label_names"])[:],
            inputs=Inputs(str(file.attrs["kind"]), tuple(int(n) for n in file.attrs["shape"])),
            vocabulary=storage.Strings(file["vocabulary"])[:] if "vocabulary" in file else None,
            digest=str(file.attrs["digest"]) if "digest" in file.attrs else None,
            **moments,
        )


def _split(group):
    texts = storage.Strings(group["texts"]) if "texts" in group else None
    return Split(group["inputs"], group["labels"][:], texts, str(group.attrs["origin"]))
