"""Masks on a network: find theta for a dilution, apply masks, fine-tune under them, sweep."""

import copy
import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch.nn.utils import prune
from tqdm import tqdm

from nodal import pruning, snp, training
from nodal.errors import NodalError
from nodal.files import storage
from nodal.readout import auc, per_label
from nodal.taps import Silenced, capture
from nodal.training.task import passing

STEPS = 10**6  # of theta; a table prints that many digits
TOLERANCE = 0.01  # a dilution that misses its target by more is said
BATCH = 64  # inputs whose way through the network is kept while its heads are silenced
LOGITS_BYTES = 2**29  # of the answers of silenced networks that are held at once


@dataclass
class Measured:
    """What the readouts of a network say of its taps.

    relative: {tap: (D, C)}, see `nodal.snp.relative_diagonals`. rms: {tap: (D,)}, root mean square
    of each node's activations, of the taps from which weights lead.
    """

    relative: dict
    rms: dict

    def diagonals(self, threshold, taps=None):
        """{tap: bool (D, C)}: the labels each node recognises at theta, of these taps or of all."""
        return {tap: self.relative[tap] > threshold for tap in taps or self.relative}


def read_measured(paths, sites, split):
    """The readout files of blocks 0, 1, ... -> Measured; split: whose class means count."""
    measured = Measured({}, {})
    for block, path in enumerate(paths):
        with storage.read_hdf5(path) as file:
            for site in (site for site in sites if site in file):
                tap, group = f"block{block}.{site}", file[site]
                field = snp.field(group[f"class_means/{split}"][:], group["weights"][:])
                measured.relative[tap] = snp.relative_diagonals(field)
                if "rms" in group:
                    measured.rms[tap] = group["rms"][:]
    return measured


def measured_edges(model, measured):
    """The edges whose two ends were read."""
    edges = [
        edge
        for edge in model.edges()
        if edge.source in measured.relative and (edge.target or edge.source) in measured.relative
    ]
    if not edges:
        raise NodalError(
            "activations.sites: pruning needs the two ends of at least one weight matrix"
        )
    return edges


def scopes(edges, wanted):
    """Names of the pruning section -> {scope: edges}, without those that the edges do not have.

    `all`: the blocks' matrices; `blocks`: those of each block, a scope for each; a site: the
    matrices of all blocks that lead to it; `classifier`: those that lead to the labels.
    """
    inner = [edge for edge in edges if edge.target]
    found = {}
    for name in wanted:
        if name == "blocks":
            for block in dict.fromkeys(edge.block for edge in inner):
                found[block] = [edge for edge in inner if edge.block == block]
        elif name == "classifier":
            found[name] = [edge for edge in edges if edge.target is None]
        else:
            found[name] = [edge for edge in inner if name in ("all", edge.target.partition(".")[2])]
    return {name: group for name, group in found.items() if group}


@dataclass(frozen=True)
class Cut:
    """How far a scope is pruned.

    edges: names. target: the dilution asked for, NaN where theta was given. threshold: theta.
    n_matrices: weights of the scope's matrices, those included whose ends were not read; n_weights:
    of those that were; n_kept: how many stay. coincides: the target whose network is the same, NaN
    if there is none. tuned: whether fine-tuning follows.
    """

    scope: str
    edges: tuple
    target: float
    threshold: float
    n_matrices: int
    n_weights: int
    n_kept: int
    tuned: bool
    coincides: float = math.nan

    @property
    def dilution(self):
        return 1 - self.n_kept / self.n_weights

    @property
    def reached(self):
        """Whether the dilution asked for is met to a point."""
        return not abs(self.dilution - self.target) > TOLERANCE

    @property
    def name(self):
        asked = f"theta {self.threshold:g}" if math.isnan(self.target) else f"{self.target:g}"
        return f"{self.scope} at {asked}"

    def row(self):
        """The columns that say so in a table."""
        columns = ("scope", "target", "threshold", "n_matrices", "n_weights", "n_kept")
        row = {column: getattr(self, column) for column in columns}
        return row | {"dilution": self.dilution, "coincides": self.coincides}


