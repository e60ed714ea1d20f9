"""Held-out shares, and the order of labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodal.datasets import splits
from nodal.errors import NodalError


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_a_share_of_each_label_is_held_out(labels, share, seed):
    held = splits.stratified(np.array(labels), share, seed)
    for label in set(labels):
        n, of_label = labels.count(label), held[np.array(labels) == label].sum()
        assert of_label == min(max(1, round(share * n)), n - 1)
    np.testing.assert_array_equal(held, splits.stratified(np.array(labels), share, seed))


def test_another_seed_holds_out_others():
    labels = np.zeros(100, int)
    assert (splits.stratified(labels, 0.5, 0) != splits.stratified(labels, 0.5, 1)).any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Valid", "val"),
        ("TEST", "test"),
        ("validation", "val"),
        ("Training", "train"),
        ("testing", "test"),
        ("dev", None),
    ],
)
def test_words_for_a_part(name, expected):
    assert splits.part(name) == expected


def test_learning_sees_nothing_that_is_held_out():
    labels = np.repeat(np.arange(5), 20)
    part = splits.learning_part(labels, 0.2, 1.0)
    assert not splits.stratified(labels, 0.2)[part].any()
    assert len(part) == 80
    half = splits.learning_part(labels, 0.2, 0.5, seed=3)
    assert set(half) < set(part)
    assert np.bincount(labels[half]).tolist() == [8] * 5


def test_a_share_that_leaves_a_label_without_an_input_is_refused():
    with pytest.raises(NodalError, match=r"pooling\.share: label 1 has no input to learn from"):
        splits.learning_part(np.array([0, 0, 0, 0, 1]), 0.2, 0.5)
