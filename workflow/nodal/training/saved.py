"""A trained network as a file: model.pt."""

import torch

from nodal import models
from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError
from nodal.files import storage
from nodal.training.loop import epoch_seed


def initial_model(config, dataset, seed):
    """The model of an experiment with its seed's initial weights, or the pretrained ones."""
    torch.manual_seed(epoch_seed(seed, "initial"))
    model = models.build(config, dataset.n_classes, dataset.inputs)
    if config.get("pretrained"):
        models.load_pretrained(model, config["pretrained"])
    return model


def save_model(path, model, config, dataset, accuracy, about=None, **settings):
    """Write model.pt: weights, model config, what is needed to rebuild it, and its accuracy.

    about: further entries of the file, plain values.
    """
    content = {
        **(about or {}),
        "state_dict": {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()},
        "model": dict(config),
        "n_classes": dataset.n_classes,
        "inputs": [dataset.inputs.kind, list(dataset.inputs.shape)],
        "test_accuracy": accuracy,
        **storage.provenance({"model": config, **settings}),
    }
    storage.save_torch(path, content)


def load_model(path, device="cpu"):
    """model.pt -> (model in evaluation mode on the device, the file's other content)."""
    content = storage.load_torch(path, device)
    state = content.pop("state_dict", None) if isinstance(content, dict) else None
    if state is None or "model" not in content:
        raise NodalError(f"{path}: expected a model.pt of this workflow")
    kind, shape = content["inputs"]
    model = models.build(content["model"], content["n_classes"], Inputs(kind, tuple(shape)))
    models.load_state(model, state, path)
    return model.to(device).eval(), content
