"""One streamed forward pass fills every tap: pooled activations, class means, root mean squares.

From the same passes come the network's own logits and, for each node, the inputs at the extremes.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from nodal import snp, taps
from nodal.errors import NodalError
from nodal.files import storage
from nodal.pooling import sum_of_squares
from nodal.progress import told
from nodal.training import autocast

WAITING = 2**16  # numbers of a tap that are worth a write
SORTED = 2**24  # values whose extremes are looked for at once
EXTREMES = 8  # inputs kept at each end of a node's range, and in its middle
DISK = {torch.float32: "f4", torch.float16: "f2"}


@dataclass
class Targets:
    """Where a dump goes: {block: file} of activations and of extremes, and the logits' file."""

    activations: dict
    extremes: dict = field(default_factory=dict)
    logits: str | None = None


def require_own_queries(path, attributes, network):
    """Raise NodalError if the queries of a file were learned on another network.

    attributes: of the file. network: the SHA-256 of the model.pt that is to be read with them.
    """
    if attributes.get("network") != network:
        raise NodalError(
            f"{path}: the queries of another network; delete it, and they are learned anew"
        )


class TapStream:
    """What one tap of one split adds up, in one form, while its activations stream to disk.

    Batches wait until they are worth a write.
    """

    def __init__(self, file, group, split, labels, n_classes):
        self.file, self.group, self.split = file, group, split
        self.labels, self.n_classes = labels, n_classes
        self.waiting, self.n_waiting, self.n_stored = [], 0, 0
        self.sums, self.counts = 0, 0
        self.stored, self.scale = None, 1.0

    def add(self, pooled):
        """pooled: (B, R, D) float32, of the inputs that follow those before."""
        self.waiting.append(pooled)
        self.n_waiting += len(pooled)
        if self.n_waiting * pooled[0].numel() >= WAITING:
            self._store()

    def _store(self):
        pooled = torch.cat(self.waiting)
        self.waiting, self.n_waiting = [], 0
        if self.stored is None:
            self._open(pooled)
        rows = slice(self.n_stored, self.n_stored + len(pooled))
        pooled = (pooled / self.scale).to(self.kind)
        self.stored[rows] = pooled.cpu().numpy()
        self.file.check()
        sums, counts = snp.class_sums(pooled, self.labels[rows], self.n_classes)
        self.sums = self.sums + sums.double()
        self.counts = self.counts + counts
        self.n_stored = rows.stop

    def _open(self, pooled):
        """Several positions are stored in float16, over a scale that suits the first inputs."""
        self.kind = torch.float32 if pooled.shape[1] == 1 else torch.float16
        if self.kind == torch.float16:
            self.scale = self._scale(pooled)
        self.stored = self.group.create_dataset(
            self.split, (len(self.labels), *pooled.shape[1:]), DISK[self.kind],
            chunks=tuple(pooled.shape), fletcher32=True,
        )  # fmt: skip

    def _scale(self, pooled):
        if "scale" in self.group:
            return torch.from_numpy(self.group["scale"][:]).to(pooled.device)
        size = pooled.square().mean((0, 1)).sqrt()
        scale = torch.where(size > 0, torch.exp2(torch.log2(size).round()), 1.0)
        storage.put(self.group, "scale", scale.cpu().numpy())
        return scale

    def close(self):
        if self.waiting:
            self._store()
        scale = self.scale if torch.is_tensor(self.scale) else 1.0
        means = snp.means_from_sums(self.sums * scale, self.counts).cpu().numpy()
        if not np.isfinite(means).all():
            site = self.group.name[1:]
            if self.kind == torch.float32 or self._holds_nan():
                raise NodalError(f"{site}: activations that are not finite; did training diverge?")
            raise NodalError(
                f"{site}: an activation is 65,504 times as large as those of the first training "
                "inputs, more than 16 bits hold; expected a larger activations.batch_size"
            )
        storage.put(self.group, f"class_means/{self.split}", means)

    def _holds_nan(self):
        """What is too large is stored as infinity, NaN as itself."""
        step = self.stored.chunks[0]
        starts = range(0, len(self.stored), step)
        return any(np.isnan(self.stored[start : start + step]).any() for start in starts)


