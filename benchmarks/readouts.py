"""The readouts of a whole block against scikit-learn's LogisticRegression at equal objective.

And at one position, both forms of sequence pooling, against the four positions of a grid: 2.
"""

import warnings

import numpy as np
import torch
from common import HEADER, clock, row, threads
from nodal import datasets, models, readout, taps
from nodal.pipeline import schemas
from nodal.pooling import grid_pool, mean_pool, sequence_pool
from sklearn.linear_model import LogisticRegression

PENALTY = 1e-3


def block(n_images, pool):
    """Pooled activations of the ten taps of a CCT's block, on digits repeated with noise.

    pool: Tokens -> what a readout takes.
    """
    torch.manual_seed(0)
    pixels = np.random.default_rng(0)
    images = datasets.open_source({"source": "digits"}, {}).splits["train"][0]
    index = np.arange(n_images) % len(images[0])
    noisy = images[0][index].astype(int) + pixels.integers(-40, 41, (n_images, 8, 8, 1))
    x = torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2)
    model = models.build({"name": "cct", "width": 64, "depth": 1, "heads": 4}, 10, (1, 8, 8)).eval()
    with torch.no_grad(), taps.capture(model, reduce=lambda _, t: pool(t)) as captured:
        model(x.float() / 255 - 0.5)
    labels = torch.from_numpy(images[1][index].astype(np.int64))
    return dict(captured), labels


def ours(captured, labels):
    settings = {key: part["default"] for key, part in
                schemas.load()["$defs"]["readout"]["properties"].items()}  # fmt: skip
    objectives = {}
    started = clock()
    for tap, a in captured.items():
        problem = readout.Problem(readout.Features(a), labels, 10)
        found = readout.minimise(problem, PENALTY, settings["tolerance"], 1000)
        objectives[tap] = problem.objective(found.weights, PENALTY)[0].item()
    return clock() - started, objectives


def theirs(captured, labels, objectives):
    """The loosest tolerance of scikit-learn's own grid that reaches our objective, per tap."""
    total = 0.0
    for tap, a in captured.items():
        problem = readout.Problem(readout.Features(a), labels, 10)
        unit = (a.flatten(1) / problem.scale).double().numpy()
        for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            regression = LogisticRegression(
                C=1 / (len(labels) * PENALTY), fit_intercept=False, tol=tolerance, max_iter=5000
            )
            started = clock()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                regression.fit(unit, labels.numpy())
            seconds = clock() - started
            weights = torch.from_numpy(regression.coef_).float()
            if problem.objective(weights, PENALTY)[0].item() <= objectives[tap] * (1 + 1e-5):
                break
        total += seconds
    return total


def grid(tokens):
    return grid_pool(tokens, 2)


def both_forms(tokens):
    """(2, N, 1, D): pooled with a query, drawn at random, and without."""
    x = tokens.values.float()
    query = torch.randn(x.shape[2], generator=torch.Generator().manual_seed(0)) / 8
    return torch.stack([sequence_pool(x, query, x.square().mean((0, 1)).sqrt()), mean_pool(x)])[
        :, :, None
    ]


def positions(n_images):
    """Seconds of a block's readouts: of both forms at one position, and of four positions."""
    captured, labels = block(n_images, both_forms)
    one = {f"{tap} {i}": a[i] for tap, a in captured.items() for i in range(2)}
    four, _ = block(n_images, grid)
    return tuple([ours(taps, labels)[0] for _ in range(4)][1:] for taps in (one, four))


def main():
    print(f"cpu, {threads()} threads\n{HEADER}")
    for n_images in (1347, 10_000):
        captured, labels = block(n_images, grid)
        runs = [ours(captured, labels) for _ in range(4)][1:]
        reference = [theirs(captured, labels, runs[0][1]) for _ in range(1)]
        print(row(f"readouts of a block, {n_images:,} images", [s for s, _ in runs], reference))
        print(row(f"both forms at R = 1 (and R = 4), {n_images:,}", *positions(n_images)))


if __name__ == "__main__":
    main()
