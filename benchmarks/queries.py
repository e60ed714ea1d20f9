"""Is a query determined, and what does SNR owe to its penalty? One trained network, read again.

    python benchmarks/queries.py results digits 0 --penalties 1 0.5 0.1

For each penalty the queries are learned from zero and from random starts; a penalty of 1e6 leaves
the mean over tokens. Correlation: of two sets of SNP matrices, the mean over nodes weighed by the
largest |S_n|.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import yaml
from nodal import datasets, pooling, readout, snp, taps, training
from nodal.datasets import splits
from nodal.pipeline import config

ROOT = Path(__file__).parents[1]
SPREAD = 1 / 8  # of a random start
BATCH = 500


@torch.no_grad()
def pooled(model, task, inputs, found):
    """{tap: (N, 1, D)}: the tokens of all inputs, pooled with the queries that were found."""
    forms, parts = pooling.Sequence(found), {tap: [] for tap in found}

    def keep(tap, tokens):
        parts[tap].append(forms(tap, tokens)["sequence"])

    with taps.capture(model, list(found), keep):
        for start in range(0, len(inputs), BATCH):
            model(task.prepared(inputs[start : start + BATCH]))
    return {tap: torch.cat(values) for tap, values in parts.items()}


def measured(model, task, found, settings):
    """{tap: (test accuracy, class means (C, R, D), weights (C, R, D))} at certified readouts."""
    train, test = (pooled(model, task, x, found) for x in (task.train_inputs, task.test_inputs))
    result = {}
    for tap in found:
        fitted = readout.fit(
            train[tap], task.train_labels, test[tap], task.test_labels, task.n_classes, settings
        )
        assert fitted.distance <= settings["tolerance"]
        means = snp.class_means(test[tap], task.test_labels, task.n_classes).numpy()
        result[tap] = fitted.accuracy["test"], means, fitted.weights
    return result


def correlation(ours, others):
    """Of two sets of SNP matrices (D, C, C): the mean over nodes, weighed by the largest |S_n|."""
    size = np.abs(ours).max((1, 2))
    each = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours, others, strict=True)]
    return (size * each)[size > 0].sum() / size.sum()


def learned(model, task, experiment, sites, starts=1, seed=0):
    """What `measured` finds, from zero and from so many random starts."""
    labels, holdout = task.train_labels.numpy(), experiment["readout"]["holdout"]
    share = experiment["pooling"]["share"]
    learning = torch.from_numpy(splits.learning_part(labels, holdout, share, seed))
    settings = {**experiment["pooling"], "sites": sites}
    certified = {**experiment["readout"], "penalties": experiment["readout"]["penalties"][:1]}
    for start in range(1 + starts):
        spread = SPREAD if start else 0.0
        found = pooling.learn(model, task, learning, settings, "fp32", seed + start, spread)
        yield measured(model, task, found, certified)


def snr(means, weights, threshold):
    """Of a tap: mean signal over mean noise."""
    columns, _, _ = snp.describe(snp.field(means, weights), threshold, 0, 0)
    return snp.tap_report(columns)["snr"]


def opened(results, name, seed):
    """A run's folder -> the network of one seed, its data, and its section of the config."""
    whole = config.check(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    experiment = whole["experiments"][name]
    task = training.Task.from_dataset(datasets.load(results / f"data/{experiment['dataset']}.h5"))
    model, _ = training.load_model(results / f"{name}/seed{seed}/model.pt")
    return model, task, experiment


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="a run's results folder")
    parser.add_argument("experiment")
    parser.add_argument("seed", type=int)
    parser.add_argument("--penalties", type=float, nargs="+", help="by default the experiment's")
    parser.add_argument("--sites", nargs="+", default=["ff", "out"], help="sites, or taps")
    parser.add_argument("--starts", type=int, default=1, help="random starts beside zero")
    parser.add_argument("--readout", type=float, default=1e-3, help="the readouts' penalty")
    options = parser.parse_args()
    model, task, experiment = opened(options.results, options.experiment, options.seed)
    experiment["readout"]["penalties"] = [options.readout]
    threshold = experiment["snp"]["threshold"]
    print(f"{'query penalty':<14}{'tap':<14}{'SNR':>7}{'accuracy':>10}   from random starts")
    for penalty in options.penalties or [experiment["pooling"]["query_penalty"]]:
        experiment["pooling"]["query_penalty"] = penalty
        zero, *others = learned(model, task, experiment, options.sites, options.starts)
        for tap, (accuracy, means, weights) in zero.items():
            ours = snp.snp_matrices(means, weights)
            beside = [
                f"correlation {correlation(ours, snp.snp_matrices(*other[tap][1:])):.4f}, "
                f"accuracy {other[tap][0]:.4f}"
                for other in others
            ]
            print(
                f"{penalty:<14g}{tap:<14}{snr(means, weights, threshold):>7.3f}{accuracy:>10.4f}   "
                f"{'; '.join(beside)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
