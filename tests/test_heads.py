"""Symmetry breaking on planted heads: none, full, and by chance."""

import itertools
import statistics

import numpy as np
import pandas as pd
import pytest
from nodal import heads, snp
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


def test_z_and_p_are_those_of_the_null(random):
    Q, null, z, p = heads.symmetry_breaking(random.random((12, 4)) < 0.5, 3, 7, seed=1)
    assert z == pytest.approx((Q - statistics.mean(null)) / statistics.stdev(null))
    assert p == (1 + sum(q >= Q - 1e-9 for q in null)) / 8


def test_the_null_reassigns_nodes_and_keeps_each_nodes_labels(random):
    """With two nodes there are two arrangements; with equal nodes there is one."""
    two = np.array([[1, 1, 0], [0, 1, 1]], bool)
    assert set(heads.symmetry_breaking(two, 2, 50, seed=0).null.round(9)) == {round(2.5 / 3, 9)}
    four = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    null = heads.symmetry_breaking(four, 2, 3000, seed=0).null
    assert set(null) == {0.5, 1.0}
    assert np.mean(null == 1) == pytest.approx(1 / 3, abs=0.03)


def test_ties_with_the_null_count_against_the_claim():
    """Every arrangement has the observed Q, so nothing is surprising about it."""
    result = heads.symmetry_breaking(np.ones((8, 3), bool), 2, 100, seed=0)
    assert result.p == 1
    assert result.z == 0
    assert heads.compare(0.3, np.array([0.1, 0.3, 0.1 + 0.2])).p == 3 / 4


@pytest.mark.parametrize(
    ("diagonal", "n_heads"), [(np.zeros((8, 3), bool), 4), (np.ones((8, 3), bool), 1)]
)
def test_undefined_is_undefined(diagonal, n_heads):
    result = heads.symmetry_breaking(diagonal, n_heads, 50, seed=0)
    assert np.isnan(result.z)
    assert np.isnan(result.p)
    measured = dict.fromkeys(
        ("restricted_auc", "restricted_accuracy", "drop_auc", "drop_accuracy"),
        np.ones((n_heads, 3)),
    )
    diagonals = {"train": diagonal, "test": diagonal}
    matrices = np.where(diagonal[:, :, None], np.eye(3), 0.0)
    table = heads.report(matrices, diagonals, "test", measured, 0.3, 20, seed=0)
    for column in ("p_Q", "p_restricted", "p_drop", "p_rho", "restricted_excess", "rho_excess"):
        assert table[column].isna().all(), column


def planted(random):
    counts = np.zeros((4, 20), int)
    counts[np.arange(20) % 4, np.arange(20)] = 9
    return heads.experts(counts), heads.label_shares(counts + 1)


def test_planted_causes_are_found(random):
    expert, share = planted(random)
    levels = random.normal(size=(4, 1)) + random.normal(size=20)
    caused = share + levels + 0.1 * random.normal(size=(4, 20))
    gain = heads.permutation_test(lambda v: heads.expert_gain(v, expert), caused, 500, 0)
    assert gain.excess == pytest.approx(9 / 13, abs=0.1)
    assert gain.p < 0.01
    assert heads.permutation_test(lambda v: heads.spearman(share, v), caused, 500, 0).p < 0.01


def test_levels_of_heads_and_labels_are_no_effect(random):
    """An able head that is the expert of most labels has a gain, and no excess of it."""
    expert = np.where(np.arange(20) < 16, 0, 1)
    values = np.array([[3.0], [0.0]]) + 0.01 * random.normal(size=(2, 20))
    result = heads.permutation_test(lambda v: heads.expert_gain(v, expert), values, 500, 0)
    assert result.value == pytest.approx(3 * 16 / 20 - 3 * 4 / 20, abs=0.1)
    assert result.excess == pytest.approx(0, abs=0.02)


def test_one_permutation_of_the_labels_for_all_heads(random):
    """A head keeps its own values, and what the heads say of one label stays together."""
    values, seen = random.random((3, 5)), []

    def statistic(v):
        seen.append(v)
        return v[..., 0, 0]

    heads.permutation_test(statistic, values, 40, 0)
    drawn = np.concatenate([v for v in seen if v.ndim == 3])
    assert drawn.shape == (40, 3, 5)
    columns = {tuple(column) for column in values.T}
    assert all({tuple(column) for column in v.T} == columns for v in drawn)
    assert len({v.tobytes() for v in drawn}) > 20


