"""The model registry: variants as data, plain functions to describe and build any of them.

Importing this module does not import torch, so that a workflow is planned quickly. A family is a
module of this package with one function, `build(settings, n_classes, image_shape)`, and one entry
below that says which settings it takes and where it can be read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from nodal.errors import NodalError, closest

PARTS = {  # site of an encoder, in the order data meets it -> the sub-block it belongs to
    **dict.fromkeys(("input", "q", "k", "v", "heads", "proj"), "MHA"),
    **dict.fromkeys(("mid", "hidden", "ff", "out"), "FF"),
}
HEAD_SITES = ("q", "k", "v", "heads")


@dataclass(frozen=True)
class Family:
    """Models that share one file.

    settings: every key the family takes, with its default. blocks: their number, from settings.
    side: of the finest tap's token grid, from settings and the image's side in pixels.
    parts: site -> sub-block. outputs: sub-block -> the site that stands for it in the figures.
    """

    settings: dict
    blocks: Callable
    side: Callable
    parts: dict
    outputs: dict
    head_sites: tuple = ()


@dataclass(frozen=True)
class Description:
    """A model as a plan sees it, before it is built. `heads` is None where there are none."""

    family: str
    settings: dict
    blocks: int
    heads: int | None
    parts: dict
    outputs: dict
    head_sites: tuple

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


FAMILIES = {
    "cct": Family(
        settings={
            **{"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1},
            **{"kernel": 3, "conv_layers": 1, "positions": "learnable"},
            **{"dropout": 0.0, "attention_dropout": 0.1, "stochastic_depth": 0.1},
        },
        blocks=lambda settings: settings["depth"],
        side=lambda settings, size: _token_side(settings["kernel"], settings["conv_layers"], size),
        parts=PARTS,
        outputs={"MHA": "proj", "FF": "ff"},
        head_sites=HEAD_SITES,
    ),
    "vgg": Family(
        settings={"stages": (1, 1, 2, 2, 2), "width": 64, "dropout": 0.0},
        blocks=lambda settings: len(settings["stages"]),
        side=lambda settings, size: max(1, size // 2),
        parts={"out": "stage"},
        outputs={"stage": "out"},
    ),
}

VARIANTS = {  # name -> family and the settings that differ from the family's
    "cct": ("cct", {}),
    "cct_2": ("cct", {"width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1}),
    "cct_4": ("cct", {"width": 128, "depth": 4, "heads": 2, "mlp_ratio": 1}),
    "cct_6": ("cct", {"width": 256, "depth": 6, "heads": 4, "mlp_ratio": 2}),
    "cct_7": ("cct", {"width": 256, "depth": 7, "heads": 4, "mlp_ratio": 2}),
    "cct_14": ("cct", {"width": 384, "depth": 14, "heads": 6, "mlp_ratio": 3}),
    "vgg11": ("vgg", {"stages": (1, 1, 2, 2, 2)}),
    "vgg16": ("vgg", {"stages": (2, 2, 3, 3, 3)}),
}


def describe(config):
    """A model section of the config -> Description, without building the model.

    config: {"name": "cct_7/3x1", ...settings that override the variant's}. Raises NodalError for
    an unknown name, a setting the family does not have, and heads that do not divide the width.
    """
    name, suffix = _split_tokenizer(config["name"])
    if name not in VARIANTS:
        raise NodalError(f"model.name: no model {name!r}; {closest(name, VARIANTS)}")
    family_name, variant = VARIANTS[name]
    family = FAMILIES[family_name]
    given = {key: value for key, value in config.items() if key != "name"}
    for key in [*suffix, *given]:
        if key not in family.settings:
            raise NodalError(
                f"model.{key}: {name} has no such setting; {closest(key, family.settings)}"
            )
    settings = {**family.settings, **variant, **suffix, **given}
    heads = settings.get("heads")
    if heads and settings["width"] % heads:
        raise NodalError(
            f"model.heads: {heads} heads do not divide the width {settings['width']}; "
            "expected a divisor of it"
        )
    return Description(
        family=family_name,
        settings=settings,
        blocks=family.blocks(settings),
        heads=heads,
        parts=family.parts,
        outputs=family.outputs,
        head_sites=family.head_sites,
    )


def token_side(description, image_size):
    """Side of the finest grid of tokens among a model's taps, for square images."""
    return FAMILIES[description.family].side(description.settings, image_size)


def _split_tokenizer(name):
    """'cct_7/3x1' -> ('cct_7', {'kernel': 3, 'conv_layers': 1})."""
    match = re.fullmatch(r"(?P<base>[^/]+)/(?P<kernel>\d+)x(?P<layers>\d+)", name)
    if not match:
        return name, {}
    return match["base"], {"kernel": int(match["kernel"]), "conv_layers": int(match["layers"])}


def build(config, n_classes, image_shape):
    """A model section of the config -> an initialised torch.nn.Module.

    image_shape: (channels, height, width). The module has `taps()` and `edges()`, see nodal.taps
    and nodal.pruning. Draws from torch's global random state.
    """
    description = describe(config)
    family = import_module(f"nodal.models.{description.family}")
    return family.build(description.settings, n_classes, image_shape)


def load_published_cct(path):
    """A state dict with the published CCT's key names -> a model in evaluation mode.

    Width, depth, MLP ratio, tokenizer, positions and labels are read off the tensors' shapes;
    heads follow the published variants. Raises NodalError naming the file and the key at fault.
    """
    from nodal.models import published

    return published.load(path)


def load_state(model, state, path):
    """Copy a state dict into a model; NodalError names the file and the first key that differs."""
    own = model.state_dict()
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
