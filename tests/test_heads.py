"""Symmetry breaking on planted heads: none, full, and by chance."""

import numpy as np
import pytest
from nodal import heads
from nodal.errors import NodalError


def test_counts_are_nodes_of_each_head_with_the_label(random):
    diagonal = random.random((12, 5)) < 0.4
    counts = heads.label_counts(diagonal, 3)
    for h in range(3):
        for c in range(5):
            assert counts[h, c] == sum(diagonal[n, c] for n in range(12) if n // 4 == h)


def test_heads_that_do_not_divide_the_nodes_are_refused():
    with pytest.raises(NodalError, match="do not divide"):
        heads.label_counts(np.zeros((10, 3), bool), 4)


def test_fully_broken_heads_have_order_parameter_one():
    diagonal = np.kron(np.eye(4, dtype=bool), np.ones((8, 2), dtype=bool))
    Q, null, z, p = heads.symmetry_breaking(diagonal, 4, 1000, seed=0)
    assert Q == 1
    assert null.shape == (1000,)
    assert null.mean() < 0.6
    assert z > 5
    assert p == pytest.approx(1 / 1001)


def test_symmetric_heads_have_order_parameter_one_over_heads():
    Q, *_ = heads.symmetry_breaking(np.ones((16, 6), dtype=bool), 4, 100, seed=0)
    assert pytest.approx(1 / 4) == Q


def test_p_values_are_uniform_without_symmetry_breaking(random):
    ps = [heads.symmetry_breaking(random.random((32, 10)) < 0.3, 4, 199, seed=s).p
          for s in range(60)]  # fmt: skip
    assert 0.35 < np.mean(ps) < 0.65
    assert np.mean(np.array(ps) <= 0.05) < 0.15


def test_unknown_labels_are_left_out_of_the_order_parameter():
    counts = np.array([[3, 0, 1], [1, 0, 1]])
    assert heads.order_parameter(counts) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_planted_causes_are_found_and_their_absence_is_not(random):
    counts = np.zeros((4, 20), int)
    counts[np.arange(20) % 4, np.arange(20)] = 9
    expert = heads.experts(counts)
    share = heads.label_shares(counts + 1)
    noise = random.normal(size=(4, 20))
    caused = share + 0.1 * noise
    gain, p = heads.permutation_test(lambda v: heads.expert_gain(v, expert), caused, 500, 0)
    assert gain > 0.5
    assert p < 0.01
    rho, p = heads.permutation_test(lambda v: heads.spearman(share, v), caused, 500, 0)
    assert rho > 0.5
    assert p < 0.01
    _, p = heads.permutation_test(lambda v: heads.expert_gain(v, expert), noise, 500, 0)
    assert p > 0.01


def test_spearman_is_scipys(random):
    from scipy.stats import spearmanr

    a, b = random.normal(size=(2, 5, 8))
    assert heads.spearman(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)


def test_head_matrices_are_sums_over_its_nodes(random):
    matrices = random.normal(size=(6, 3, 3))
    summed = heads.head_matrices(matrices, 2)
    np.testing.assert_allclose(summed[1], matrices[3] + matrices[4] + matrices[5])


def test_report_has_a_row_per_head_and_label(random):
    matrices = random.normal(size=(8, 5, 5))
    diagonal = random.random((8, 5)) < 0.5
    restricted, drop = random.random((2, 4, 5))
    table = heads.report(matrices, diagonal, restricted, drop, 0.3, 200, seed=0)
    assert len(table) == 20
    row = table[(table["head"] == 2) & (table.label == 3)].iloc[0]
    assert row["drop"] == drop[2, 3]
    assert row["count"] == diagonal[4:6, 3].sum()
    assert table.groupby("label").share.sum().round(6).isin([0, 1]).all()
