"""Weights in the published CCT's format -> a model whose shape is read off the tensors."""

import math

import torch

from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError
from nodal.files.storage import load_torch
from nodal.models import HEADS, cct, load_state


def load(path):
    """See nodal.models.load_published_cct."""
    state = read_state(path)
    settings, n_classes, inputs = read_settings(state, path)
    model = cct.build(settings, n_classes, inputs)
    load_state(model, state, path)
    return model.eval()


def read_state(path):
    """The state dict of a file, which may hold it under the key `state_dict`."""
    state = load_torch(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise NodalError(f"{path}: expected a state dict of tensors")
    return state


def read_settings(state, path):
    """Shapes of a state dict -> (settings, n_classes, description of the images)."""
    shape = {key: tuple(value.shape) for key, value in state.items()}
    try:
        convolutions = [shape[k] for k in sorted(shape) if k.startswith("tokenizer.conv_layers.")]
        n_tokens, width = shape["classifier.positional_emb"][1:]
        hidden = shape["classifier.blocks.0.linear1.weight"][0]
        n_classes = shape["classifier.fc.weight"][0]
        kernel, channels = convolutions[0][-1], convolutions[0][1]
    except (KeyError, IndexError) as error:
        raise NodalError(
            f"{path}: {error.args[0]} is missing; expected the published CCT's key names"
        ) from error
    depth = len({key.split(".")[2] for key in shape if key.startswith("classifier.blocks.")})
    settings = {
        "width": width,
        "depth": depth,
        "heads": HEADS.get((width, depth), max(1, width // 64)),
        "mlp_ratio": hidden / width,
        "kernel": kernel,
        "conv_layers": len(convolutions),
        "positions": "learnable",
        **{"dropout": 0.0, "attention_dropout": 0.0, "stochastic_depth": 0.0},
    }
    stride = max(1, kernel // 2 - 1)
    side = math.isqrt(n_tokens) * (2 * stride) ** len(convolutions)
    return settings, n_classes, Inputs("image", (channels, side, side))
