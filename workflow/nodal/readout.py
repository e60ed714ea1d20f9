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

from nodal.datasets.splits import stratified
from nodal.training.optimizers import LBFGS

CHECK = 10
ROUND = 30
IN_MEMORY = 2**29
ROUNDING = 1e-6  # of a sum in single precision, in terms of its largest part
CHUNK = {"cpu": 2**22, "cuda": 2**28}


@dataclass
class Readout:
    """What `fit` found.

    weights: (C, R, D). distance: bound on the relative distance from the optimum, |V - V*| / |V|.
    gradient_norm: at the end, as a share of the norm at W = 0. majority_share: of the test split's
    most frequent label.
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
    head_auc: np.ndarray | None
    majority_share: float


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
        size = hessian.diagonal().mean()
        rounding = ROUNDING * size
        factor, failed = torch.linalg.cholesky_ex(hessian)
        while failed and rounding < size:  # sums in single precision may leave an eigenvalue < 0
            hessian.diagonal().add_(rounding)
            rounding = 10 * rounding
            factor, failed = torch.linalg.cholesky_ex(hessian)
        return torch.linalg.cholesky(hessian) if failed else factor


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
        parts = _round(problem, penalty, weights, max_iterations - iterations)
        for weights, gradient, steps in parts:
            iterations += steps
            size = gradient.norm()
            distance = (size / (penalty * weights.norm())).item() if size else 0.0
            if distance <= tolerance:
                break
    share = (gradient.norm() / at_zero).item() if at_zero else 0.0
    return Minimum(weights, distance, share, iterations)


def _round(problem, penalty, weights, most):
    """Yield weights, gradient and steps made after every CHECK of them; ROUND or `most` in all."""
    lower = problem.preconditioner(weights, penalty)
    inverse = torch.linalg.solve_triangular(lower, torch.eye(len(lower)).to(lower), upper=False)
    inverse = inverse.float()
    place = (weights.double() @ lower).float()
    optimizer = LBFGS(
        [place], history_size=ROUND, line_search_fn="strong_wolfe",
        tolerance_grad=0, tolerance_change=0,
    )  # fmt: skip

    def closure():
        value, gradient = problem.objective(place @ inverse, penalty)
        place.grad = gradient @ inverse.T
        return value

    for done in range(0, min(ROUND, most), CHECK):
        steps = optimizer.param_groups[0]["max_iter"] = min(CHECK, most - done)
        optimizer.step(closure)
        weights = place @ inverse
        yield weights, problem.objective(weights, penalty)[1], steps


@dataclass
class Choice:
    """What the held-out part said: the penalty, the weights (C, F) found with it on the rest (None
    if nothing was tried), and their cross-entropy and accuracy on it.
    """

    penalty: float
    weights: torch.Tensor | None = None
    loss: float = math.nan
    accuracy: float = math.nan


def choose_penalty(features, labels, n_classes, settings):
    """The penalty whose readout, trained on the rest, has the least cross-entropy held out.

    Goes from the strongest to the weakest, each started at the last, and stops when a weaker one
    does worse.
    """
    held = torch.from_numpy(stratified(labels.cpu().numpy(), settings["holdout"]))
    held = held.to(labels.device)
    rest = Problem(features, labels, n_classes, share=(~held).float() / (~held).sum())
    weights, best = None, None
    for penalty in sorted(settings["penalties"], reverse=True):
        weights = minimise(
            rest, penalty, 10 * settings["tolerance"], settings["max_iterations"], weights
        ).weights
        loss = rest.loss(weights, held.float() / held.sum())
        if best is not None and not loss < best.loss:
            break
        accuracy = _right(features, labels, weights / rest.scale)[held].float().mean().item()
        best = Choice(penalty, weights / rest.scale, loss, accuracy)
    return best


def choose_form(forms, labels, n_classes, settings):
    """{form: activations (N, R, D) of the training split} -> (the form to keep, {form: Choice}).

    The first form is kept only if it does better held out than each of the others, each at its own
    best penalty. With one form and one penalty there is nothing to choose.
    """
    if len(forms) == 1 and len(settings["penalties"]) == 1:
        (form,) = forms
        return form, {form: Choice(settings["penalties"][0])}
    choices = {
        form: choose_penalty(Features(a, labels.device), labels, n_classes, settings)
        for form, a in forms.items()
    }
    return min(reversed(choices), key=lambda form: choices[form].loss), choices


def fit(train, train_labels, test, test_labels, n_classes, settings, n_heads=None, choice=None):
    """Train a tap's readout: activations (N, R, D) of both splits -> Readout.

    Activations: tensors, arrays or HDF5 datasets; labels: tensors (N,), on the device to work on.
    settings: the readout section. n_heads: also measure each head's nodes alone. choice: what
    `choose_form` said of these activations; None: choose the penalty now.
    """
    device = train_labels.device
    features, shape = Features(train, device), (n_classes, *train.shape[1:])
    if choice is None:
        choice = choose_form({"only": train}, train_labels, n_classes, settings)[1]["only"]
    penalty, start = choice.penalty, choice.weights
    problem = Problem(features, train_labels, n_classes)
    if start is not None:
        start = torch.where(problem.scale.isfinite(), start * problem.scale, 0.0)
    found = minimise(problem, penalty, settings["tolerance"], settings["max_iterations"], start)
    weights = found.weights / problem.scale
    accuracy = {"train": _right(features, train_labels, weights).float().mean().item()}
    tested = Features(test, device)
    by_head = (tested, test_labels, weights.reshape(shape), n_heads)
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
        head_accuracy=head_accuracy(*by_head) if n_heads else None,
        head_auc=head_auc(*by_head) if n_heads else None,
        majority_share=torch.bincount(test_labels).max().item() / len(test_labels),
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


def auc(scores, labels):
    """Scores (N, C), labels (N,) -> (C,): area under the ROC curve of each label's own score.

    The chance that an image of the label scores higher in column c than one of another label, ties
    counted half; blind to anything added to a column. NaN where either kind of image is missing.
    """
    ordered = scores.T.contiguous().sort(1).values
    own = scores.gather(1, labels[:, None])[:, 0]
    areas = np.full(scores.shape[1], np.nan)
    for label, column in enumerate(ordered):
        values = own[labels == label]
        n, rest = len(values), len(own) - len(values)
        if n and rest:
            below = torch.searchsorted(column, values) + torch.searchsorted(
                column, values, right=True
            )
            # Half the pairs of the label's own images, each with itself too, were counted along.
            areas[label] = (below.sum().item() / 2 - n * n / 2) / (n * rest)
    return areas


def head_auc(features, labels, weights, n_heads):
    """Features of (N, R, D), (N,), (C, R, D) -> (H, C): `auc` of the readout of one head.

    Goes over the images once for as many heads as fit in memory.
    """
    weights = weights.unflatten(2, (n_heads, -1))
    at_once = max(1, IN_MEMORY // (4 * features.n * len(weights)))
    areas = []
    for start in range(0, n_heads, at_once):
        some = slice(start, start + at_once)
        logits = [
            torch.einsum(
                "nrhd,crhd->hnc", x.unflatten(1, weights.shape[1:])[:, :, some], weights[:, :, some]
            )
            for _, x in features
        ]
        areas += [auc(head, labels) for head in torch.cat(logits, dim=1)]
    return np.stack(areas)
