"""Oxford Flowers-102: images, labels and split files as published."""

import tarfile

import numpy as np

from nodal.datasets import Images
from nodal.datasets.decode import decode_all
from nodal.errors import NodalError

PARTS = {"train": ("trnid",), "trainval": ("trnid", "valid"), "test": ("tstid",)}


def open_source(settings, files):
    labels = _read_mat(files["imagelabels.mat"], "labels") - 1
    split_file = files["setid.mat"]
    size, channels = settings["size"], settings["channels"]
    splits = {}
    for split, parts in (("train", PARTS[settings["train"]]), ("test", PARTS["test"])):
        ids = np.concatenate([_read_mat(split_file, part) for part in parts])
        wanted = {f"image_{i:05d}.jpg": int(labels[i - 1]) for i in ids}
        splits[split] = decode_all(_images(files["102flowers.tgz"], wanted), size, channels)
    return Images(label_names=_label_names(int(labels.max()) + 1), splits=splits)


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


def _images(archive, wanted):
    """(name, bytes, label) in the archive's order; nothing is unpacked to disk."""
    missing = set(wanted)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if member.isfile() and name in wanted:
                    missing.discard(name)
                    yield f"{archive}:{member.name}", tar.extractfile(member).read(), wanted[name]
    except (tarfile.TarError, EOFError) as error:
        raise NodalError(f"{archive}: not a readable archive ({error})") from error
    if missing:
        raise NodalError(f"{archive}: has no {min(missing)}; the split file asks for it")
