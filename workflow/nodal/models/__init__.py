"""The model registry: variants as data, plain functions to describe and build any of them.

Importing this module does not import torch, so that a workflow is planned quickly. A family is a
module of this package with one function, `build(settings, n_classes, inputs)`, and one entry
below that says which settings it takes and where it can be read. Models of timm and torchvision
come by their own names, see nodal.models.external.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise

from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError, closest

PARTS = {  # site of an encoder, in the order data meets it -> the part it belongs to
    **dict.fromkeys(("input", "q", "k", "v", "heads", "proj"), "MHA"),
    **dict.fromkeys(("mid", "hidden", "ff"), "FF"),
    "out": "out",
}
HEAD_SITES = ("q", "k", "v", "heads")
MATRICES = (  # of an encoder: the sites that each leads from and to
    *(("input", site) for site in "qkv"),
    ("heads", "proj"), ("mid", "hidden"), ("hidden", "ff"),
)  # fmt: skip
SMALL_IMAGE = 64  # pixels; up to here a ResNet starts without halving the image twice


@dataclass(frozen=True)
class Family:
    """Models that share one file.

    settings: every key the family takes, with its default. layout: settings -> for each block its
    {site: sub-block}, in the order data meets them. outputs: sub-block -> the site that stands for
    it in the figures. side: of the finest tap's token grid, from settings and the image's side in
    pixels; None where no grid is too fine. nodes: of the widest tap, from settings. matrices:
    settings -> (site, site) that weights lead from and to, in one block or on to the next.
    head_sites: those whose nodes belong to heads. kind: of the inputs they take. batch_norm:
    whether a step needs more than one input.
    """

    settings: dict
    layout: Callable
    outputs: dict
    nodes: Callable
    matrices: Callable
    side: Callable | None = None
    head_sites: tuple = ()
    kind: str = "image"
    batch_norm: bool = False


@dataclass(frozen=True)
class Description:
    """A model as a plan sees it, before it is built.

    layout: for each block its {site: sub-block}. heads: None where there are none. edges: whether
    the weights between its taps are known, so that they can be pruned. side: see Family; None
    where only the built model could tell. nodes: of the widest tap; None where only that could.
    matrices: see Family.
    """

    family: str
    settings: dict
    layout: tuple
    heads: int | None
    outputs: dict
    head_sites: tuple = ()
    edges: bool = True
    side: Callable | None = None
    nodes: int | None = None
    matrices: tuple = MATRICES
    kind: str = "image"
    batch_norm: bool = False

    @property
    def blocks(self):
        return len(self.layout)

    @property
    def parts(self):
        """{site: sub-block} of all blocks."""
        return {site: part for block in self.layout for site, part in block.items()}

    @property
    def sites(self):
        return tuple(self.parts)


def _token_side(kernel, conv_layers, size):
    """Side of a CCT's token grid: each convolution is followed by pooling with stride 2."""
    stride, padding = max(1, kernel // 2 - 1), max(1, kernel // 2)
    for _ in range(conv_layers):
        size = (size + 2 * padding - kernel) // stride + 1
        size = (size - 1) // 2 + 1
    return size


def _encoder_nodes(settings):
    return int(settings["width"] * max(1, settings["mlp_ratio"]))


def _stage_sites(n_convolutions):
    """Sites of a VGG stage: each inner convolution, and the stage's end."""
    return dict.fromkeys([*(f"conv{i}" for i in range(1, n_convolutions)), "out"], "stage")


def _stage_pairs(settings):
    """A VGG's filters lead on to the next convolution's."""
    return pairwise(site for n in settings["stages"] for site in _stage_sites(n))


def _unit_sites(n_units):
    """Sites of a ResNet stage: inside each residual unit and after it; the last is the stage's."""
    names = [name for i in range(n_units) for name in (f"inner{i}", f"unit{i}")]
    return dict.fromkeys([*names[:-1], "out"], "stage")


def _unit_pairs(settings):
    """Within a unit, on to the next, and past a stage's first by the shortcut that widens."""
    source = None
    for n_units in settings["units"]:
        sites = list(_unit_sites(n_units))
        for i, (inner, end) in enumerate(zip(sites[::2], sites[1::2], strict=True)):
            if source:
                yield from ((source, inner), *([(source, end)] if i == 0 else []))
            yield inner, end
            source = end


FAMILIES = {
    "cct": Family(
        settings={
            **{"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1},
            **{"kernel": 3, "conv_layers": 1, "positions": "learnable"},
            **{"dropout": 0.0, "attention_dropout": 0.1, "stochastic_depth": 0.1},
        },
        layout=lambda settings: (PARTS,) * settings["depth"],
        side=lambda settings, size: _token_side(settings["kernel"], settings["conv_layers"], size),
        outputs={"MHA": "proj", "FF": "ff", "out": "out"},
        nodes=_encoder_nodes,
        matrices=lambda settings: MATRICES,
        head_sites=HEAD_SITES,
    ),
    "text_cct": Family(
        settings={
            **{"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1},
            **{"kernel": 3, "conv_layers": 1, "positions": "learnable"},
            **{"dropout": 0.1, "attention_dropout": 0.1, "stochastic_depth": 0.1},
        },
        layout=lambda settings: (PARTS,) * settings["depth"],
        outputs={"MHA": "proj", "FF": "ff", "out": "out"},
        nodes=_encoder_nodes,
        matrices=lambda settings: MATRICES,
        head_sites=HEAD_SITES,
        kind="text",
    ),
    "vgg": Family(
        settings={"stages": (1, 1, 2, 2, 2), "width": 64, "dropout": 0.0},
        layout=lambda settings: tuple(map(_stage_sites, settings["stages"])),
        side=lambda settings, size: max(1, size // 2),
        outputs={"stage": "out"},
        nodes=lambda settings: settings["width"] * 2 ** min(3, len(settings["stages"]) - 1),
        matrices=_stage_pairs,
        batch_norm=True,
    ),
    "resnet": Family(
        settings={"units": (2, 2, 2, 2), "width": 64},
        layout=lambda settings: tuple(map(_unit_sites, settings["units"])),
        side=lambda settings, size: size if size <= SMALL_IMAGE else -(-size // 4),
        outputs={"stage": "out"},
        nodes=lambda settings: settings["width"] * 2 ** (len(settings["units"]) - 1),
        matrices=_unit_pairs,
        batch_norm=True,
    ),
}

VARIANTS = {  # name -> family and the settings that differ from the family's
    "cct": ("cct", {}),
    "cct_2": ("cct", {"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1}),
    "cct_4": ("cct", {"width": 128, "depth": 4, "heads": 2, "mlp_ratio": 1}),
    "cct_6": ("cct", {"width": 256, "depth": 6, "heads": 4, "mlp_ratio": 2}),
    "cct_7": ("cct", {"width": 256, "depth": 7, "heads": 4, "mlp_ratio": 2}),
    "cct_14": ("cct", {"width": 384, "depth": 14, "heads": 6, "mlp_ratio": 3}),
    "text_cct": ("text_cct", {}),
    "text_cct_2": ("text_cct", {"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1}),
    "text_cct_4": ("text_cct", {"width": 128, "depth": 4, "heads": 2, "mlp_ratio": 1}),
    "text_cct_6": ("text_cct", {"width": 256, "depth": 6, "heads": 4, "mlp_ratio": 2}),
    "vgg11": ("vgg", {"stages": (1, 1, 2, 2, 2)}),
    "vgg16": ("vgg", {"stages": (2, 2, 3, 3, 3)}),
    "resnet18": ("resnet", {}),
}


HEADS = {  # of the published variants, which no shape of their weights tells
    (own["width"], own["depth"]): own["heads"] for family, own in VARIANTS.values()
    if family == "cct" and own
}  # fmt: skip


def describe(config):
    """A model section of the config -> Description, without building the model.

    config: {"name": "cct_7/3x1", ...settings that override the variant's}. Raises NodalError for
    an unknown name, a setting the family does not have, and heads that do not divide the width.
    """
    if config.get("source", "nodal") != "nodal":
        from nodal.models import external

        return external.describe(config)
    name, suffix = _split_tokenizer(config["name"])
    if name not in VARIANTS:
        raise NodalError(f"model.name: no model {name!r}; {closest(name, VARIANTS)}")
    family_name, variant = VARIANTS[name]
    family = FAMILIES[family_name]
    given = {key: value for key, value in config.items() if key not in ("name", "source")}
    for key in [*suffix, *given]:
        if key not in family.settings:
            raise NodalError(
                f"model.{key}: {name} has no such setting; {closest(key, family.settings)}"
            )
    settings = {**family.settings, **variant, **suffix, **given}
    _check_sizes(config["name"], settings)
    heads = settings.get("heads")
    if heads and settings["width"] % heads:
        raise NodalError(
            f"model.heads: {heads} heads do not divide the width {settings['width']}; "
            "expected a divisor of it"
        )
    return Description(
        family=family_name,
        settings=settings,
        layout=family.layout(settings),
        heads=heads,
        outputs=family.outputs,
        head_sites=family.head_sites,
        side=family.side,
        nodes=family.nodes(settings),
        matrices=tuple(family.matrices(settings)),
        kind=family.kind,
        batch_norm=family.batch_norm,
    )


def _check_sizes(name, settings):
    """Raise NodalError for a tokenizer or a feed-forward part that would have nothing in it."""
    if not all(settings.get(key, 1) for key in ("kernel", "conv_layers")):
        raise NodalError(
            f"model.name: {name} has a tokenizer of nothing; expected a kernel and a number of "
            "convolutions of at least 1, as in cct_7/3x1"
        )
    ratio = settings.get("mlp_ratio")
    if ratio is not None and int(settings["width"] * ratio) < 1:
        raise NodalError(
            f"model.mlp_ratio: {ratio:g} of the width {settings['width']} is no hidden node; "
            f"expected at least {1 / settings['width']:g}"
        )


def prunable(description, sites, scopes):
    """Whether a scope has a weight matrix with both ends among the sites; None: all are read.

    The labels are one end of the classifier's. scopes: as in the pruning section.
    """
    read = {*(sites or description.sites)}
    led_to = {end for start, end in description.matrices if {start, end} <= read}
    led_to |= {"all", "blocks"} if led_to else set()
    led_to |= {"classifier"} if list(description.layout[-1])[-1] in read else set()
    return not led_to.isdisjoint(scopes)


def token_side(description, image_size):
    """Side of the finest grid of tokens among a model's taps, for square images; None: unknown."""
    return description.side and description.side(description.settings, image_size)


def _split_tokenizer(name):
    """'cct_7/3x1' -> ('cct_7', {'kernel': 3, 'conv_layers': 1})."""
    match = re.fullmatch(r"(?P<base>[^/]+)/(?P<kernel>\d+)x(?P<layers>\d+)", name)
    if not match:
        return name, {}
    return match["base"], {"kernel": int(match["kernel"]), "conv_layers": int(match["layers"])}


def build(config, n_classes, inputs):
    """A model section of the config -> an initialised torch.nn.Module, a `nodal.taps.Tapped`.

    inputs: (channels, height, width), or a description of any kind of input. Draws from torch's
    global random state. Raises NodalError if the model takes inputs of another kind.
    """
    description, inputs = describe(config), Inputs.of(inputs)
    if inputs.kind != description.kind:
        raise NodalError(
            f"model.name: {config['name']} takes {description.kind} inputs, the dataset holds "
            f"{inputs.kind}; expected a model for {inputs.kind}"
        )
    family = import_module(f"nodal.models.{description.family}")
    return family.build(description.settings, n_classes, inputs)


def load_published_cct(path):
    """A state dict with the published CCT's key names -> a model in evaluation mode.

    Width, depth, MLP ratio, tokenizer, positions and labels are read off the tensors' shapes;
    heads follow the published variants. Raises NodalError naming the file and the key at fault.
    """
    from nodal.models import published

    return published.load(path)


def load_pretrained(model, path):
    """Weights of a file -> a model built to hold them; NodalError names file and key."""
    from nodal.models import published

    load_state(getattr(model, "network", model), published.read_state(path), path)


def load_state(model, state, path):
    """Copy a state dict into a model; NodalError names the file and the first key that differs.

    How many batches a normalisation has seen may be missing, as in files older than that count:
    nothing that is measured here depends on it.
    """
    own = model.state_dict()
    uncounted = {key for key in own.keys() - state.keys() if key.endswith("num_batches_tracked")}
    if uncounted:
        state = {**state, **{key: own[key] for key in uncounted}}
    for key in own:
        if key not in state:
            raise NodalError(f"{path}: {key} is missing; the model needs it")
        found, expected = tuple(state[key].shape), tuple(own[key].shape)
        if found != expected:
            raise NodalError(f"{path}: {key} has shape {found}; expected {expected}")
    for key in state:
        if key not in own:
            raise NodalError(f"{path}: {key} is not a weight of this model")
    model.load_state_dict(state)
