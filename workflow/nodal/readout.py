"""The bias-free linear readout of a tap: multinomial logistic regression, run to its optimum.

minimise  mean_x CE(y(x), W a(x)) + penalty / 2 * sum (W * s)^2,  s the features' root mean squares

The penalty weighs what a node contributes, not the unit it is measured in. The objective f is
`penalty`-strongly convex in V = W * s, so its optimum V* is unique, and the bound
|V - V*| <= |f'(V)| / penalty says how far from it a readout stopped, and when to stop.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

CHECK = 10
ROUND = 30
IN_MEMORY = 2**29
CHUNK = {"cpu": 2**22, "cuda": 2**28}


@dataclass
class Readout:
    """What `fit` found.

    weights: (C, R, D). distance: bound on the relative distance from the optimum, |V - V*| / |V|.
    gradient_norm: at the end, as a share of the norm at W = 0.
    """

    weights: np.ndarray
    penalty: float
    distance: float
    gradient_norm: float
    iterations: int
    objective: float
    accuracy: dict
    label_accuracy: np.ndarray
    head_accuracy: np.ndarray | None


class Features:
    """Activations (N, R, D) as rows (n, R * D) float32, a chunk at a time.

    activations: a tensor, an array or an HDF5 dataset. Held in memory only up to IN_MEMORY bytes;
    beyond that each pass reads the file again, so that memory does not grow with the images.
    """

    def __init__(self, activations, device="cpu"):
        self.source, self.device = activations, torch.device(device)
        self.n, self.width = len(activations), math.prod(activations.shape[1:])
        self.rows = max(1, CHUNK[self.device.type] // (4 * self.width))
        fits = 4 * self.n * self.width <= IN_MEMORY
        self.whole = self._load(slice(0, self.n)) if fits else None

    def _load(self, rows):
        part = torch.as_tensor(self.source[rows]).to(self.device)
        return part.reshape(len(part), -1).float()

    def __iter__(self):
        """Yield (slice of rows, tensor (n, F)) over all rows, in order."""
        for start in range(0, self.n, self.rows):
            rows = slice(start, min(start + self.rows, self.n))
            yield rows, (self._load(rows) if self.whole is None else self.whole[rows])


class Problem:
    """The objective of a readout on the images that `share` weighs.

    Works in scaled weights (C, F), W * s: each feature counts as if its mean square were one.
    labels: (N,). share: (N,), how much each image counts, summing to one; None: all alike.
    """

    def __init__(self, features, labels, n_classes, share=None):
        self.features, self.labels, self.n_classes = features, labels, n_classes
        alike = torch.full(labels.shape, 1 / len(labels), device=labels.device)
        self.share = alike if share is None else share
        scale = sum((x.square() * self.share[rows, None]).sum(0) for rows, x in features).sqrt()
        self.scale = torch.where(scale > 1e-8, scale, torch.inf)

    def zero(self):
        return torch.zeros(self.n_classes, self.features.width, device=self.labels.device)

    def logits(self, x, weights):
        return x @ (weights / self.scale).T

    def objective(self, weights, penalty):
        """Value (float64: its last digits steer the line search) and gradient (C, F)."""
        value = penalty / 2 * weights.double().square().sum()
        gradient = torch.zeros_like(weights)
        for rows, x in self.features:
            labels, share = self.labels[rows, None], self.share[rows, None]
            log_p = F.log_softmax(self.logits(x, weights), dim=1)
            value -= (log_p.gather(1, labels) * share).double().sum()
            residual = log_p.exp_().scatter_add_(1, labels, torch.full_like(share, -1.0))
            gradient.addmm_(residual.mul_(share).T, x)
        return value, gradient / self.scale + penalty * weights

    def loss(self, weights, share):
        """Mean cross-entropy on other images than those it is trained on."""
        total = 0.0
        for rows, x in self.features:
            each = F.cross_entropy(self.logits(x, weights), self.labels[rows], reduction="none")
            total += (each * share[rows]).double().sum().item()
        return total

    def preconditioner(self, weights, penalty):
        """Lower triangular (F, F) K: K K' is the Hessian at `weights` as the mean label sees it.

        The Hessian couples labels j and k by p_j (1[j = k] - p_k); this leaves the coupling out and
        averages p_j (1 - p_j) over labels, so that one matrix serves them all.
        """
        hessian = 0
        for rows, x in self.features:
            p = F.softmax(self.logits(x, weights), dim=1)
            curvature = (p * (1 - p)).mean(1, keepdim=True) * self.share[rows, None]
            hessian = hessian + x.T @ (x * curvature)
        hessian = hessian.double() / torch.outer(self.scale, self.scale)
        hessian.diagonal().add_(penalty)
        return torch.linalg.cholesky(hessian)


@dataclass
class Minimum:
    """weights: V (C, F). distance, gradient_norm: see Readout."""

    weights: torch.Tensor
    distance: float
    gradient_norm: float
    iterations: int


def minimise(problem, penalty, tolerance, max_iterations, start=None):
    """L-BFGS from `start` (default 0) until the distance from the optimum is within `tolerance`.

    Goes in rounds of ROUND steps, each in coordinates in which the Hessian at its start is nearly
    the identity: where labels separate well the Hessian has changed by orders of magnitude by the
    time the optimum is near, and plain L-BFGS stops far from it with a gradient that looks small.
    """
    weights = problem.zero() if start is None else start
    at_zero = problem.objective(problem.zero(), penalty)[1].norm()
    distance, iterations = math.inf, 0
    while distance > tolerance and iterations < max_iterations:
        steps = _round(problem, penalty, weights)
        for weights, gradient in steps:
            iterations += CHECK
            distance = (gradient.norm() / (penalty * weights.norm())).item()
            if distance <= tolerance or iterations >= max_iterations:
                break
    return Minimum(weights, distance, (gradient.norm() / at_zero).item(), iterations)


def _round(problem, penalty, weights):
    """Yield weights and gradient after every CHECK steps, ROUND steps in all."""
    lower = problem.preconditioner(weights, penalty)
    inverse = torch.linalg.solve_triangular(lower, torch.eye(len(lower)).to(lower), upper=False)
    inverse = inverse.float()
    place = (weights.double() @ lower).float()
    optimizer = torch.optim.LBFGS(
        [place], max_iter=CHECK, history_size=ROUND, line_search_fn="strong_wolfe",
        tolerance_grad=0, tolerance_change=0,
    )  # fmt: skip

    def closure():
        value, gradient = problem.objective(place @ inverse, penalty)
        place.grad = gradient @ inverse.T
        return value

    for _ in range(ROUND // CHECK):
        optimizer.step(closure)
        weights = place @ inverse
        yield weights, problem.objective(weights, penalty)[1]


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

    Goes from the strongest to the weakest, each started at the last, and stops when a weaker one
    does worse. Returns also the best one's weights W (C, F), None where there is no choice.
    """
    if len(settings["penalties"]) == 1:
        return settings["penalties"][0], None
    held = torch.from_numpy(stratified_holdout(labels.cpu().numpy(), settings["holdout"]))
    held = held.to(labels.device)
    rest = Problem(features, labels, n_classes, share=(~held).float() / (~held).sum())
    weights, best = None, (np.inf, None, None)
    for penalty in sorted(settings["penalties"], reverse=True):
        weights = minimise(
            rest, penalty, 10 * settings["tolerance"], settings["max_iterations"], weights
        ).weights
        loss = rest.loss(weights, held.float() / held.sum())
        if loss >= best[0]:
            break
        best = (loss, penalty, weights / rest.scale)
    return best[1], best[2]


