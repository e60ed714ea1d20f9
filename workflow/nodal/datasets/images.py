"""A dataset of images as it streams by, and how it is stored."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nodal.datasets.splits import SPLITS
from nodal.errors import NodalError
from nodal.files import storage
from nodal.progress import told

NAMED = 20  # damaged images in an error
DARK = 2**14  # below it 16-bit images are those of a camera of 12 bits, say
BATCH_BYTES = 2**24  # of images, or of their files, that a source has in memory at once


@dataclass
class Findings:
    """What image files turned out to be while they were read.

    damaged: a line for each that was left out, which names it. deep: the largest value of each of
    16 bits. several: names of those with more than one image in them.
    """

    damaged: list = field(default_factory=list)
    deep: list = field(default_factory=list)
    several: list = field(default_factory=list)


@dataclass
class Images:
    """splits: "train"/"test" -> iterable of (images (n, H, W, channels) uint8, labels (n,)).

    origins: "train"/"test" -> what the data calls that split. findings: of the files that the
    splits are read from, complete once they were.
    """

    label_names: list
    splits: dict[str, Iterable]
    origins: dict = field(default_factory=lambda: {split: split for split in SPLITS})
    findings: Findings = field(default_factory=Findings)

    def store(self, file, settings, log):
        """Write {split}/inputs and labels, and mean and std per channel as attributes.

        Fractions of full scale, of the training split unless the settings give them. Memory does
        not grow with the images. Raises NodalError for splits of two sizes, and naming all damaged
        images unless the setting `skip_damaged` leaves them out.
        """
        histograms = {split: _stream(file, split, images) for split, images in self.splits.items()}
        self._report_damaged(settings, log)
        self._report_cut(log)
        for split, histogram in histograms.items():
            if histogram is None:
                raise NodalError(f"no image in the {split} split")
        shapes = {split: file[split]["inputs"].shape[1:] for split in self.splits}
        _require_one_size(shapes)
        require_each_channel("dataset", settings, shapes["train"][-1])
        mean, std = _moments(histograms["train"])
        file.attrs["mean"] = settings.get("mean") or mean
        file.attrs["std"] = settings.get("std") or std
        stored = ", ".join(f"{len(file[split]['labels']):,} to {split}" for split in self.splits)
        log(f"images stored: {stored}")
        height, width, channels = shapes["train"]
        file.attrs["kind"], file.attrs["shape"] = "image", (channels, height, width)

    def _report_damaged(self, settings, log):
        damaged = self.findings.damaged
        for line in damaged:
            log(f"left out: {line}")
        if not damaged or settings.get("skip_damaged"):
            return
        n, named = len(damaged), "; ".join(damaged[:NAMED])
        more = f"; and {n - NAMED} more, all named in the log" if n > NAMED else ""
        raise NodalError(f"{named}{more}; dataset.skip_damaged: true leaves them out")

    def _report_cut(self, log):
        """Of which files a part was taken."""
        deep, several = self.findings.deep, self.findings.several
        if deep:
            largest = max(deep)
            levels = f"; {largest // 256 + 1} levels are left: scale them first"
            log(
                f"{len(deep):,} images of 16 bits, of which the upper 8 are kept; their "
                f"largest value is {largest:,} of 65,535{levels if largest < DARK else ''}"
            )
        if several:
            log(
                f"{len(several):,} files with several images, of which the first is taken: "
                f"{min(several)}{', ...' if len(several) > 1 else ''}"
            )


def _stream(file, split, batches):
    """Append batches to a split; return the pixel histogram (channels, 256), None without any."""
    group = file.create_group(split)
    labels, histogram, stored = [], 0, None
    for images, batch_labels in told(batches, f"{split} split, batches of images"):
        if stored is None:
            shape = images.shape[1:]
            rows = 2 ** max(0, (2**20 // int(np.prod(shape))).bit_length() - 1)
            stored = group.create_dataset(
                "inputs", (0, *shape), "u1", maxshape=(None, *shape),
                chunks=(rows, *shape), fletcher32=True,
            )  # fmt: skip
        _require_one_size({split: shape, f"{split}, further on": images.shape[1:]})
        start = len(stored)
        stored.resize(start + len(images), axis=0)
        stored[start:] = images
        file.check()
        labels.append(np.asarray(batch_labels, dtype=np.int64))
        histogram = histogram + np.stack(
            [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
        )
    if stored is None:
        return None
    storage.put(group, "labels", np.concatenate(labels))
    return histogram


def _require_one_size(shapes):
    if len(set(shapes.values())) > 1:
        said = (f"{split} {'x'.join(map(str, shape))}" for split, shape in shapes.items())
        raise NodalError(f"images of two sizes: {', '.join(said)}; expected one")


def require_each_channel(where, settings, channels):
    """Raise NodalError unless mean and std, where given, have a value for each channel."""
    for key in ("mean", "std"):
        given = settings.get(key)
        if given and len(given) != channels:
            raise NodalError(
                f"{where}.{key}: {len(given)} values for images of {channels} channel(s); "
                f"expected {channels}"
            )


def _moments(histogram):
    values = np.arange(256) / 255
    weight = histogram / histogram.sum(axis=1, keepdims=True)
    mean = weight @ values
    std = np.sqrt(weight @ values**2 - mean**2)
    return mean, np.maximum(std, 1e-3)