def test_excess_is_the_value_less_the_mean_of_all_permutations(random):
    """Against every permutation written out, which a sample of them comes close to."""
    values, expert = random.random((2, 5)), np.array([0, 1, 0, 0, 1])
    result = heads.permutation_test(lambda v: heads.expert_gain(v, expert), values, 4000, 0)
    every = [heads.expert_gain(values[:, order], expert)
             for order in itertools.permutations(range(5))]  # fmt: skip
    assert result.excess == pytest.approx(result.value - np.mean(every), abs=0.02)
    assert result.p == pytest.approx(np.mean(np.array(every) >= result.value - 1e-9), abs=0.03)


def test_cooperating_nodes_are_found_and_their_absence_is_not(random):
    """Nodes that are right about a label only as the sum of their head."""
    noise = random.normal(size=(4, 6, 8, 8))
    apart = noise - noise.mean(1, keepdims=True)
    together = np.stack([np.diag(np.repeat([1.0, 0], 4)[np.roll(range(8), h)]) for h in range(4)])
    matrices = (together[:, None] + 3 * apart).reshape(24, 8, 8)
    found = heads.cooperation(matrices, 4, 0.3, 200, seed=0)
    assert found.value == pytest.approx(1)
    assert found.p < 0.01
    shuffled = random.permutation(matrices)
    assert heads.cooperation(shuffled, 4, 0.3, 200, seed=0).p > 0.01
    assert np.isnan(heads.cooperation(matrices, 1, 0.3, 20, seed=0).p)


def test_the_cooperation_of_heads_is_the_signal_share_of_their_sums(random):
    matrices = random.normal(size=(6, 5, 5))
    summed = np.stack([matrices[:3].sum(0), matrices[3:].sum(0)])
    report = snp.tap_report(snp.node_statistics(snp.binarize(summed, 0.3)))
    found = heads.cooperation(matrices, 2, 0.3, 10, seed=0)
    assert found.value == pytest.approx(report["signal"] / (report["signal"] + report["noise"]))


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
    diagonals = {split: random.random((8, 5)) < 0.5 for split in ("train", "test")}
    names = ("restricted_auc", "restricted_accuracy", "drop_auc", "drop_accuracy")
    measured = {name: random.random((4, 5)) for name in names}
    table = heads.report(matrices, diagonals, "test", measured, 0.3, 200, seed=0)
    assert len(table) == 20
    row = table[(table["head"] == 2) & (table.label == 3)].iloc[0]
    assert all(row[name] == measured[name][2, 3] for name in names)
    assert row["count_train"] == diagonals["train"][4:6, 3].sum()
    assert row["count_test"] == diagonals["test"][4:6, 3].sum()
    assert table.groupby("label").share_test.sum().round(6).isin([0, 1]).all()
    assert heads.order_parameter(heads.label_counts(diagonals["test"], 4)) == row.Q


def test_experts_come_from_the_training_split(random):
    """Labels change places between the splits: drops of the test split must not choose experts."""
    train = np.kron(np.eye(2, dtype=bool), np.ones((3, 2), dtype=bool))
    diagonals = {"train": train, "test": train[::-1]}
    names = ("restricted_auc", "restricted_accuracy", "drop_auc", "drop_accuracy")
    measured = dict.fromkeys(names, np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]))
    table = heads.report(np.ones((6, 4, 4)), diagonals, "test", measured, 0.3, 50, seed=0)
    assert table[table.expert]["label"].tolist() == [0, 1, 2, 3]
    assert table[table.expert]["head"].tolist() == [0, 0, 1, 1]
    assert (table.restricted_gain == 1).all()
    assert (table.rho == 1).all()


def test_one_node_makes_an_expert_and_none_makes_none():
    """Label 0 is known by one node, of head 1; label 1 by none."""
    diagonal = np.zeros((4, 2), dtype=bool)
    diagonal[2, 0] = True
    measured = dict.fromkeys(
        ("restricted_auc", "restricted_accuracy", "drop_auc", "drop_accuracy"), np.ones((2, 2))
    )
    both = {"train": diagonal, "test": diagonal}
    table = heads.report(np.ones((4, 2, 2)), both, "test", measured, 0.3, 50, seed=0)
    assert table[table.expert][["head", "label"]].to_numpy().tolist() == [[1, 0]]


