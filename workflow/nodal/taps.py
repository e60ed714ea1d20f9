"""Where a model is read, how its taps are connected, and how to silence what is found there.

A model says where its taps are by `model.taps() -> {"block0.hidden": Tap, ...}` and which weights
lead from one to another by `model.edges() -> [Edge, ...]`.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import torch

from nodal.errors import NodalError, closest


@dataclass(frozen=True)
class Tap:
    """One end of a module.

    module: the torch.nn.Module. end: "input" or "output". columns: the slice of the feature axis
    that belongs to the tap (None: all). skip: leading tokens that are no image position.
    """

    module: torch.nn.Module
    end: str
    columns: slice | None = None
    skip: int = 0

    def read(self, tensor):
        """(batch, tokens, features) or (batch, D, height, width) -> (batch, tokens, D)."""
        if tensor.ndim == 4:
            return tensor.flatten(2).transpose(1, 2)
        tensor = tensor[:, self.skip :]
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
