"""Masks against their definition, and their controls at equal numbers of kept weights."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nodal import models, pruning, snp, sweep, training

labels = st.shared(st.integers(1, 6), key="C")


@settings(max_examples=200, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 5), labels)),
       arrays(bool, st.tuples(st.integers(1, 5), labels)))  # fmt: skip
def test_andc_keeps_a_weight_iff_its_ends_share_a_label(inner, outer):
    mask = pruning.andc_mask(inner, outer)
    for v in range(len(outer)):
        for u in range(len(inner)):
            assert mask[v, u] == bool(set(np.flatnonzero(inner[u])) & set(np.flatnonzero(outer[v])))
    assert (
        pruning.andc_mask(torch.from_numpy(inner), torch.from_numpy(outer)).numpy() == mask
    ).all()


def test_diagonals_are_those_of_the_boolean_matrices(random):
    means, weights = random.normal(size=(2, 7, 3, 5))
    boolean = snp.binarize(snp.snp_matrices(means, weights), 0.4)
    expected = np.array([[boolean[n, i, i] for i in range(7)] for n in range(5)])
    np.testing.assert_array_equal(pruning.diagonals(means, weights, 0.4), expected)


@pytest.fixture
def network(random):
    edges = [("a>b", "a", "b", random.normal(size=(8, 6))),
             ("k>l", "a", "b", random.normal(size=(8, 6, 3, 3))),
             ("b>labels", "b", None, random.normal(size=(5, 8)))]  # fmt: skip
    diagonal = {"a": random.random((6, 5)) < 0.3, "b": random.random((8, 5)) < 0.3}
    rms = {"a": random.random(6), "b": random.random(8)}
    return edges, diagonal, rms


@pytest.mark.parametrize("method", pruning.METHODS)
def test_controls_keep_as_many_weights_of_each_matrix(network, method):
    andc = pruning.masks("andc", *network, seed=0)
    masks = pruning.masks(method, *network, seed=3)
    for name, mask in masks.items():
        assert mask.shape == andc[name].shape
        assert mask.sum() == andc[name].sum()


def test_classifier_keeps_diagonal_labels(network):
    _, diagonal, _ = network
    mask = pruning.masks("andc", *network, seed=0)["b>labels"]
    np.testing.assert_array_equal(mask, diagonal["b"].T)


def test_magnitude_and_wanda_keep_the_largest(network):
    (_, _, _, weight), *_ = network[0]
    size = np.abs(weight)
    mask = pruning.masks("magnitude", *network, seed=0)["a>b"]
    assert size[mask].min() >= size[~mask].max()
    score = size * network[2]["a"][None]
    mask = pruning.masks("wanda", *network, seed=0)["a>b"]
    assert score[mask].min() >= score[~mask].max()


def test_random_labels_keep_the_sizes_of_the_diagonals(random):
    diagonal = random.random((50, 20)) < 0.3
    drawn = pruning.random_labels(diagonal, random)
    np.testing.assert_array_equal(drawn.sum(1), diagonal.sum(1))
    assert (drawn != diagonal).any()


@pytest.fixture
def tiny(digits):
    torch.manual_seed(0)
    _, dataset = digits
    config = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 2}
    model = models.build(config, dataset.n_classes, dataset.image_shape)
    return model, training.Task.from_dataset(dataset), config, dataset


def _masks(model, random):
    return {e.name: random.random(tuple(e.weight.shape[:2])) < 0.5 for e in model.edges()}


def _recipe(**changes):
    recipe = {"epochs": 1, "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 0.1,
              "warmup_epochs": 0, "warmup_rate": 0, "min_rate": 0, "label_smoothing": 0,
              "mixup": 0, "cutmix": 0, "mix_switch": 0.5, "randaugment": 0, "erasing": 0,
              "flip": False, "shift": 1, "precision": "fp32", "clip_norm": None,
              "eval_every": 1, "compile": False}  # fmt: skip
    return {**recipe, **changes}


def test_pruned_weights_stay_exactly_zero_through_fine_tuning(tiny, random):
    model, task, _, _ = tiny
    masks = _masks(model, random)
    sweep.apply_masks(model, model.edges(), masks)
    before = {e.name: e.weight.detach().clone() for e in model.edges()}
    sweep.fine_tune(model, task, _recipe(), {"epochs": 1, "learning_rate": 1e-3}, seed=0)
    sweep.make_permanent(model)
    for edge in model.edges():
        weight, mask = edge.weight.detach(), torch.from_numpy(masks[edge.name])
        assert (weight[~mask] == 0).all()
        assert (weight[mask] != before[edge.name][mask]).any()


def test_a_pruned_network_is_saved_and_loaded_again(tiny, random, tmp_path):
    model, task, config, dataset = tiny
    sweep.apply_masks(model, model.edges(), _masks(model, random))
    expected = training.predict(model, task, task.test_images)
    sweep.make_permanent(model)
    training.save_model(tmp_path / "pruned.pt", model, config, dataset, 0.5)
    loaded, content = training.load_model(tmp_path / "pruned.pt")
    assert content["test_accuracy"] == 0.5
    assert torch.equal(training.predict(loaded, task, task.test_images), expected)
    masks = sweep.masks_of(loaded)
    sweep.apply_masks(loaded, loaded.edges(), masks)
    assert torch.equal(training.predict(loaded, task, task.test_images), expected)
