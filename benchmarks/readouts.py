"""The readouts of a whole block against scikit-learn's LogisticRegression at equal objective."""

import warnings

import numpy as np
import torch
from common import HEADER, clock, row, threads
from nodal import datasets, models, readout, taps
from nodal.pipeline import schemas
from nodal.pooling import grid_pool
from sklearn.linear_model import LogisticRegression

PENALTY = 1e-3


def block(n_images):
    """Pooled activations of the ten taps of a CCT's block, on digits repeated with noise."""
    torch.manual_seed(0)
    pixels = np.random.default_rng(0)
    images = datasets.open_source({"source": "digits"}, {}).splits["train"][0]
    index = np.arange(n_images) % len(images[0])
    noisy = images[0][index].astype(int) + pixels.integers(-40, 41, (n_images, 8, 8, 1))
    x = torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2)
    model = models.build({"name": "cct", "width": 64, "depth": 1, "heads": 4}, 10, (1, 8, 8)).eval()
    with torch.no_grad(), taps.capture(model, reduce=lambda _, t: grid_pool(t, 2)) as captured:
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


def main():
    print(f"cpu, {threads()} threads\n{HEADER}")
    for n_images in (1347, 10_000):
        captured, labels = block(n_images)
        runs = [ours(captured, labels) for _ in range(4)][1:]
        reference = [theirs(captured, labels, runs[0][1]) for _ in range(1)]
        print(row(f"readouts of a block, {n_images:,} images", [s for s, _ in runs], reference))


if __name__ == "__main__":
    main()
