"""Any classifier of timm or torchvision by its name there: the network a user already has.

A timm ViT has an encoder's sites and its heads. Of any other network the outputs of the modules
named in `taps` are read, one block each. Outputs are (B, D, height, width), (B, tokens, D) or
(B, D); leading tokens beyond the largest square (a class token) are no image positions.
"""

from functools import lru_cache, partial
from importlib import import_module

import torch
from torch import nn

from nodal.errors import NodalError, closest
from nodal.models import HEAD_SITES, PARTS, Description
from nodal.taps import Edge, Tap, encoder_edges, encoder_taps

KEYS = ("name", "source", "pretrained", "taps")


def describe(config):
    """See nodal.models.describe; builds the network without its weights to learn its modules."""
    for key in config:
        if key not in KEYS:
            raise NodalError(
                f"model.{key}: a model of {config['source']} has no such setting; "
                f"{closest(key, KEYS)}"
            )
    taps = config.get("taps")
    return _describe(config["source"], config["name"], taps and tuple(taps))


@lru_cache
def _describe(source, name, taps):
    with torch.device("meta"):
        network = _create(source, name, n_classes=2, image_shape=(3, None, None))
    settings = {"source": source, "name": name, "taps": taps}
    described = partial(Description, family="external", settings=settings)
    if taps:
        _modules(network, taps)
        layout = ({"out": "stage"},) * len(taps)
        return described(layout=layout, heads=None, outputs={"stage": "out"}, edges=False)
    if not _is_vit(network):
        children = ", ".join(child for child, _ in network.named_children())
        raise NodalError(
            f"model.taps: {name} needs names of modules to read, for instance among {children}"
        )
    return described(
        layout=(PARTS,) * len(network.blocks),
        heads=network.blocks[0].attn.num_heads,
        outputs={"MHA": "proj", "FF": "ff"},
        head_sites=HEAD_SITES,
    )


def _create(source, name, n_classes, image_shape):
    try:
        library = import_module(source)
    except ImportError as error:
        raise NodalError(
            f"model.source: {source} is not installed; pip install {source}"
        ) from error
    channels, side, _ = image_shape
    if source == "torchvision":
        library = import_module("torchvision.models")
        known = library.list_models()
        if name not in known:
            raise NodalError(
                f"model.name: torchvision has no {name!r}; {closest(name, known)[:200]}"
            )
        if channels != 3:
            raise NodalError(
                f"model.source: torchvision's {name} reads 3 channels, the images have {channels}; "
                "expected colour images, or a model of timm"
            )
        return library.get_model(name, num_classes=n_classes)
    if not library.is_model(name):
        raise NodalError(
            f"model.name: timm has no {name!r}; {closest(name, library.list_models())[:200]}"
        )
    options = {"num_classes": n_classes, "in_chans": channels}
    network = partial(library.create_model, name, pretrained=False, **options)
    try:
        return network(img_size=side) if side else network()
    except TypeError:
        return network()


def _is_vit(network):
    if not isinstance(getattr(network, "blocks", None), nn.Sequential):
        return False
    named = dict(network.blocks[0].named_modules())
    parts = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    return all(isinstance(named.get(part), nn.Linear) for part in parts)


def _modules(network, taps):
    """The modules of those names; NodalError lists the closest names for one there is not."""
    named = dict(network.named_modules())
    for name in taps:
        if name not in named or not name:
            raise NodalError(f"model.taps: no module {name!r}; {closest(name, list(named)[1:])}")
    return [named[name] for name in taps]


class External(nn.Module):
    """A foreign network with taps and edges."""

    def __init__(self, network, taps):
        super().__init__()
        self.network, self.names = network, taps

    def forward(self, x):
        return self.network(x)

    def taps(self):
        """See nodal.taps."""
        if self.names:
            modules = _modules(self.network, self.names)
            return {
                f"block{b}.out": Tap(module, "output", skip=None)
                for b, module in enumerate(modules)
            }
        skip = getattr(self.network, "num_prefix_tokens", 0)
        taps = {}
        for b, block in enumerate(self.network.blocks):
            taps |= encoder_taps(f"block{b}", block, block.attn, block.mlp.fc1, block.mlp.fc2, skip)
        return taps

    def edges(self):
        """See nodal.taps; none are known where modules are named by the user."""
        if self.names:
            return []
        edges = []
        for b, block in enumerate(self.network.blocks):
            edges += encoder_edges(f"block{b}", block.attn, block.mlp.fc1, block.mlp.fc2)
        head = self.network.get_classifier()
        last = f"block{len(self.network.blocks) - 1}.out"
        return [*edges, Edge(head, last, None)] if isinstance(head, nn.Linear) else edges


def build(settings, n_classes, image_shape):
    """settings: source, name and taps, as described."""
    network = _create(settings["source"], settings["name"], n_classes, image_shape)
    return External(network, settings["taps"])
