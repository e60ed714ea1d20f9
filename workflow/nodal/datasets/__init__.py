"""The dataset registry, and the one door through which every image enters: `prepare`.

Importing this module reads no image library. A source is a module of this package with one
function, `open_source(settings, files) -> Images`.
"""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np

from nodal import storage
from nodal.errors import NodalError

SPLITS = ("train", "test")


@dataclass(frozen=True)
class File:
    """A published file: where to get it (addresses of its folder) and how to know it is whole."""

    md5: str
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """files: name -> File that must be fetched. image_shape: (channels, height, width) if fixed."""

    files: dict = field(default_factory=dict)
    mirrors: tuple = ()
    image_shape: tuple | None = None
    local: bool = False


SOURCES = {
    "digits": Source(image_shape=(1, 8, 8)),
    "cifar100": Source(
        files={"cifar-100-binary.tar.gz": File("03b5dce01913d631647c71ecec9e9cb8")},
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        image_shape=(3, 32, 32),
    ),
    "flowers102": Source(
        files={
            "102flowers.tgz": File("52808999861908f626f3c1f4e79d11fa"),
            "imagelabels.mat": File("e0620be6f572b9609742df49c70aed4d"),
            "setid.mat": File("a5357ecc9cb78c4bef273ce3793fc85c"),
        },
        mirrors=("https://thor.robots.ox.ac.uk/datasets/flowers-102/",
                 "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"),
    ),
    "folder": Source(local=True),
    "npz": Source(local=True),
}  # fmt: skip


@dataclass
class Images:
    """A dataset as it streams by.

    splits: "train"/"test" -> iterable of (images (n, H, W, channels) uint8, labels (n,)).
    """

    label_names: list
    splits: dict[str, Iterable]


def open_source(settings, files):
    """A dataset section of the config and the paths of its files -> Images.

    files: {name: path} for a published source, {"data": path} for a local one.
    """
    module = import_module(f"nodal.datasets.{settings['source']}")
    return module.open_source(settings, files)


def prepare(path, name, settings, files):
    """Stream a dataset into `path` (HDF5): per split images and labels, and the label names.

    Attributes: label_names, and mean and std per channel (fractions of full scale, of the
    training split unless the settings give them). Memory does not grow with the images.
    Raises NodalError naming the label that has no image in a split.
    """
    images = open_source(settings, files)
    n_classes = len(images.label_names)
    with storage.write_hdf5(path, {"dataset": name, **settings}) as file:
        file.attrs["label_names"] = [str(label) for label in images.label_names]
        for split in SPLITS:
            labels, histogram = _stream(file, split, images.splits[split])
            _require_all_labels(labels, images.label_names, name, split)
            if split == "train":
                mean, std = _moments(histogram)
                file.attrs["mean"] = settings.get("mean") or mean
                file.attrs["std"] = settings.get("std") or std
        file.attrs["n_classes"] = n_classes


def _stream(file, split, batches):
    """Append batches to a split; return all labels and the pixel histogram (channels, 256)."""
    group = file.create_group(split)
    labels, histogram, stored = [], 0, None
    for images, batch_labels in batches:
        if stored is None:
            shape = images.shape[1:]
            rows = 2 ** max(0, (2**20 // int(np.prod(shape))).bit_length() - 1)
            stored = group.create_dataset(
                "images", (0, *shape), "u1", maxshape=(None, *shape),
                chunks=(rows, *shape), fletcher32=True,
            )  # fmt: skip
        start = len(stored)
        stored.resize(start + len(images), axis=0)
        stored[start:] = images
        file.check()
        labels.append(np.asarray(batch_labels, dtype=np.int64))
        histogram = histogram + np.stack(
            [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
        )
    labels = np.concatenate(labels) if labels else np.zeros(0, np.int64)
    storage.put(group, "labels", labels)
    return labels, histogram


def _require_all_labels(labels, names, dataset, split):
    counts = np.bincount(labels, minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            raise NodalError(f"dataset {dataset}: label {name!r} has no image in the {split} split")


def _moments(histogram):
    values = np.arange(256) / 255
    weight = histogram / histogram.sum(axis=1, keepdims=True)
    mean = weight @ values
    std = np.sqrt(weight @ values**2 - mean**2)
    return mean, np.maximum(std, 1e-3)


@dataclass
class Split:
    """images: (N, H, W, channels) uint8, an array or an HDF5 dataset; labels: (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Dataset:
    """A prepared dataset, as training and the dump use it."""

    train: Split
    test: Split
    label_names: list
    mean: np.ndarray
    std: np.ndarray

    @property
    def n_classes(self):
        return len(self.label_names)

    @property
    def image_shape(self):
        """(channels, height, width)."""
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width


def load(path):
    """results/data/{dataset}.h5 -> Dataset in memory. Raises NodalError naming a damaged file."""
    with opened(path) as dataset:
        return replace(
            dataset,
            train=Split(dataset.train.images[:], dataset.train.labels),
            test=Split(dataset.test.images[:], dataset.test.labels),
        )


@contextmanager
def opened(path):
    """Yield the Dataset with its images on disk: a slice is read when it is taken."""
    with storage.read_hdf5(path) as file:
        splits = {s: Split(file[s]["images"], file[s]["labels"][:]) for s in SPLITS}
        names = [str(name) for name in file.attrs["label_names"]]
        yield Dataset(**splits, label_names=names, mean=file.attrs["mean"], std=file.attrs["std"])