def find_threshold(dilution, target):
    """theta in [0, 1), in steps of 1e-6, whose dilution comes nearest; dilution rises with theta.

    dilution: theta -> share of weights removed. Of equally near ones the smaller dilution.
    """
    place = bisect_left(range(STEPS), target, key=lambda step: dilution(step / STEPS))
    around = range(max(place - 1, 0), min(place, STEPS - 1) + 1)
    return min((step / STEPS for step in around), key=lambda t: abs(dilution(t) - target))


def cuts(model, measured, settings):
    """Every scope and how far it is pruned, by settings' `dilutions` and `thresholds` -> [Cut].

    Of targets whose nearest network is the same, those further from it say with which they
    coincide.
    """
    edges = measured_edges(model, measured)
    tuned = scopes(edges, settings["tuned_scopes"]) if settings["epochs"] else {}
    whole = scopes(model.edges(), settings["scopes"])

    @cache
    def n_kept(source, target, threshold):
        diagonal = measured.diagonals(threshold, [tap for tap in (source, target) if tap])
        return int(pruning.edge_mask(diagonal, source, target).sum())

    result = []
    for scope, group in scopes(edges, settings["scopes"]).items():
        n_weights = _n_weights(group)

        def kept(threshold, group=group):
            return sum(n_kept(edge.source, edge.target, threshold) for edge in group)

        def dilution(threshold, kept=kept, n_weights=n_weights):
            return 1 - kept(threshold) / n_weights

        asked = [(target, find_threshold(dilution, target)) for target in settings["dilutions"]]
        asked += [(math.nan, threshold) for threshold in settings["thresholds"]]
        result += _coinciding([
            Cut(scope, tuple(edge.name for edge in group), target, threshold,
                _n_weights(whole[scope]), n_weights, kept(threshold), scope in tuned)
            for target, threshold in asked
        ])  # fmt: skip
    if not result:
        raise NodalError(
            f"activations.sites: no weight matrix of {', '.join(settings['scopes'])} has both its "
            "ends read; expected more sites, or other pruning.scopes"
        )
    return result


def _n_weights(edges):
    return sum(math.prod(edge.weight.shape[:2]) for edge in edges)


def _coinciding(cuts):
    """Cuts of one scope: masks are nested, so equal numbers of kept weights are equal networks."""
    nearest = {}
    aimed = [cut for cut in cuts if not math.isnan(cut.target)]
    for cut in sorted(aimed, key=lambda cut: (abs(cut.dilution - cut.target), cut.target)):
        nearest.setdefault(cut.n_kept, cut.target)
    return [
        replace(cut, coincides=nearest[cut.n_kept])
        if cut in aimed and nearest[cut.n_kept] != cut.target
        else cut
        for cut in cuts
    ]


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
    """A short training under the masks; settings: the pruning section. Returns test accuracy.

    A fraction of an epoch is one epoch of a part of the images, of one batch at least. The same
    seed gives every network the same inputs in the same order.
    """
    epochs = math.ceil(settings["epochs"])
    short = {
        **train,
        "epochs": epochs,
        "cooldown_epochs": 0,
        "learning_rate": settings["learning_rate"],
        "min_rate": 0.0,
        "warmup_epochs": 0,
        "eval_every": epochs,
        "compile": False,
    }
    share = max(settings["epochs"] / epochs, train["batch_size"] / len(task.train_labels))
    part = task.sample(share, seed) if share < 1 else task
    history = training.fit(model, part, short, seed)
    return history[-1]["test_accuracy"]


