"""Masks against their definition, and their controls at equal numbers of kept weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nodal import pruning

labels = st.shared(st.integers(1, 6), key="C")


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


def test_magnitude_and_wanda_matrix_keep_the_largest(network):
    (_, _, _, weight), *_ = network[0]
    size = np.abs(weight)
    mask = pruning.masks("magnitude", *network, seed=0)["a>b"]
    assert size[mask].min() >= size[~mask].max()
    score = size * network[2]["a"][None]
    mask = pruning.masks("wanda_matrix", *network, seed=0)["a>b"]
    assert score[mask].min() >= score[~mask].max()


def test_wanda_compares_within_each_row(network):
    edges, _, rms = network
    score = np.abs(edges[0][3]) * rms["a"][None]
    mask = pruning.masks("wanda", *network, seed=0)["a>b"]
    each = mask.sum() // len(mask)
    assert set(mask.sum(1)) <= {each, each + 1}
    for row, kept in zip(score, mask, strict=True):
        assert row[kept].min(initial=np.inf) >= row[~kept].max(initial=0)
    more = mask.sum(1) > each
    next_best = -np.sort(-score, axis=1)[:, each]
    assert next_best[more].min(initial=np.inf) >= next_best[~more].max(initial=0)


@pytest.mark.parametrize("n_kept", [0, 1, 7, 8, 23, 24])
def test_rows_are_filled_evenly_whatever_their_number(random, n_kept):
    mask = pruning.keep_top_of_rows(random.random((6, 4)), n_kept)
    assert mask.sum() == n_kept
    assert np.ptp(mask.sum(1)) <= 1


def test_of_equals_the_first_are_kept(random):
    score = random.integers(0, 3, (6, 500)).astype(float)
    rows = pruning.keep_top_of_rows(score, 6 * 100)
    for row, kept in zip(score, rows, strict=True):
        first = sorted(range(500), key=lambda i, row=row: (-row[i], i))[:100]
        assert np.flatnonzero(kept).tolist() == sorted(first)
    first = sorted(range(3000), key=lambda i: (-score.flat[i], i))[:700]
    assert np.flatnonzero(pruning.keep_top(score, 700)).tolist() == sorted(first)
    next_best = random.integers(0, 3, 500).astype(float)
    mask = pruning.keep_top_of_rows(np.stack([next_best + 5, next_best, 0 * next_best], 1), 600)
    first = sorted(range(500), key=lambda i: (-next_best[i], i))[:100]
    assert np.flatnonzero(mask[:, 1]).tolist() == sorted(first)


@pytest.mark.parametrize("n_kept", [0, 3, 10, 17, 40])
def test_a_count_is_matched_by_adding_only_or_removing_only(random, n_kept):
    mask = np.arange(40).reshape(8, 5) % 4 == 0
    matched = pruning.match_count(mask, n_kept, random)
    assert matched.sum() == n_kept
    assert (matched <= mask).all() if n_kept <= mask.sum() else (matched >= mask).all()


def test_random_labels_keep_the_sizes_of_the_diagonals(random):
    diagonal = random.random((50, 20)) < 0.3
    drawn = pruning.random_labels(diagonal, random)
    np.testing.assert_array_equal(drawn.sum(1), diagonal.sum(1))
    assert (drawn != diagonal).any()