class Scaled:
    """Activations stored in float16 over a scale, read as float32 a slice at a time."""

    def __init__(self, stored, scale):
        self.stored, self.scale, self.shape = stored, scale, stored.shape

    def __len__(self):
        return len(self.stored)

    def __getitem__(self, rows):
        return self.stored[rows].astype(np.float32) * self.scale


def read(group, split):
    """One form of a site, as `dump` left it -> (N, R, D), read when a slice of it is taken."""
    return Scaled(group[split], group["scale"][:]) if "scale" in group else group[split]


class MeanSquares:
    """Sums of squares over all valid tokens of the taps that weights lead from: {tap: (D,)}."""

    def __init__(self, wanted):
        self.sums = dict.fromkeys(wanted, 0)
        self.tokens = dict.fromkeys(wanted, 0)

    def add(self, tap, tokens, start):
        if tap in self.sums:
            rows = tokens.rows()
            self.sums[tap] = self.sums[tap] + sum_of_squares(rows)
            self.tokens[tap] += len(rows)

    def store(self, files):
        """Write {site}/rms (D,) into each block's file."""
        for tap, total in self.sums.items():
            block, _, site = tap.partition(".")
            rms = (total / self.tokens[tap]).sqrt().float().cpu().numpy()
            storage.put(files[block], f"{site}/rms", rms)


class LargestTokens:
    """The inputs with the largest single token of every node: {tap: value, index, position}."""

    def __init__(self):
        self.found = {}

    def add(self, tap, tokens, start):
        values = tokens.values.float()
        if tokens.valid is not None:
            values = values.masked_fill(~tokens.valid[:, :, None], -torch.inf)
        largest = values.amax(1)  # (B, D)
        value, row = largest.topk(min(EXTREMES, len(largest)), dim=0)  # (K, D)
        # Only where they are among the first: a search that keeps places takes five times as long.
        node = torch.arange(values.shape[2], device=values.device)
        position = values[row, :, node].argmax(2)
        new = (value, row + start, position)
        if tap in self.found:
            new = tuple(torch.cat(pair) for pair in zip(self.found[tap], new, strict=True))
        best = new[0].topk(min(EXTREMES, len(new[0])), dim=0).indices
        self.found[tap] = tuple(column.gather(0, best) for column in new)

    def store(self, files):
        """Write {site}/token/value, index and position (D, K) into each block's file."""
        for tap, columns in self.found.items():
            block, _, site = tap.partition(".")
            for name, column in zip(("value", "index", "position"), columns, strict=True):
                column = column.T.contiguous().cpu().numpy()
                kind = np.float32 if name == "value" else np.int32
                storage.put(files[block], f"{site}/token/{name}", column.astype(kind))