def fit(train, train_labels, test, test_labels, n_classes, settings, n_heads=None):
    """Train a tap's readout: activations (N, R, D) of both splits -> Readout.

    Activations: tensors, arrays or HDF5 datasets; labels: tensors (N,), on the device to work on.
    settings: the readout section. n_heads: also measure each head's nodes alone.
    """
    device = train_labels.device
    features, shape = Features(train, device), (n_classes, *train.shape[1:])
    penalty, start = choose_penalty(features, train_labels, n_classes, settings)
    problem = Problem(features, train_labels, n_classes)
    if start is not None:
        start = torch.where(problem.scale.isfinite(), start * problem.scale, 0.0)
    found = minimise(problem, penalty, settings["tolerance"], settings["max_iterations"], start)
    weights = found.weights / problem.scale
    accuracy = {"train": _right(features, train_labels, weights).float().mean().item()}
    tested = Features(test, device)
    right = _right(tested, test_labels, weights)
    accuracy["test"] = right.float().mean().item()
    return Readout(
        weights=weights.reshape(shape).cpu().numpy(),
        penalty=penalty,
        distance=found.distance,
        gradient_norm=found.gradient_norm,
        iterations=found.iterations,
        objective=problem.objective(found.weights, penalty)[0].item(),
        accuracy=accuracy,
        label_accuracy=per_label(right, test_labels, n_classes),
        head_accuracy=head_accuracy(tested, test_labels, weights.reshape(shape), n_heads)
        if n_heads
        else None,
    )


def _right(features, labels, weights):
    """Boolean (N,): is the largest output W a (W: (C, F)) that of the true label?"""
    hits = [(x @ weights.T).argmax(1) == labels[rows] for rows, x in features]
    return torch.cat(hits)


def per_label(right, labels, n_classes):
    """Correct (N,) bool -> accuracy of each true label (C,), a fraction."""
    total = torch.bincount(labels, minlength=n_classes)
    hits = torch.bincount(labels, weights=right.double(), minlength=n_classes)
    return (hits / total).cpu().numpy()


def head_accuracy(features, labels, weights, n_heads):
    """Features of (N, R, D), (N,), (C, R, D) -> (H, C): per label, the readout of one head."""
    weights = weights.unflatten(2, (n_heads, -1))
    hits = []
    for rows, x in features:
        parts = x.unflatten(1, weights.shape[1:])
        logits = torch.einsum("nrhd,crhd->nhc", parts, weights)
        hits.append(logits.argmax(2) == labels[rows, None])
    right = torch.cat(hits).T
    return np.stack([per_label(head, labels, len(weights)) for head in right])
