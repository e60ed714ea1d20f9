"""Which inputs set a node off, and which of their tokens do it.

D nodes, K entries of a list, T tokens. The lists are those of extremes/block{b}.h5; the network
runs once more on the inputs they name, and only on those, to see the tokens.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from nodal import pooling
from nodal.atlas.arrays import encode, unsigned
from nodal.taps import capture
from nodal.training import autocast

LISTS = ("highest", "token", "middle", "lowest")
SHADED = 8  # tokens of an input
CELLS = 8  # cells on a side at most, so that a shade can be seen on a small picture
LEVELS = 15
BATCH = 64


def lists(group, form):
    """One site of an extremes file -> {list: {"index", "value", maybe "position"}}, (D, K) each."""
    found = {}
    for name in LISTS:
        part = group[name if name == "token" else f"{form}/{name}"]
        found[name] = {key: part[key][:] for key in part}
    return found


def first(found, k):
    """The first k inputs of each list."""
    return {name: {key: a[:, :k] for key, a in part.items()} for name, part in found.items()}


def contributions(tokens, pooled):
    """Tokens of a tap -> what each adds to the pooled value: (B, T, D).

    pooled: (query, scale) of sequence pooling; None for means, to which all tokens add alike.
    """
    values = tokens.values.float()
    if pooled is None:
        return values if tokens.valid is None else values * tokens.valid[..., None]
    return values * pooling.token_weights(values, *pooled, tokens.valid)[..., None]


def cells(values, tokens):
    """(B, T, D) -> means over at most CELLS x CELLS places; a line, or no places: as they are."""
    if tokens.grid is None or len(tokens.grid) != 2:
        return values
    placed = values[:, tokens.prefix :].transpose(1, 2).unflatten(2, tokens.grid)
    side = [min(CELLS, length) for length in tokens.grid]
    return F.adaptive_avg_pool2d(placed, side).flatten(2).transpose(1, 2)


def levels(values, valid):
    """(n, T) of n inputs -> the SHADED tokens that stand out most and how much, 0 to LEVELS.

    A token stands out by what it has beyond the mean of its input's tokens; LEVELS is the most.
    """
    if valid is None:
        mean = values.mean(1, keepdim=True)
    else:
        mean = values.masked_fill(~valid, 0).sum(1, keepdim=True) / valid.sum(1, keepdim=True)
    beyond = (values - mean).clamp_min(0)
    if valid is not None:
        beyond = beyond.masked_fill(~valid, 0)
    top, place = beyond.topk(min(SHADED, values.shape[1]), dim=1)
    top = top / top[:, :1].clamp_min(1e-30)
    return place.numpy(), (top * LEVELS).round().to(torch.uint8).numpy()


class Shading:
    """The shades of one tap's lists, filled a batch of inputs at a time."""

    def __init__(self, found, pooled):
        self.found, self.pooled = found, pooled
        self.grid, self.place, self.level = None, {}, {}

    def add(self, tokens, batch):
        """tokens: of the inputs `batch`, indices in ascending order."""
        tokens_of = {"pooled": contributions(tokens, self.pooled), "token": tokens.values.float()}
        shown = {kind: cells(values, tokens).cpu() for kind, values in tokens_of.items()}
        on_grid = tokens.grid is not None and len(tokens.grid) == 2
        self.grid = [min(CELLS, length) for length in tokens.grid] if on_grid else None
        valid = None if tokens.valid is None or on_grid else tokens.valid.cpu()
        for name, part in self.found.items():
            self._shade(name, part["index"], shown["token" if name == "token" else "pooled"],
                        valid, batch)  # fmt: skip

    def _shade(self, name, index, values, valid, batch):
        at = np.searchsorted(batch, index)
        here = np.take(batch, at, mode="clip") == index
        if name not in self.place:
            shape = (*index.shape, SHADED)
            self.place[name], self.level[name] = np.zeros(shape, np.int64), np.zeros(shape, "u1")
        node, rank = np.nonzero(here)
        rows = torch.from_numpy(at[here])
        picked = values[rows, :, torch.from_numpy(node)]
        if name == "lowest":
            picked = -picked
        place, level = levels(picked, None if valid is None else valid[rows])
        n = place.shape[1]  # fewer than SHADED where inputs are short; the others have level 0
        self.place[name][node, rank, :n], self.level[name][node, rank, :n] = place, level

    def encoded(self):
        """The lists with their shades, as the document holds them."""
        parts = {}
        for name, part in self.found.items():
            parts[name] = {
                "index": unsigned(part["index"]),
                "value": encode(part["value"], "f4"),
                "place": unsigned(self.place[name]),
                "level": encode(self.level[name], "u1"),
            }
            if "position" in part:
                parts[name]["position"] = unsigned(part["position"])
        return {"grid": self.grid, "lists": parts}


@torch.no_grad()
def shade(model, task, found, pooled, precision):
    """{tap: its lists} -> {tap: lists with shades}: one pass over the inputs that any list names.

    task: nodal.training.Task. pooled: {tap: (query, scale) or None}.
    """
    model.eval()
    shadings = {tap: Shading(part, pooled[tap]) for tap, part in found.items()}
    named = np.unique(
        np.concatenate([p["index"].ravel() for t in found.values() for p in t.values()])
    )
    batch = named[:0]

    def add(tap, tokens):
        shadings[tap].add(tokens, batch)

    with capture(model, list(found), add):
        for batch in np.array_split(named, math.ceil(len(named) / BATCH)):
            with autocast(task.device, precision):
                model(task.prepared(task.test_inputs[batch]))
    return {tap: shading.encoded() for tap, shading in shadings.items()}