def extremes(pooled):
    """Pooled values (N, D) -> {"highest", "middle", "lowest": (value (D, K), index (D, K))}.

    Middle: nearest to the node's median. Some nodes at a time, so that little is in memory twice.
    """
    at_once = max(1, SORTED // len(pooled))
    parts = [_extremes(part.T.contiguous()) for part in torch.as_tensor(pooled).split(at_once, 1)]
    return {
        name: tuple(
            np.concatenate(column) for column in zip(*(p[name] for p in parts), strict=True)
        )
        for name in parts[0]
    }


def _extremes(values):
    """As `extremes`, of values (D, N)."""
    k = min(EXTREMES, values.shape[1])
    off = (values - values.median(1, keepdim=True).values).abs()
    places = {"highest": values.topk(k).indices, "middle": off.topk(k, largest=False).indices,
              "lowest": values.topk(k, largest=False).indices}  # fmt: skip
    return {
        name: (values.gather(1, index).numpy(), index.int().numpy())
        for name, index in places.items()
    }


@torch.no_grad()
def dump(model, task, forms, settings, precision, targets, attributes):
    """Write what every tap says of every input: one HDF5 file of activations per block.

    Per site and form `{site}/{form}/{split}` (N, R, D), float32 where R = 1, else float16 times
    `{site}/{form}/scale` (D,); `{site}/{form}/class_means/{split}` (C, R, D); for taps that weights
    lead from `{site}/rms` (D,) over all valid tokens of the training split; labels/{split}. forms:
    `nodal.pooling.Sequence` or `Grid`. settings: the activations section. Memory holds one batch
    and of each form what waits to be written, then of the test split the logits and a number for
    each input and node of one tap.
    """
    model.eval()
    names = taps.select(model, settings["sites"])
    squares = MeanSquares({edge.source for edge in model.edges()} & set(names))
    largest = LargestTokens()
    with ExitStack() as stack:

        def opened(paths):
            return {
                block: stack.enter_context(storage.write_hdf5(path, {**attributes, "block": block}))
                for block, path in paths.items()
            }

        files, ends = opened(targets.activations), opened(targets.extremes)
        answers = []
        for split, inputs, labels, observe, answer in (
            ("train", task.train_inputs, task.train_labels, squares.add, lambda logits: None),
            (
                "test",
                task.test_inputs,
                task.test_labels,
                largest.add,
                lambda logits: answers.append(logits.float().cpu()),
            ),
        ):
            passing = _Pass(model, task, forms, settings, precision, files, split, observe, answer)
            passing.run(list(names), inputs, labels)
            for file in files.values():
                storage.put(file, f"labels/{split}", labels.cpu().numpy())
        squares.store(files)
        if ends:
            largest.store(ends)
            _store_extremes(files, ends)
    if targets.logits:
        with storage.write_hdf5(targets.logits, attributes) as file:
            storage.put(file, "logits", torch.cat(answers).numpy())
            storage.put(file, "labels", task.test_labels.cpu().numpy())


def _store_extremes(files, ends):
    """By the pooled values that were just written, the mean over positions of a tap at a time."""
    for block, file in files.items():
        for site in (name for name in file if name != "labels"):
            for form in (name for name in file[site] if name != "rms"):
                stored = read(file[site][form], "test")
                rows = max(1, SORTED // int(np.prod(stored.shape[1:])))
                starts = range(0, len(stored), rows)
                pooled = np.concatenate([stored[at : at + rows].mean(1) for at in starts])
                for end, (value, index) in extremes(pooled).items():
                    storage.put(ends[block], f"{site}/{form}/{end}/value", value)
                    storage.put(ends[block], f"{site}/{form}/{end}/index", index)


@dataclass
class _Pass:
    """One split on its way through the network."""

    model: torch.nn.Module
    task: object
    forms: object
    settings: dict
    precision: str
    files: dict
    split: str
    observe: object  # takes a tap, its tokens and where in the split they begin
    answer: object  # takes the logits (B, C) of each batch

    def run(self, names, inputs, labels):
        """Stream the split into the files."""
        size, start, streams = self.settings["batch_size"], 0, {}

        def reduce(tap, tokens):
            self.observe(tap, tokens, start)
            return self.forms(tap, tokens)

        with taps.capture(self.model, names, reduce) as captured:
            for start in told(
                tqdm(range(0, len(labels), size), desc=self.split, disable=None),
                f"{self.split} split, batches",
            ):
                batch = slice(start, start + size)
                with autocast(self.task.device, self.precision):
                    logits = self.model(self.task.prepared(inputs[batch]))
                self.answer(logits)
                for tap in names:
                    for form, pooled in captured.pop(tap).items():
                        if (tap, form) not in streams:
                            streams[tap, form] = self._stream(tap, form, labels)
                        streams[tap, form].add(pooled)
        for stream in streams.values():
            stream.close()

    def _stream(self, tap, form, labels):
        block, _, site = tap.partition(".")
        file = self.files[block]
        group = file.require_group(f"{site}/{form}")
        return TapStream(file, group, self.split, labels, self.task.n_classes)
