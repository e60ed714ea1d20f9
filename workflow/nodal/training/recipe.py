"""The train section as training obeys it: its defaults, its schedule, what it decays."""

import math

DEFAULTS = {  # of config/schema.yaml; what a recipe leaves out
    "epochs": 100,
    "cooldown_epochs": 0,
    "batch_size": 128,
    "learning_rate": 0.001,
    "weight_decay": 0.05,
    "warmup_epochs": 3,
    "warmup_rate": 1e-6,
    "min_rate": 1e-5,
    "label_smoothing": 0.1,
    "crop": 1,
    "interpolation": "bilinear",
    "flip": False,
    "shift": 0,
    "randaugment": 0,
    "erasing": 0,
    "mixup": 0,
    "cutmix": 0,
    "mix": "image",
    "mix_switch": 0.5,
    "word_dropout": 0,
    "precision": "fp32",
    "clip_norm": None,
    "eval_every": 5,
    "compile": False,
}


def complete(settings):
    """Some settings of a train section -> all that training looks at."""
    return {**DEFAULTS, **settings}


def differing(settings):
    """The settings that are not at their defaults, in alphabetical order."""
    return {k: settings[k] for k in sorted(DEFAULTS) if settings[k] != DEFAULTS[k]}


def n_epochs(settings):
    """Passes over the training split, those at the lowest rate after the cosine among them."""
    return settings["epochs"] + (settings["cooldown_epochs"] if settings["epochs"] else 0)


def learning_rate(epoch, settings):
    """Linear warm-up, half a cosine down to min_rate, and no more after it.

    epoch: a real number of epochs.
    """
    warmup, total = settings["warmup_epochs"], settings["epochs"]
    top, low = settings["learning_rate"], settings["min_rate"]
    if epoch < warmup:
        return settings["warmup_rate"] + (top - settings["warmup_rate"]) * epoch / warmup
    along = (epoch - warmup) / max(1e-12, total - warmup)
    return low + (top - low) * (1 + math.cos(math.pi * min(1.0, along))) / 2


def parameter_groups(model, weight_decay):
    """Two groups for an optimizer: matrices and kernels, which are decayed, and all else.

    Decayed is what has two axes or more and is called a weight, unless a module names it in its
    `no_weight_decay()`, as timm's do. So norms, biases, positions, class tokens and scales are not.
    """
    spared = set()
    for prefix, module in model.named_modules():
        if hasattr(module, "no_weight_decay"):
            spared |= {f"{prefix}.{name}".lstrip(".") for name in module.no_weight_decay()}
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim > 1 and "weight" in name.rpartition(".")[2]
            groups[is_matrix and name not in spared].append(parameter)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]
