"""Masks on a network: apply them, fine-tune under them, sweep theta."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils import prune
from tqdm import tqdm

from nodal import pruning, training
from nodal.errors import NodalError
from nodal.readout import per_label
from nodal.taps import capture, silenced


@dataclass
class Measured:
    """What the readouts of a network say of its taps: {tap: array}.

    means, weights: (C, R, D). rms: (D,).
    """

    means: dict
    weights: dict
    rms: dict

    def diagonals(self, threshold):
        return {
            tap: pruning.diagonals(self.means[tap], self.weights[tap], threshold)
            for tap in self.means
        }


def measured_edges(model, measured):
    """The edges whose two ends were read."""
    edges = [
        edge
        for edge in model.edges()
        if edge.source in measured.means and (edge.target or edge.source) in measured.means
    ]
    if not edges:
        raise NodalError(
            "activations.sites: pruning needs the two ends of at least one weight matrix"
        )
    return edges


def scopes(edges, wanted):
    """Scope names -> [(name, edges)]: `all` the blocks' matrices, each block, the classifier."""
    inner = [edge for edge in edges if edge.target]
    groups = []
    if "all" in wanted and inner:
        groups.append(("all", inner))
    if "blocks" in wanted:
        for block in dict.fromkeys(edge.block for edge in inner):
            groups.append((block, [edge for edge in inner if edge.block == block]))
    if "classifier" in wanted:
        groups.append(("classifier", [edge for edge in edges if edge.target is None]))
    return [(name, group) for name, group in groups if group]


def apply_masks(model, edges, masks):
    """Fix masks in place (torch.nn.utils.prune): pruned weights are exactly 0 from now on.

    edges: the model's own; masks: {edge name: bool (D_out, D_in)}. Edges may share a matrix.
    """
    whole = {}
    for edge in edges:
        weight = edge.module.weight
        mask = whole.setdefault(edge.module, torch.ones_like(weight, requires_grad=False))
        part = torch.from_numpy(masks[edge.name]).to(weight.device)
        rows = slice(None) if edge.rows is None else edge.rows
        mask[rows] = part.reshape(*part.shape, *[1] * (weight.ndim - 2)).to(mask.dtype)
    for module, mask in whole.items():
        prune.custom_from_mask(module, "weight", mask)


def make_permanent(model):
    """Turn masked weights into plain ones that are zero where they were masked."""
    for module in model.modules():
        if prune.is_pruned(module) and hasattr(module, "weight_mask"):
            prune.remove(module, "weight")
    return model


def fine_tune(model, task, train, settings, seed):
    """A short training under the masks; settings: the pruning section. Returns test accuracy."""
    epochs = math.ceil(settings["epochs"])
    short = {
        **train,
        "epochs": epochs,
        "learning_rate": settings["learning_rate"],
        "min_rate": 0.0,
        "warmup_epochs": 0,
        "eval_every": epochs,
        "compile": False,
    }
    part = task.sample(settings["epochs"] / epochs, seed)
    history = training.fit(model, part, short, seed)
    return history[-1]["test_accuracy"]


def sweep(model, task, measured, method, train, settings, seed):
    """One row per scope and theta: kept weights, dilution, accuracy before and after.

    Accuracies are fractions; fine-tuning follows where the whole network is pruned.
    """
    edges = measured_edges(model, measured)
    arrays = [(e.name, e.source, e.target, e.weight.detach().cpu().float().numpy()) for e in edges]
    precision = train["precision"]
    dense, _ = training.evaluate(model, task, precision)
    rows = []
    for threshold in tqdm(settings["thresholds"], desc=method, disable=None):
        masks = pruning.masks(
            method, arrays, measured.diagonals(threshold), measured.rms,
            training.epoch_seed(seed, f"{method}/{threshold}"),
        )  # fmt: skip
        for scope, group in scopes(edges, settings["scopes"]):
            row = {"method": method, "scope": scope, "threshold": threshold}
            row |= _counts(group, masks) | {"accuracy_dense": dense}
            pruned = copy.deepcopy(model)
            own = {edge.name: edge for edge in pruned.edges()}
            apply_masks(pruned, [own[edge.name] for edge in group], masks)
            row["accuracy_pruned"], _ = training.evaluate(pruned, task, precision)
            row["accuracy_tuned"] = np.nan
            if scope == "all" and settings["epochs"]:
                row["accuracy_tuned"] = fine_tune(pruned, task, train, settings, seed)
            rows.append(row)
    return rows


def _counts(edges, masks):
    total = sum(masks[edge.name].size for edge in edges)
    kept = sum(int(masks[edge.name].sum()) for edge in edges)
    return {"n_weights": total, "n_kept": kept, "dilution": 1 - kept / total}


def silence_heads(model, task, n_heads, blocks, precision):
    """Accuracy per label with one head's values zeroed, against the whole network.

    One row per block, head and label; accuracies are fractions.
    """

    def label_accuracy():
        logits = training.predict(model, task, task.test_images, precision)
        return per_label(logits.argmax(1) == task.test_labels, task.test_labels, task.n_classes)

    def head_width(tap):
        with capture(model, [tap]) as captured:
            model(task.normalise(task.test_images[:1]))
        return captured[tap].shape[-1] // n_heads

    dense = label_accuracy()
    rows = []
    for block in tqdm(range(blocks), desc="silencing", disable=None):
        tap = f"block{block}.heads"
        width = head_width(tap)
        for head in range(n_heads):
            with silenced(model, tap, range(head * width, (head + 1) * width)):
                accuracy = label_accuracy()
            rows += [
                {"block": block, "head": head, "label": label,
                 "accuracy_dense": dense[label], "accuracy_silenced": accuracy[label]}
                for label in range(task.n_classes)
            ]  # fmt: skip
    return rows


def masks_of(model):
    """The masks of a network that was pruned and made plain: {edge name: True where not zero}.

    With `apply_masks` a plain network becomes a masked one again, for more fine-tuning.
    """
    masks = {}
    for edge in model.edges():
        weight = edge.weight.detach().cpu()
        masks[edge.name] = (
            (weight if weight.ndim == 2 else weight.flatten(2).norm(dim=2)).ne(0).numpy()
        )
    return masks