def test_silencing_a_head_is_judged_by_auc_and_accuracy(digits, monkeypatch):
    import torch
    from nodal import models, sweep, taps, training
    from sklearn.metrics import roc_auc_score

    torch.manual_seed(0)
    task = training.Task.from_dataset(digits[1])
    model = models.build({"name": "cct", "width": 12, "depth": 2, "heads": 3}, 10, (1, 8, 8))
    rows = pd.DataFrame(sweep.silence_heads(model, task, 3, 2, "fp32"))
    assert len(rows) == 2 * 3 * 10
    with taps.silenced(model, "block1.heads", range(8, 12)):
        log_p = training.predict(model, task, task.test_inputs).log_softmax(1).numpy()
    labels = task.test_labels.numpy()
    of_head = rows[(rows.block == 1) & (rows["head"] == 2)].set_index("label")
    for label in range(10):
        auc = roc_auc_score(labels == label, log_p[:, label])
        assert of_head.auc_silenced[label] == pytest.approx(auc, abs=1e-6)
        right = log_p[labels == label].argmax(1) == label
        assert of_head.accuracy_silenced[label] == pytest.approx(right.mean())
    assert rows.groupby("label").auc_dense.nunique().eq(1).all()
    assert (rows.auc_dense != rows.auc_silenced).any()
    for n_bytes in (1, 4 * len(labels) * 10 * 4):  # a head at a time, four
        monkeypatch.setattr(sweep, "LOGITS_BYTES", n_bytes)
        apart = pd.DataFrame(sweep.silence_heads(model, task, 3, 2, "fp32"))
        pd.testing.assert_frame_equal(rows, apart, check_exact=True)


def test_the_numbers_of_a_block_are_those_of_its_tests(random):
    """Every column against the function that gives it; experts and shares of the training split."""
    matrices = random.normal(size=(8, 5, 5))
    diagonals = {split: random.random((8, 5)) < 0.5 for split in ("train", "test")}
    diagonals["train"][:, 4] = False
    names = ("restricted_auc", "restricted_accuracy", "drop_auc", "drop_accuracy")
    measured = {name: random.random((2, 5)) for name in names}
    table = heads.report(matrices, diagonals, "test", measured, 0.3, 60, seed=3)
    block = table.iloc[0]
    broken = heads.symmetry_breaking(diagonals["test"], 2, 60, 3)
    assert (block.Q, block.z_Q, block.p_Q) == (broken.Q, broken.z, broken.p)
    assert block.Q_null == pytest.approx(broken.null.mean())
    low, high = np.quantile(broken.null, (0.025, 0.975))
    assert (block.Q_null_low, block.Q_null_high) == (low, high)
    counts = heads.label_counts(diagonals["train"], 2)[:, :4]
    expert, share = counts.argmax(0), counts / counts.sum(0)

    def gain(values):
        own = values[..., expert, range(4)].mean(-1)
        return own - values[..., 1 - expert, range(4)].mean(-1)

    for name, source, statistic, seed in (
        ("restricted", "restricted_auc", gain, 4),
        ("drop", "drop_auc", gain, 5),
        ("rho", "drop_auc", lambda v: heads.spearman(share, v), 6),
    ):
        found = heads.permutation_test(statistic, measured[source][:, :4], 60, seed)
        value = block["rho" if name == "rho" else f"{name}_gain"]
        assert value == pytest.approx(found.value), name
        assert block[f"{name}_excess"] == pytest.approx(found.excess), name
        assert block[f"p_{name}"] == found.p, name
    found = heads.cooperation(matrices, 2, 0.3, 60, 7)
    assert block.cooperation == found.value
    assert (block.cooperation_excess, block.p_cooperation) == (found.excess, found.p)
    own = snp.node_statistics(snp.binarize(heads.head_matrices(matrices, 2), 0.3))
    for key in ("n_clusters", "cluster_size", "signal", "noise"):
        found = table.groupby("head")[f"head_{key}"].first()
        np.testing.assert_array_equal(found, own[key])
    nodes = snp.node_statistics(snp.binarize(matrices, 0.3))
    assert block.head_snr == snp.tap_report(own)["snr"]
    assert block.node_snr == snp.tap_report(nodes)["snr"]
    assert not table[table.label == 4].expert.any(), "nobody is the expert of an unknown label"
    for label in range(4):
        assert table[table.expert & (table.label == label)]["head"].tolist() == [expert[label]]
