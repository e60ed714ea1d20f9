"""Any classifier of timm or torchvision by its name there: the network a user already has.

A timm ViT has an encoder's sites and its heads. Of any other network the outputs of the modules
named in `taps` are read, one block each. Outputs are (B, D, height, width), (B, height, width, D),
(B, tokens, D) or (B, D); leading tokens beyond those of an image's proportions (a class token) have
no place.
"""

import math
from functools import lru_cache, partial
from importlib import import_module

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nodal.errors import NodalError, closest
from nodal.models import HEAD_SITES, PARTS, Description
from nodal.taps import Edge, Tap, Tapped, encoder_edges, encoder_taps

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
    network = _shell(source, name)
    settings = {"source": source, "name": name, "taps": taps}
    normed = any(isinstance(module, _BatchNorm) for module in network.modules())
    described = partial(Description, family="external", settings=settings, batch_norm=normed)
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
        outputs={"MHA": "proj", "FF": "ff", "out": "out"},
        head_sites=HEAD_SITES,
    )


def _shell(source, name):
    """The network without memory for its weights, where its constructor allows that."""
    shape = (3, None, None)
    try:
        with torch.device("meta"):
            return _create(source, name, 2, shape)
    except (NotImplementedError, RuntimeError):  # a RegNet's widths are computed as tensors
        return _create(source, name, 2, shape)


def _create(source, name, n_classes, shape):
    try:
        library = import_module(source)
    except ImportError as error:
        raise NodalError(
            f"model.source: {source} is not installed; pip install {source}"
        ) from error
    channels, side, _ = shape
    if source == "torchvision":
        library = import_module("torchvision.models")
        known = library.list_models(module=library)  # those of its submodules are no classifiers
        if name not in known:
            other = "no classifier" if name in library.list_models() else "no"
            raise NodalError(
                f"model.name: torchvision has {other} {name!r}; {closest(name, known)[:200]}"
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


class External(Tapped):
    """A foreign network with taps and edges.

    image: (height, width) of what it is given. channels_last: for each named module, whether its
    maps are (B, height, width, D).
    """

    def __init__(self, network, taps, image, channels_last=()):
        super().__init__()
        self.network, self.names, self.image = network, taps, image
        self.channels_last = channels_last

    def forward(self, x):
        return logits(self.network(x))

    def taps(self):
        """See nodal.taps."""
        if self.names:
            modules = zip(_modules(self.network, self.names), self.channels_last, strict=True)
            return {
                f"block{b}.out": Tap(module, "output", image=self.image, channels_last=last)
                for b, (module, last) in enumerate(modules)
            }
        prefix = getattr(self.network, "num_prefix_tokens", 0)
        grid = tuple(self.network.patch_embed.grid_size)
        taps = {}
        for b, block in enumerate(self.network.blocks):
            parts = (block, block.attn, block.mlp.fc1, block.mlp.fc2)
            taps |= encoder_taps(f"block{b}", *parts, grid, prefix)
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


def logits(output):
    """What a network answers in training or not; an Inception adds those of its side branches."""
    return output[0] if isinstance(output, tuple) else output


def _outputs(network, name, taps, shape):
    """Shapes of the named modules' outputs for one blank image of that shape.

    Raises NodalError if the network cannot take the image, or a module gives no tensor.
    """
    found = {}
    handles = [
        module.register_forward_hook(lambda _, __, output, tap=tap: found.update({tap: output}))
        for tap, module in zip(taps, _modules(network, taps), strict=True)
    ]
    training = network.training
    try:
        image = torch.zeros(1, *shape, device=next(network.parameters()).device)
        with torch.no_grad():
            network.eval()(image)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).split("\n")[0][:120]
        raise NodalError(
            f"model.name: {name} cannot take images of {shape[1]} x {shape[2]} ({reason})"
        ) from error
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    for tap in taps:
        if not torch.is_tensor(found.get(tap)) or found[tap].ndim not in (2, 3, 4):
            raise NodalError(
                f"model.taps: {tap!r} gives no map, tokens or features when {name} answers; "
                "expected a module with one output tensor"
            )
    return {tap: tuple(found[tap].shape[1:]) for tap in taps}


def _channels_last(network, name, taps, shape):
    """For each tap whether its map is (height, width, D): the axis that a larger image leaves."""
    small = _outputs(network, name, taps, shape)
    if all(len(size) < 3 for size in small.values()):
        return (False,) * len(taps)
    try:
        large = _outputs(network, name, taps, (shape[0], 2 * shape[1], 2 * shape[2]))
    except NodalError:  # made for one size of image
        large = small
    return tuple(_is_last(small[tap], large[tap]) for tap in taps)


def _is_last(small, large):
    if len(small) < 3:
        return False
    if small != large:
        return small[2] == large[2] and small[0] != large[0]
    return small[0] == small[1] != small[2]  # a square map


def _require_encoders(network, name, shape):
    """Raise NodalError unless every block of a ViT reads and gives all tokens of an image, (T, D).

    Windows, maps and gated feed-forward parts have other shapes, which taps would misread.
    """
    parts = ("", ".attn.qkv", ".attn.proj", ".mlp.fc1", ".mlp.fc2")
    taps = [f"blocks.{b}{part}" for b in range(len(network.blocks)) for part in parts]
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    found = _outputs(network, name, taps, shape)
    n_tokens = grid and math.prod(grid) + getattr(network, "num_prefix_tokens", 0)
    for b, block in enumerate(network.blocks):
        width, hidden = block.attn.proj.in_features, block.mlp.fc2.in_features
        widths = (block.mlp.fc2.out_features, 3 * width, width, hidden, block.mlp.fc2.out_features)
        for part, expected in zip(parts, widths, strict=True):
            if found[f"blocks.{b}{part}"] != (n_tokens, expected):
                raise NodalError(
                    f"model.name: blocks.{b}{part} of {name} gives "
                    f"{' x '.join(map(str, found[f'blocks.{b}{part}']))}, not {n_tokens} tokens of "
                    f"{expected}; expected model.taps, the names of modules to read"
                )


def build(settings, n_classes, inputs):
    """settings: source, name and taps, as described.

    Raises NodalError if the network cannot take such images, or a tap gives nothing to read.
    """
    name, taps = settings["name"], settings["taps"] or ()
    network = _create(settings["source"], name, n_classes, inputs.shape)
    last = _channels_last(network, name, taps, inputs.shape)
    if not taps:
        _require_encoders(network, name, inputs.shape)
    return External(network, taps, inputs.shape[1:], last)
