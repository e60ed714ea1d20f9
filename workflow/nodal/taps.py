"""Where a model is read, how its taps are connected, and how to silence what is found there.

A model is a `Tapped`: it says where its taps are, which weights lead from one to another, which
tokens of an input count and what grid their places form.
"""

import math
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from nodal.errors import NodalError, closest


class Tapped(nn.Module):
    """A network that says where it is read.

    `taps()`: {"block0.hidden": Tap, ...}, in the order data meets them. `edges()`: the weights that
    lead from one tap to another, and from the last to the labels.
    """

    def edges(self):
        return []

    def valid(self, inputs):
        """Which tokens of a batch of inputs count, bool (B, T); None: all of them."""


@dataclass(frozen=True)
class Tokens:
    """What a tap gave for a batch.

    values: (B, T, D). grid: the form that their places make, (height, width) or (length,); None
    where it is not known. prefix: how many leading tokens have no place (class tokens). valid:
    bool (B, T), None if all are.
    """

    values: torch.Tensor
    grid: tuple | None = None
    prefix: int = 0
    valid: torch.Tensor | None = None

    def rows(self):
        """(n, D): every token that counts, of all inputs."""
        return self.values.flatten(0, 1) if self.valid is None else self.values[self.valid]


@dataclass(frozen=True)
class Tap:
    """One end of a module.

    module: the torch.nn.Module. end: "input" or "output". columns: the slice of the feature axis
    that belongs to the tap (None: all). grid, prefix: see Tokens. image: (height, width) of images
    whose proportions give the grid where only they are known. channels_last: a map is (B, height,
    width, D).
    """

    module: nn.Module
    end: str
    columns: slice | None = None
    grid: tuple | None = None
    prefix: int = 0
    image: tuple | None = None
    channels_last: bool = False

    def read(self, tensor, valid=None):
        """(B, T, features), (B, D, height, width) or (B, D) -> Tokens."""
        if tensor.ndim == 4:
            image = tensor if self.channels_last else tensor.permute(0, 2, 3, 1)
            return Tokens(image.flatten(1, 2), tuple(image.shape[1:3]))
        if tensor.ndim == 2:
            return Tokens(tensor[:, None], (1, 1))
        grid, prefix = self.grid, self.prefix
        if self.image:
            grid = proportional(tensor.shape[1], *self.image)
            prefix = tensor.shape[1] - math.prod(grid)
        tensor = tensor if self.columns is None else tensor[..., self.columns]
        return Tokens(tensor, grid, prefix, valid)


def proportional(n_tokens, height, width):
    """The largest (rows, columns) in the proportions of an image that n_tokens can fill.

    What is left over are class tokens. Raises NodalError if it is more than the tokens placed.
    """
    unit = math.gcd(height, width)
    rows, columns = height // unit, width // unit
    side = math.isqrt(n_tokens // (rows * columns))
    if side == 0 or 2 * side**2 * rows * columns < n_tokens:
        raise NodalError(
            f"activations.pool: {n_tokens} tokens do not fill a grid of an image's proportions, "
            f"{height} x {width}; expected pool: sequence"
        )
    return side * rows, side * columns


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

    module: nn.Module
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


def encoder_taps(name, block, attention, linear1, linear2, grid, prefix=0):
    """The ten sites of an encoder, in the order data meets them.

    attention has `qkv`, one Linear for all three, and `proj`; linear1 and linear2 are the
    feed-forward part. grid, prefix: see Tokens.
    """
    width = attention.proj.in_features
    places = {"grid": grid, "prefix": prefix}
    thirds = {site: slice(i * width, (i + 1) * width) for i, site in enumerate("qkv")}
    return {
        f"{name}.input": Tap(attention.qkv, "input", **places),
        **{
            f"{name}.{s}": Tap(attention.qkv, "output", part, **places)
            for s, part in thirds.items()
        },
        f"{name}.heads": Tap(attention.proj, "input", **places),
        f"{name}.proj": Tap(attention.proj, "output", **places),
        f"{name}.mid": Tap(linear1, "input", **places),
        f"{name}.hidden": Tap(linear2, "input", **places),
        f"{name}.ff": Tap(linear2, "output", **places),
        f"{name}.out": Tap(block, "output", **places),
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

    sites: see `select`. Tensors are copies of the last pass's, which a later module may change in
    place; hooks go when the block ends. reduce: called with tap and Tokens as soon as they are
    there, and outside autocast, for what is measured is computed in the precision of its numbers
    whatever the network runs in. What it returns is kept instead, so that the tensors of all taps
    need not be in memory at once; what it keeps of the live tensors, it copies.
    """
    reduce = reduce or (lambda _, tokens: tokens.values.clone())
    captured, state = {}, {"valid": None}

    def look(module, inputs):
        state["valid"] = module.valid(inputs[0])

    handles = [model.register_forward_pre_hook(look)]
    for name, tap in select(model, sites).items():

        def hook(module, inputs, output=None, name=name, tap=tap):
            tokens = tap.read(inputs[0] if tap.end == "input" else output, state["valid"])
            with torch.autocast(tokens.values.device.type, enabled=False):
                captured[name] = reduce(name, tokens)

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
        if tensor.ndim == 4 and not tap.channels_last:
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


@contextmanager
def recorded(model, names):
    """Yield a dict that a forward pass fills: {tap: {module: output}} of the taps of those names.

    The modules are the outermost of those that are done when the tap's own begins, and that the
    pass calls only once: what they gave does not depend on what is changed at the tap.
    """
    before, done, calls = {}, {}, Counter()

    def keep(module, _, output):
        calls[module] += 1
        if torch.is_tensor(output):
            for inner in module.modules():
                done.pop(inner, None)
            done[module] = output.clone()  # before another module changes it in place

    handles = [module.register_forward_hook(keep) for module in model.modules()]
    for name in names:

        def reach(*_, name=name):
            before.setdefault(name, dict(done))

        handles.append(select(model, [name])[name].module.register_forward_pre_hook(reach))
    try:
        yield before
    finally:
        for handle in handles:
            handle.remove()
        for name, outputs in before.items():
            before[name] = {module: out for module, out in outputs.items() if calls[module] == 1}


@contextmanager
def replayed(outputs):
    """Within the block, modules give what was recorded of them and compute nothing."""
    own = {module: vars(module).get("forward") for module in outputs}
    for module, output in outputs.items():
        module.forward = lambda *_, output=output, **__: output.clone()
    try:
        yield
    finally:
        for module, forward in own.items():
            del module.forward
            if forward is not None:
                module.forward = forward


class Silenced(nn.Module):
    """A network's answers with groups of nodes silenced in turn: (B, ...) -> (B, 1 + groups, C).

    groups: [(tap, nodes)]. Answer 0 is that of the whole network; what comes before a tap is
    computed for that one and not again.
    """

    def __init__(self, model, groups):
        super().__init__()
        self.model, self.groups = model, groups

    def forward(self, x):
        with recorded(self.model, {tap for tap, _ in self.groups}) as before:
            answers = [self.model(x)]
        for tap, nodes in self.groups:
            with replayed(before[tap]), silenced(self.model, tap, nodes):
                answers.append(self.model(x))
        return torch.stack(answers, 1)
