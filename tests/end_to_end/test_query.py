"""A query is determined: on the demo's digits it does not matter where learning it started."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from nodal import datasets, pooling, readout, snp, taps, training
from nodal.datasets import splits
from nodal.pipeline import config

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


def measured(task, captured, found, settings):
    """{tap: (test accuracy, SNP matrices (D, C, C))} at certified readouts."""
    result = {}
    for tap, (query, scale) in found.items():
        train, test = (
            pooling.sequence_pool(tokens[tap], query, scale)[:, None] for tokens in captured
        )
        fitted = readout.fit(
            train, task.train_labels, test, task.test_labels, task.n_classes, settings
        )
        assert fitted.distance <= settings["tolerance"]
        means = snp.class_means(test, task.test_labels, task.n_classes)
        result[tap] = fitted.accuracy["test"], snp.snp_matrices(means.numpy(), fitted.weights)
    return result


def correlation(ours, others):
    """Of two sets of SNP matrices: the mean over nodes, weighed by the largest |S_n|."""
    size = np.abs(ours).max((1, 2))
    each = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours, others, strict=True)]
    return (size * each)[size > 0].sum() / size.sum()


def test_from_zero_and_from_a_random_start_the_same_matrices_are_found(snakemake, tmp_path):
    snakemake(tmp_path, "--cores", "1", "results/digits/seed0/model.pt")
    results = tmp_path / "results"
    digits = config.check(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    digits = digits["experiments"]["digits"]
    dataset = datasets.load(results / "data/digits.h5")
    task = training.Task.from_dataset(dataset)
    model, _ = training.load_model(results / "digits/seed0/model.pt")
    settings = {**digits["pooling"], "sites": ["ff", "out"]}
    part = splits.learning_part(dataset.train.labels, digits["readout"]["holdout"], 1)
    learning = torch.from_numpy(part)
    captured = []
    for inputs in (task.train_inputs, task.test_inputs):
        with torch.no_grad(), taps.capture(model, settings["sites"]) as tokens:
            model(task.prepared(inputs))
            captured.append(dict(tokens))
    certified = {**digits["readout"], "penalties": [1e-3]}
    zero, *others = (
        measured(
            task, captured,
            pooling.learn(model, task, learning, settings, "fp32", seed, start), certified,
        )
        for seed, start in ((0, 0.0), (1, 1 / 8), (2, 1 / 8))
    )  # fmt: skip
    assert len(zero) == 6
    for other in others:
        for tap, (accuracy, matrices) in zero.items():
            assert correlation(matrices, other[tap][1]) > 0.99, tap
            assert abs(accuracy - other[tap][0]) <= 0.005, tap
