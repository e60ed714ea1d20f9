"""Where a model is read, how its taps are connected, and how to silence what is found there.

A model says where its taps are by `model.taps() -> {"block0.hidden": Tap, ...}` and which weights
lead from one to another by `model.edges() -> [Edge, ...]`.
"""

import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from nodal.errors import NodalError, closest


@dataclass(frozen=True)
class Tap:
    """One end of a module.

    module: the torch.nn.Module. end: "input" or "output". columns: the slice of the feature axis
    that belongs to the tap (None: all). skip: leading tokens that are no image position; None:
    those beyond the largest square.
    """

    module: torch.nn.Module
    end: str
    columns: slice | None = None
    skip: int | None = 0

    def read(self, tensor):
        """(B, tokens, features), (B, D, height, width) or (B, D) -> (B, tokens, D)."""
        if tensor.ndim == 4:
            return tensor.flatten(2).transpose(1, 2)
        if tensor.ndim == 2:
            return tensor[:, None]
        n_tokens = tensor.shape[1]
        skip = n_tokens - math.isqrt(n_tokens) ** 2 if self.skip is None else self.skip
        tensor = tensor[:, skip:]
        return tensor if self.columns is None else tensor[..., self.columns]


def select(model, sites=None):
    """{tap: Tap} of a model for site names ("hidden": in every block) or taps ("block3.hidden").

    None means every tap. Raises NodalError for a site the model does not have.
    """
    taps = model.taps()
    if sites is None:
        return taps
    known = {tap.partition(".")[2] for tap in taps}
    for site in sites:
        if site not in known and site not in taps:
            raise NodalError(
                f"sites: the model has no site {site!r}; {closest(site, [*known, *taps])}"
            )
    return {
        name: tap for name, tap in taps.items() if name in sites or name.partition(".")[2] in sites
    }


@dataclass(frozen=True)
class Edge:
    """The weights between two taps: rows of `module.weight`, (D_out, D_in) or (D_out, D_in, h, w).

    target: the tap they lead to, None for the output labels. rows: None means all.
    """

    module: torch.nn.Module
    source: str
    target: str | None
    rows: slice | None = None

    @property
    def weight(self):
        """The matrix as it is now, a view."""
        return self.module.weight if self.rows is None else self.module.weight[self.rows]

    @property
    def name(self):
        return f"{self.source}>{self.target or 'labels'}"

    @property
    def block(self):
        """`block3`, or `classifier` for the weights that lead to the labels."""
        return self.target.partition(".")[0] if self.target else "classifier"


def encoder_taps(name, block, attention, linear1, linear2, skip=0):
    """The ten sites of an encoder, in the order data meets them.

    attention has `qkv`, one Linear for all three, and `proj`; linear1 and linear2 are the
    feed-forward part.
    """
    width = attention.proj.in_features
    thirds = {site: slice(i * width, (i + 1) * width) for i, site in enumerate("qkv")}
    return {
        f"{name}.input": Tap(attention.qkv, "input", skip=skip),
        **{f"{name}.{s}": Tap(attention.qkv, "output", part, skip) for s, part in thirds.items()},
        f"{name}.heads": Tap(attention.proj, "input", skip=skip),
        f"{name}.proj": Tap(attention.proj, "output", skip=skip),
        f"{name}.mid": Tap(linear1, "input", skip=skip),
        f"{name}.hidden": Tap(linear2, "input", skip=skip),
        f"{name}.ff": Tap(linear2, "output", skip=skip),
        f"{name}.out": Tap(block, "output", skip=skip),
    }


def encoder_edges(name, attention, linear1, linear2):
    """The weight matrices between those sites."""
    width = attention.proj.in_features
    return [
        *(
            Edge(attention.qkv, f"{name}.input", f"{name}.{s}", slice(i * width, (i + 1) * width))
            for i, s in enumerate("qkv")
        ),
        Edge(attention.proj, f"{name}.heads", f"{name}.proj"),
        Edge(linear1, f"{name}.mid", f"{name}.hidden"),
        Edge(linear2, f"{name}.hidden", f"{name}.ff"),
    ]


@contextmanager
def capture(model, sites=None, reduce=None):
    """Yield a dict that each forward pass fills: {tap: tensor (batch, tokens, D)}.

    sites: see `select`. Tensors are the live ones of the last pass; hooks go when the block ends.
    reduce: called with tap and tensor as soon as it is there; what it returns is kept instead, so
    that the tensors of all taps need not be in memory at once.
    """
    captured = {}
    handles = []
    for name, tap in select(model, sites).items():

        def hook(module, inputs, output=None, name=name, tap=tap):
            tensor = tap.read(inputs[0] if tap.end == "input" else output)
            captured[name] = reduce(name, tensor) if reduce else tensor

        register = "register_forward_pre_hook" if tap.end == "input" else "register_forward_hook"
        handles.append(getattr(tap.module, register)(hook))
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def silenced(model, name, nodes):
    """Within the block, the given nodes (indices of the feature axis) of a tap are zero.

    Raises NodalError if the model has no such tap.
    """
    tap = select(model, [name])[name]
    offset = tap.columns.start or 0 if tap.columns else 0
    index = torch.as_tensor(nodes) + offset

    def zero(tensor):
        tensor = tensor.clone()
        if tensor.ndim == 4:
            tensor[:, index] = 0
        else:
            tensor[..., index] = 0
        return tensor

    if tap.end == "input":
        handle = tap.module.register_forward_pre_hook(lambda _, args: (zero(args[0]), *args[1:]))
    else:
        handle = tap.module.register_forward_hook(lambda _, __, output: zero(output))
    try:
        yield
    finally:
        handle.remove()