def dense(model, task, cuts, train, settings, seed):
    """The network as it is and tuned as the pruned ones are: a row per scope, of target 0."""
    accuracy, _ = training.evaluate(model, task, train["precision"])
    tuned = math.nan
    if any(cut.tuned for cut in cuts):
        tuned = fine_tune(copy.deepcopy(model), task, train, settings, seed)
    return [
        replace(cut, target=0.0, threshold=math.nan, n_kept=cut.n_weights, coincides=math.nan).row()
        | {"accuracy_pruned": accuracy, "accuracy_tuned": tuned if cut.tuned else math.nan}
        for cut in {cut.scope: cut for cut in cuts}.values()
    ]


def prune_network(model, task, measured, method, cut, train, settings, seed):
    """One network of a sweep: a copy under the method's masks, tuned if the cut says so, its row.

    Accuracies are fractions. Random masks depend on seed, method, scope and target.
    """
    pruned = copy.deepcopy(model)
    edges = [edge for edge in pruned.edges() if edge.name in cut.edges]
    arrays = [(e.name, e.source, e.target, e.weight.detach().cpu().float().numpy()) for e in edges]
    taps = dict.fromkeys(tap for e in edges for tap in (e.source, e.target) if tap)
    masks = pruning.masks(
        method, arrays, measured.diagonals(cut.threshold, taps), measured.rms,
        training.epoch_seed(seed, f"{method}/{cut.name}"),
    )  # fmt: skip
    apply_masks(pruned, edges, masks)
    row = cut.row()
    row["accuracy_pruned"], _ = training.evaluate(pruned, task, train["precision"])
    row["accuracy_tuned"] = math.nan
    if cut.tuned:
        row["accuracy_tuned"] = fine_tune(pruned, task, train, settings, seed)
    return pruned, row


def sweep(model, task, measured, method, cuts, train, settings, seed):
    """Yield a row per cut: kept weights, dilution, accuracy before and after fine-tuning.

    A cut that coincides with another has no accuracies: that one's are its own.
    """
    for cut in cuts:
        row = {**cut.row(), "accuracy_pruned": math.nan, "accuracy_tuned": math.nan}
        if math.isnan(cut.coincides):
            _, row = prune_network(model, task, measured, method, cut, train, settings, seed)
        yield row


def silence_heads(model, task, n_heads, blocks, precision):
    """Accuracy and AUC per label with one head's values zeroed, against the whole network.

    One row per block, head and label. Accuracies are fractions; the AUC is that of log p of the
    label between its images and all others (see nodal.readout.auc).
    """
    names = [f"block{block}.heads" for block in range(blocks)]
    with torch.no_grad(), capture(model.eval(), names) as captured:
        model(task.prepared(task.test_inputs[:1]))
    places = list(itertools.product(range(blocks), range(n_heads)))
    groups = [
        (name, nodes)
        for name in names
        for nodes in torch.arange(captured[name].shape[-1]).view(n_heads, -1)
    ]
    at_once = max(1, LOGITS_BYTES // (4 * len(task.test_labels) * task.n_classes))
    batch = min(BATCH, passing(task.device, task.test_inputs[:1].numel()))
    rows = []
    for start in tqdm(range(0, len(groups), at_once), desc="silencing", disable=None):
        part = slice(start, start + at_once)
        logits = training.predict(
            Silenced(model, groups[part]), task, task.test_inputs, precision, batch
        )
        dense, *without = (_by_label(answer, task) for answer in logits.unbind(1))
        rows += [
            {"block": block, "head": head, "label": label}
            | {f"{kind}_dense": values[label] for kind, values in dense.items()}
            | {f"{kind}_silenced": values[label] for kind, values in of_head.items()}
            for (block, head), of_head in zip(places[part], without, strict=True)
            for label in range(task.n_classes)
        ]
    return rows


def _by_label(logits, task):
    right = logits.argmax(1) == task.test_labels
    return {
        "accuracy": per_label(right, task.test_labels, task.n_classes),
        "auc": auc(logits.log_softmax(1), task.test_labels),
    }


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
