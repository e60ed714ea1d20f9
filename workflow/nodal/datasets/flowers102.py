"""Oxford Flowers-102: the images and labels as published, by the official split or Kaggle's.

The published accuracy of 97% was reached on Kaggle's (6,552 to train, 818 to validate, 819 to
test); the official one has 1,020, 1,020 and 6,149.
"""

from importlib.resources import files as package_files

import numpy as np

from nodal.datasets.decode import Decoder
from nodal.datasets.images import Images
from nodal.datasets.splits import divide
from nodal.datasets.tree import Tree
from nodal.errors import NodalError

ARCHIVE = "102flowers.tgz"
OFFICIAL = {"trnid": "train", "valid": "val", "tstid": "test"}
KAGGLE = "flowers102_kaggle.txt"  # of image 1, 2, ... one letter each
LETTERS = {"t": "train", "v": "val", "e": "test"}


def open_source(settings, files, log):
    split = settings.get("split") or "official"
    labels = _read_mat(files["imagelabels.mat"], "labels") - 1
    parts = kaggle() if split == "kaggle" else _official(files["setid.mat"], len(labels))
    if len(parts) != len(labels):
        raise NodalError(
            f"{files['imagelabels.mat']}: {len(labels)} labels; Kaggle's split is of {len(parts)}"
        )
    numbers = np.array([i for i, part in enumerate(parts, 1) if part])
    names = _label_names(int(labels.max()) + 1)
    usual = "trainval" if split == "official" and settings.get("test") != "val" else "train"
    division = divide(
        [f"{labels[i - 1]:04d}" for i in numbers],
        [parts[i - 1] for i in numbers],
        settings | {"train": settings.get("train") or usual},
        f"{split} split of Flowers-102",
        log,
    )
    tree, decoder = Tree(files[ARCHIVE]), Decoder(settings["size"], settings["channels"])
    members = {name.rpartition("/")[2]: name for name in tree.names}

    def images(rows):
        of = {}
        for i in rows:
            name = f"image_{numbers[i]:05d}.jpg"
            if name not in members:
                raise NodalError(f"{files[ARCHIVE]}: has no {name}; the split asks for it")
            of[members[name]] = division.labels[i]
        return decoder.batches((tree.where(n), content, of[n]) for n, content in tree.read(of))

    return Images(
        label_names=[names[int(label)] for label in division.label_names],
        splits={split: images(rows) for split, rows in division.splits.items()},
        origins={of: f"{split} {origin}" for of, origin in division.origins.items()},
        findings=decoder.findings,
    )


def kaggle():
    """The part of each of the 8,189 images, in the order of their numbers, on Kaggle."""
    letters = (package_files("nodal.datasets") / KAGGLE).read_text().split()
    return [LETTERS[letter] for letter in "".join(letters)]


def _official(path, n_images):
    parts = [None] * n_images
    for key, part in OFFICIAL.items():
        for i in _read_mat(path, key):
            if not 1 <= i <= n_images:
                raise NodalError(f"{path}: {key} has image {i} of {n_images}")
            parts[i - 1] = part
    return parts


def _label_names(n_classes):
    from torchvision.datasets import Flowers102

    names = getattr(Flowers102, "classes", None)
    return list(names) if names and len(names) == n_classes else [str(i) for i in range(n_classes)]


def _read_mat(path, key):
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(path)[key].ravel().astype(np.int64)
    except (KeyError, ValueError, OSError, NotImplementedError, MatReadError) as error:
        raise NodalError(f"{path}: expected a MATLAB file with {key!r} ({error})") from error
