"""The bias-free linear readout of a tap: multinomial logistic regression, run to its optimum.

minimise  mean_x CE(y(x), W a(x)) + penalty / 2 * sum (W * s)^2,  s the features' root mean squares

The penalty weighs what a node contributes, not the unit it is measured in. The problem is strictly
convex, so the optimum is unique and the SNP matrices do not depend on the start.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

INNER_STEPS = 10


@dataclass
class Readout:
    """weights: (C, R, D). gradient_norm: at the end, as a share of the norm at W = 0."""

    weights: np.ndarray
    penalty: float
    gradient_norm: float
    iterations: int
    objective: float
    accuracy: dict
    label_accuracy: np.ndarray
    head_accuracy: np.ndarray | None


class Problem:
    """Features (N, F) scaled to unit mean square, labels (N,), and the objective on them."""

    def __init__(self, features, labels, n_classes, scale=None):
        self.scale = features.square().mean(0).sqrt() if scale is None else scale
        self.scale = torch.where(self.scale > 1e-8, self.scale, torch.inf)
        self.features = features / self.scale
        self.labels, self.n_classes = labels, n_classes

    def zero(self):
        return torch.zeros(self.n_classes, self.features.shape[1], device=self.features.device)

    def objective(self, weights, penalty):
        """Value and gradient at scaled weights (C, F)."""
        logits = self.features @ weights.T
        log_p = F.log_softmax(logits, dim=1)
        value = F.nll_loss(log_p, self.labels) + penalty / 2 * weights.square().sum()
        residual = log_p.exp_()
        residual[torch.arange(len(self.labels)), self.labels] -= 1
        gradient = residual.T @ self.features / len(self.labels) + penalty * weights
        return value, gradient

    def loss(self, weights):
        return F.cross_entropy(self.features @ weights.T, self.labels).item()


def minimise(problem, penalty, tolerance, max_iterations, start=None):
    """L-BFGS from `start` (default 0) -> scaled weights (C, F), relative gradient norm, steps."""
    weights = problem.zero() if start is None else start.clone()
    reference = problem.objective(problem.zero(), penalty)[1].norm()
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=INNER_STEPS, history_size=10, line_search_fn="strong_wolfe",
        tolerance_grad=0, tolerance_change=0,
    )  # fmt: skip

    def closure():
        value, weights.grad = problem.objective(weights, penalty)
        return value

    relative, steps = torch.inf, 0
    while relative > tolerance and steps < max_iterations:
        optimizer.step(closure)
        steps += INNER_STEPS
        relative = (problem.objective(weights, penalty)[1].norm() / reference).item()
    return weights, relative, steps


def stratified_holdout(labels, share, seed=0):
    """Boolean (N,): a fixed random share of each label, at least one image of it, held out."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held[members[: max(1, round(share * len(members)))]] = True
    return held


def choose_penalty(features, labels, n_classes, settings):
    """The penalty whose readout, trained on the rest, has the least cross-entropy held out.

    Goes from the strongest to the weakest, each started at the last; returns also those weights,
    None where there is nothing to choose.
    """
    if len(settings["penalties"]) == 1:
        return settings["penalties"][0], None
    held = torch.from_numpy(stratified_holdout(labels.cpu().numpy(), settings["holdout"]))
    held = held.to(features.device)
    rest = Problem(features[~held], labels[~held], n_classes)
    out = Problem(features[held], labels[held], n_classes, scale=rest.scale)
    weights, best = None, (np.inf, None, None)
    for penalty in sorted(settings["penalties"], reverse=True):
        weights, _, _ = minimise(
            rest, penalty, 10 * settings["tolerance"], settings["max_iterations"], weights
        )
        loss = out.loss(weights)
        if loss < best[0]:
            best = (loss, penalty, weights.clone())
    return best[1], best[2]


def fit(train, train_labels, test, test_labels, n_classes, settings, n_heads=None):
    """Train a tap's readout: activations (N, R, D) of both splits -> Readout.

    settings: the readout section. n_heads: also measure each head's nodes alone.
    """
    R, D = train.shape[1:]
    features = train.reshape(len(train), -1).float()
    penalty, start = choose_penalty(features, train_labels, n_classes, settings)
    problem = Problem(features, train_labels, n_classes)
    scaled, relative, steps = minimise(
        problem, penalty, settings["tolerance"], settings["max_iterations"], start
    )
    weights = (scaled / problem.scale).reshape(n_classes, R, D)
    value = problem.objective(scaled, penalty)[0].item()
    right = _right(test, test_labels, weights)
    return Readout(
        weights=weights.cpu().numpy(),
        penalty=penalty,
        gradient_norm=relative,
        iterations=steps,
        objective=value,
        accuracy={
            "train": _right(train, train_labels, weights).float().mean().item(),
            "test": right.float().mean().item(),
        },
        label_accuracy=per_label(right, test_labels, n_classes),
        head_accuracy=head_accuracy(test, test_labels, weights, n_heads) if n_heads else None,
    )


def _right(activations, labels, weights):
    logits = activations.reshape(len(labels), -1).float() @ weights.reshape(len(weights), -1).T
    return logits.argmax(1) == labels


def per_label(right, labels, n_classes):
    """Correct (N,) bool -> accuracy of each true label (C,), a fraction."""
    total = torch.bincount(labels, minlength=n_classes)
    hits = torch.bincount(labels, weights=right.double(), minlength=n_classes)
    return (hits / total).cpu().numpy()


def head_accuracy(activations, labels, weights, n_heads):
    """(N, R, D), (N,), (C, R, D) -> (H, C): per label, the readout restricted to one head."""
    width = activations.shape[2] // n_heads
    rows = []
    for h in range(n_heads):
        nodes = slice(h * width, (h + 1) * width)
        right = _right(activations[..., nodes], labels, weights[..., nodes])
        rows.append(per_label(right, labels, len(weights)))
    return np.stack(rows)
