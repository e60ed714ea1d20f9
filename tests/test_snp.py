"""The measurement against its definition done the slow way, and against planted answers."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nodal import snp
from nodal.errors import NodalError


def slow_snp(activations, labels, weights):
    """Every image's field of every node, then the mean per label."""
    C, R, D = weights.shape
    total, count = np.zeros((D, C, C)), np.zeros(C)
    for a, y in zip(activations, labels, strict=True):
        count[y] += 1
        for n in range(D):
            for j in range(C):
                total[n, y, j] += sum(weights[j, r, n] * a[r, n] for r in range(R))
    return total / count[None, :, None]


def slow_clusters(boolean):
    """A transcription of the definition, node by node."""
    D, C = boolean.shape[:2]
    result = np.full((D, C), -1)
    for n in range(D):
        B = boolean[n]
        unplaced, index = [i for i in range(C) if B[i, i]], 0
        while unplaced:
            members = [unplaced.pop(0)]
            for j in list(unplaced):
                if all(B[j, m] and B[m, j] for m in members):
                    members.append(j)
                    unplaced.remove(j)
            result[n, members] = index
            index += 1
    return result


@pytest.fixture
def measured(random):
    activations = random.normal(size=(60, 4, 6))
    labels = np.concatenate([np.arange(5), random.integers(0, 5, 55)])
    return activations, labels, random.normal(size=(5, 4, 6))


