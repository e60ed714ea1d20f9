"""One streamed forward pass fills every tap: pooled activations, class means, root mean squares."""

import math
from contextlib import ExitStack

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from nodal import snp, storage, taps
from nodal.errors import NodalError
from nodal.training import autocast

CACHED_ROWS = 2048  # rows whose squares stay in the processor's cache


def pool(tokens, grid):
    """(B, T, D) -> (B, R, D): tokens averaged over the cells of a grid x grid partition.

    A tap of fewer tokens than cells keeps its own, R = min(grid * grid, T). Raises NodalError if
    the tokens are no square.
    """
    side = math.isqrt(tokens.shape[1])
    if side * side != tokens.shape[1]:
        raise NodalError(f"activations.grid: {tokens.shape[1]} tokens are no square")
    if grid >= side:
        return tokens
    # A slice of a wider tensor is copied first: the kernel for adjacent channels is faster.
    image = tokens.contiguous().transpose(1, 2).unflatten(2, (side, side))
    return F.adaptive_avg_pool2d(image, grid).flatten(2).transpose(1, 2)


class TapStream:
    """What one tap of one split adds up while its activations stream to disk."""

    def __init__(self, file, site, split, n_images, n_classes, batch_size):
        self.file, self.group, self.split = file, file.require_group(site), split
        self.n_images, self.n_classes, self.batch_size = n_images, n_classes, batch_size
        self.sums, self.counts = 0, 0
        self.stored = None

    def add(self, start, pooled, labels):
        """pooled: (B, R, D) float16; labels: (B,)."""
        if self.stored is None:
            rows = min(self.n_images, self.batch_size)
            self.stored = self.group.create_dataset(
                self.split, (self.n_images, *pooled.shape[1:]), "f2",
                chunks=(rows, *pooled.shape[1:]), fletcher32=True,
            )  # fmt: skip
        self.stored[start : start + len(labels)] = pooled.cpu().numpy()
        self.file.check()
        sums, counts = snp.class_sums(pooled, labels, self.n_classes)
        self.sums = self.sums + sums.double()
        self.counts = self.counts + counts

    def close(self):
        means = snp.means_from_sums(self.sums, self.counts).cpu().numpy()
        if not np.isfinite(means).all():
            raise NodalError(f"{self.group.name[1:]}: activations exceed the range of float16")
        storage.put(self.group, f"class_means/{self.split}", means)


class MeanSquares:
    """Sums of squares over all tokens of the taps that weights lead from: {tap: (D,)}."""

    def __init__(self, wanted):
        self.sums = dict.fromkeys(wanted, 0)
        self.tokens = dict.fromkeys(wanted, 0)

    def add(self, tap, tokens):
        if tap in self.sums:
            flat = tokens.flatten(0, 1)
            for part in flat.split(CACHED_ROWS):
                self.sums[tap] = self.sums[tap] + part.float().square().sum(0).double()
            self.tokens[tap] += len(flat)

    def store(self, files):
        """Write {site}/rms (D,) into each block's file."""
        for tap, total in self.sums.items():
            block, _, site = tap.partition(".")
            rms = (total / self.tokens[tap]).sqrt().float().cpu().numpy()
            storage.put(files[block], f"{site}/rms", rms)


@torch.no_grad()
def dump(model, task, settings, precision, paths, attributes):
    """Write one HDF5 file per block: {site}/{split} (N, R, D) float16, labels/{split}.

    Also {site}/class_means/{split} (C, R, D) and, for taps that weights lead from, {site}/rms (D,)
    over all tokens of the training split. settings: the activations section. paths: block -> file.
    Memory holds one batch.
    """
    model.eval()
    names = taps.select(model, settings["sites"])
    squares = MeanSquares({edge.source for edge in model.edges()} & set(names))
    with ExitStack() as stack:
        files = {
            block: stack.enter_context(storage.write_hdf5(path, {**attributes, "block": block}))
            for block, path in paths.items()
        }
        for split, images, labels in (
            ("train", task.train_images, task.train_labels),
            ("test", task.test_images, task.test_labels),
        ):
            streams = {}
            for tap in names:
                block, _, site = tap.partition(".")
                streams[tap] = TapStream(
                    files[block], site, split, len(labels), task.n_classes, settings["batch_size"]
                )
            observe = squares.add if split == "train" else (lambda tap, tokens: None)
            _stream_split(model, task, (images, labels), settings, precision, streams, observe)
            for file in files.values():
                storage.put(file, f"labels/{split}", labels.cpu().numpy())
        squares.store(files)


def _stream_split(model, task, data, settings, precision, streams, observe):
    def reduce(tap, tokens):
        observe(tap, tokens)
        return pool(tokens.float(), settings["grid"]).half()

    images, labels = data
    size = settings["batch_size"]
    with taps.capture(model, list(streams), reduce) as captured:
        for start in tqdm(range(0, len(labels), size), desc="dump", disable=None):
            batch = slice(start, start + size)
            with autocast(task.device, precision):
                model(task.normalise(images[batch]))
            for tap, stream in streams.items():
                stream.add(start, captured.pop(tap), labels[batch])
    for stream in streams.values():
        stream.close()