def test_snp_matrices_equal_the_mean_field_per_image(measured):
    activations, labels, weights = measured
    means = snp.class_means(activations, labels, 5)
    expected = slow_snp(activations, labels, weights)
    found = snp.snp_matrices(means, weights)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_tensors_give_what_arrays_give(measured):
    activations, labels, weights = measured
    tensors = [torch.from_numpy(np.asarray(a, t)) for a, t in
               zip(measured, (np.float32, np.int64, np.float32), strict=True)]  # fmt: skip
    means = snp.class_means(tensors[0], tensors[1], 5)
    matrices = snp.snp_matrices(means, tensors[2])
    boolean = snp.binarize(matrices, 0.3)
    arrays_ = snp.snp_matrices(snp.class_means(activations, labels, 5), weights)
    assert isinstance(boolean, torch.Tensor)
    np.testing.assert_allclose(matrices, arrays_, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(boolean.numpy(), snp.binarize(arrays_, 0.3))
    assert isinstance(snp.clusters(boolean), torch.Tensor)


@pytest.mark.parametrize("positions", [1, 2, 3])
def test_rank_is_at_most_the_number_of_positions(random, positions):
    means, weights = random.normal(size=(2, 12, positions, 5))
    ranks = np.linalg.matrix_rank(snp.snp_matrices(means, weights))
    assert (ranks == positions).all()


def test_class_means_name_a_label_without_images():
    with pytest.raises(NodalError, match="label 2 has no input"):
        snp.class_means(np.zeros((2, 1, 1)), np.array([0, 1]), 3)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_is_not_left_out(kind, label):
    labels = kind(np.array([0, 1, label]))
    with pytest.raises(NodalError, match=f"label {label} of an input; expected 0 to 1"):
        snp.class_means(kind(np.zeros((3, 1, 1), np.float32)), labels, 2)


@pytest.mark.parametrize("theta", [-0.1, 1.0])
def test_theta_outside_its_range_is_refused(theta):
    with pytest.raises(NodalError, match=r"snp\.threshold"):
        snp.binarize(np.ones((1, 2, 2)), theta)


def test_binarize_is_relative_to_each_nodes_maximum():
    matrices = np.array([[[10.0, 3.1], [3.0, -20.0]], [[-1.0, -2.0], [-3.0, 0.0]]])
    boolean = snp.binarize(matrices, 0.3)
    np.testing.assert_array_equal(boolean[0], [[True, True], [False, False]])
    assert not boolean[1].any(), "a node whose maximum is not positive is silent"


def test_what_equals_theta_is_not_above_it():
    """Powers of two: no rounding."""
    field = snp.Factors(np.array([[2.0, 1.0]], "f4"), np.array([[1.0, 1.0]], "f4"))
    for theta, expected in ((0.5, [[True, False]]), (0.25, [[True, True]])):
        assert snp.diagonals(field, theta).tolist() == expected
        boolean = snp.binarize(field.matrices(), theta)
        assert np.diagonal(boolean, axis1=1, axis2=2).tolist() == expected


boolean_matrices = arrays(
    bool, st.tuples(st.integers(1, 4), st.shared(st.integers(1, 9), key="C"),
                    st.shared(st.integers(1, 9), key="C"))
)  # fmt: skip


@given(boolean_matrices)
def test_clusters_equal_the_definition(boolean):
    np.testing.assert_array_equal(snp.clusters(boolean), slow_clusters(boolean))


@pytest.mark.parametrize("density", [0.5, 0.9, 0.99])
def test_clusters_equal_the_definition_where_nearly_all_labels_are_diagonal(random, density):
    boolean = random.random((30, 25, 25)) < density
    boolean[:, range(25), range(25)] = True
    np.testing.assert_array_equal(snp.clusters(boolean), slow_clusters(boolean))


def test_no_nodes_have_no_clusters():
    found = snp.clusters(np.zeros((0, 3, 3), bool))
    assert (found.shape, found.dtype) == ((0, 3), int)


def test_clusters_in_chunks_are_the_same(random, monkeypatch):
    boolean = random.random((20, 7, 7)) < 0.7
    whole = snp.clusters(boolean)
    monkeypatch.setattr(snp, "CHUNK_BYTES", 3 * 49)
    np.testing.assert_array_equal(snp.clusters(boolean), whole)


@given(boolean_matrices)
def test_statistics_are_those_of_the_definition(boolean):
    table = snp.node_statistics(boolean)
    for n, index in enumerate(slow_clusters(boolean)):
        sizes = [int((index == k).sum()) for k in range(index.max() + 1)]
        ones = int(boolean[n].sum())
        row = table.iloc[n]
        assert row.node == n
        assert row.silent == (ones == 0)
        assert row.n_clusters == len(sizes)
        assert row.labels == sum(sizes) == int(np.trace(boolean[n].astype(int)))
        assert row.signal == sum(c * c for c in sizes)
        assert row.noise == ones - row.signal >= 0
        assert np.isnan(row.cluster_size) if not sizes else row.cluster_size == np.mean(sizes)


def test_the_whole_measurement_recovers_planted_blocks(random):
    """Nodes are driven by blocks of labels; the readout adds the same blocks; noise is small."""
    C, D = 12, 3
    planted = [[[0, 3, 7]], [[1, 2], [5, 11]], [[4]]]
    means, weights = np.zeros((C, 2, D)), np.zeros((C, 2, D))
    for n, blocks in enumerate(planted):
        for r, block in enumerate(blocks):
            means[block, r, n] = 1.0
            weights[block, r, n] = 1.0
    labels = np.repeat(np.arange(C), 40)
    activations = means[labels] + 0.02 * random.normal(size=(len(labels), 2, D))
    matrices = snp.snp_matrices(snp.class_means(activations, labels, C), weights)
    boolean = snp.binarize(matrices, 0.3)
    index = snp.clusters(boolean)
    for n, blocks in enumerate(planted):
        found = [sorted(np.flatnonzero(index[n] == k)) for k in range(index[n].max() + 1)]
        assert found == blocks
    table = snp.node_statistics(boolean)
    assert table.signal.tolist() == [9, 8, 1]
    assert table.noise.tolist() == [0, 0, 0]


def test_report_averages_over_nodes_with_a_cluster(random):
    boolean = np.zeros((3, 4, 4), dtype=bool)
    boolean[0, :2, :2] = True  # one cluster of 2
    boolean[0, 3, 0] = True  # noise
    boolean[1, 0, 1] = True  # no cluster, all noise
    report = snp.tap_report(snp.node_statistics(boolean))
    assert report["silent_share"] == pytest.approx(1 / 3)
    assert report["no_cluster_share"] == pytest.approx(2 / 3)
    assert (report["signal"], report["noise"], report["snr"]) == (4, 1, 4)


def rank_one(random, D, C):
    means, weights = random.normal(size=(2, C, 1, D)).astype("f4")
    means[:, :, 0] = -1.0
    weights[:, :, 0] = 1.0  # a silent node
    return means, weights


def any_rank(random, D, C):
    return random.normal(size=(2, C, 3, D)).astype("f4")


@pytest.mark.parametrize("draw", [rank_one, any_rank])
def test_a_field_is_the_matrices_as_they_are_stored(random, tmp_path, draw):
    means, weights = draw(random, 7, 9)
    field = snp.field(means, weights)
    assert field.shape == (7, 9)
    found, exact = field.matrices(), snp.snp_matrices(means, weights)
    assert np.all(np.abs(found - exact) <= 1e-3 * np.abs(exact).max((1, 2), keepdims=True))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        field.save(file)
    with h5py.File(tmp_path / "f.h5") as file:
        again = snp.read(file)
    assert np.array_equal(again.matrices(), found)
    assert np.array_equal(again.matrices(slice(2, 4)), found[2:4])
    assert np.array_equal(field.largest(), found.max((1, 2)))
    assert np.array_equal(field.diagonal(), np.diagonal(found, axis1=1, axis2=2))
    for theta in (0.0, 0.3, 0.9):
        boolean = snp.binarize(found, theta)
        diagonal = np.diagonal(boolean, axis1=1, axis2=2)
        assert np.array_equal(snp.diagonals(field, theta), diagonal)


def test_one_position_is_stored_exactly(random):
    means, weights = rank_one(random, 7, 9)
    assert np.array_equal(snp.field(means, weights).matrices(), snp.snp_matrices(means, weights))


def test_blocks_of_nodes_change_nothing(random, monkeypatch):
    field = snp.field(*any_rank(random, 11, 6))
    whole = snp.describe(field, 0.3, 4, seed=1)
    monkeypatch.setattr(snp, "CHUNK_BYTES", 4 * 6**2 * 3)
    parts = snp.describe(snp.field(*any_rank(np.random.default_rng(0), 11, 6)), 0.3, 4, seed=1)
    pd.testing.assert_frame_equal(pd.DataFrame(whole[0]), pd.DataFrame(parts[0]))
    assert np.array_equal(whole[1], parts[1])
    assert str(whole[2]) == str(parts[2])
    expected = snp.node_statistics(snp.binarize(field.matrices(), 0.3))
    pd.testing.assert_frame_equal(pd.DataFrame(whole[0]), expected)


def test_null_permutes_true_labels_only():
    """A planted block loses its diagonal under permutation; the number of ones stays."""
    means, weights = np.zeros((2, 30, 1, 40), "f4")
    means[:3], weights[:3] = 1.0, 1.0
    columns, _, reports = snp.describe(snp.field(means, weights), 0.3, 50, seed=1)
    assert snp.tap_report(columns)["signal"] == 9
    signals = [r["signal"] for r in reports if not np.isnan(r["signal"])]
    assert np.mean(signals) < 3
    again = snp.describe(snp.field(means, weights), 0.3, 50, seed=1)[2]
    assert str(reports) == str(again)


def test_a_clean_tap_has_a_signal_share(random):
    """Infinite SNR is no missing value, and no cluster at all is no signal."""
    clean = snp.tap_report(snp.node_statistics(np.eye(4, dtype=bool)[None].repeat(3, 0)))
    assert clean["signal_share"] == 1
    assert clean["snr"] == np.inf
    off = snp.tap_report(snp.node_statistics(~np.eye(4, dtype=bool)[None]))
    assert off["signal_share"] == 0
    assert np.isnan(off["snr"])
    some = snp.tap_report(snp.node_statistics(random.random((9, 5, 5)) < 0.4))
    assert some["signal_share"] == pytest.approx(some["snr"] / (1 + some["snr"]))


def test_spreads_are_of_a_sample(random):
    import statistics

    columns = snp.node_statistics(random.random((9, 5, 5)) < 0.4)
    some = columns[columns.n_clusters > 0]
    report = snp.tap_report(columns)
    assert report["noise_sd"] == pytest.approx(statistics.stdev(some.noise))
    assert report["clusters_sd"] == pytest.approx(statistics.stdev(some.n_clusters))


def test_a_report_is_the_means_and_spreads_of_its_columns(random):
    import statistics

    columns = snp.node_statistics(random.random((9, 5, 5)) < 0.4)
    some = columns[columns.n_clusters > 0]
    assert 2 < len(some) < 9
    report = snp.tap_report(columns)
    names = {"clusters": "n_clusters", "labels": "labels", "cluster_size": "cluster_size",
             "signal": "signal", "noise": "noise"}  # fmt: skip
    for name, column in names.items():
        assert report[name] == pytest.approx(some[column].mean()), name
        assert report[f"{name}_sd"] == pytest.approx(statistics.stdev(some[column])), name
    assert report["nodes"] == 9
    assert report["silent_share"] == columns.silent.mean()
    one = snp.tap_report(snp.node_statistics(np.eye(3, dtype=bool)[None]))
    assert one["signal"] == 3
    assert np.isnan(one["signal_sd"]), "a single node has no spread"
