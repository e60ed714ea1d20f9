"""Tables over seeds: what is chance, what is corrected, what is undefined."""

import numpy as np
import pandas as pd
import pytest
from nodal import snp
from nodal.verdicts import statistics, tables


def test_chance_is_what_the_most_frequent_label_gives():
    """Always naming a label of 90% is no achievement, whatever the number of labels."""
    from scipy.stats import binomtest

    assert 0.3 < tables.chance(0.9, 1000, 0.9) < 0.7
    expected = binomtest(930, 1000, 0.9, alternative="greater").pvalue
    assert tables.chance(0.93, 1000, 0.9) == pytest.approx(expected)
    assert tables.chance(0.0, 1000, 0.9) == 1


def test_p_values_are_corrected_for_the_blocks_of_a_seed():
    frame = pd.DataFrame({"head": [0, 1], "p_Q": 0.02, "p_rho": [0.5, 0.5]})
    frames = [frame.assign(seed=seed, block=block) for seed in (0, 1) for block in range(3)]
    table = tables.head_table(frames)
    assert table.p_Q_corrected.tolist() == pytest.approx([0.06] * 12)
    assert (table.p_rho_corrected == 1).all()


def readout_attributes(**more):
    given = {"accuracy_test": 0.8, "accuracy_train": 0.9, "penalty": 0.1, "distance": 0.01}
    given |= {"gradient_norm": 0.1, "n_labels": 5, "n_test": 50, "majority_share": 0.2}
    return given | more


def layer_row(random, theta=0.3, **more):
    field = snp.field(*random.normal(size=(2, 5, 3, 12)).astype(np.float32))
    columns, _, nulls = snp.describe(field, theta, 6, 0)
    nulls, nodes = pd.DataFrame(nulls).assign(site="ff"), pd.DataFrame(columns)
    parts, attributes = {"ff": "FF"}, {"ff": readout_attributes(**more)}
    return tables.layer_rows(nodes.assign(tap="block0.ff"), nulls, attributes, parts)[0], nulls


def test_the_null_of_a_statistic_is_the_mean_of_its_permutations(random):
    row, nulls = layer_row(random)
    shares = nulls.signal / (nulls.signal + nulls.noise)
    assert row["signal_share_null"] == pytest.approx(shares.mean())
    assert row["no_cluster_share_null"] == pytest.approx(nulls.no_cluster_share.mean())
    assert row["snr_null"] == pytest.approx(nulls.signal.mean() / nulls.noise.mean())


def test_a_null_that_is_undefined_in_one_permutation_is_undefined():
    """Not the mean of those permutations in which a node happens to have a cluster."""
    row, nulls = layer_row(np.random.default_rng(3), theta=0.97)
    assert 0 < nulls.clusters.isna().sum() < len(nulls)
    assert np.isnan(row["clusters_null"])
    assert np.isnan(row["snr_null"])
    assert row["no_cluster_share_null"] == pytest.approx(nulls.no_cluster_share.mean())


def test_both_forms_of_a_readout_are_in_its_row(random):
    given = {"pooled": "mean", "held_out_accuracy_sequence": 0.7, "held_out_accuracy_mean": 0.8}
    row, _ = layer_row(random, **given)
    assert (row["pooled"], row["accuracy_sequence"], row["accuracy_mean"]) == ("mean", 0.7, 0.8)
    row, _ = layer_row(random, pooled="grid")
    assert np.isnan(row["accuracy_sequence"])


def test_a_row_says_what_its_readout_says(random):
    row, nulls = layer_row(random, accuracy_test=0.3)
    given = readout_attributes(accuracy_test=0.3)
    for key in ("accuracy_train", "penalty", "distance", "gradient_norm", "n_labels"):
        assert row[key] == given[key], key
    assert (row["site"], row["part"], row["pooled"]) == ("ff", "FF", "grid")
    assert (row["accuracy"], row["majority_share"]) == (0.3, 0.2)
    assert row["p_chance"] == tables.chance(0.3, 50, 0.2)
    for name in tables.REPORTED:
        if name != "snr":
            assert row[f"{name}_null"] == pytest.approx(nulls[name].mean()), name
    assert row["signal_share"] == pytest.approx(row["signal"] / (row["signal"] + row["noise"]))
    rows = pd.DataFrame([row]).assign(block=2, seed=4)
    assert tables.at_chance(rows) == ["block2.ff (seed 4)"]
    assert tables.at_chance(rows.assign(p_chance=tables.LEVEL)) == []


def test_the_heads_of_a_block_are_one_row_of_it():
    frame = pd.DataFrame({"seed": [0, 0, 1], "block": [2, 2, 2], "Q": [0.5, 0.5, 0.7]})
    assert tables.block_level(frame).Q.tolist() == [0.5, 0.7]


def layers(**columns):
    return pd.DataFrame({"headline": True, "part": "FF", "site": "ff", **columns})


def test_a_rise_is_the_last_block_less_the_first_whatever_the_order_of_rows():
    table = layers(seed=[0, 0, 0, 1, 1, 1], block=[2, 0, 1, 1, 2, 0], noise=[5.0, 3, 9, 9, 1, 4])
    assert statistics.rise("FF", "noise")(table).to_dict() == {0: 2.0, 1: -3.0}


def test_most_blocks_is_above_zero_where_more_than_half_are_significant():
    from scipy.stats import norm

    for z in ([5, 5, 0, 0], [5, 5, 5, 0], [5, 0, 0], [5, 5, 0], [5, 0], [5, 5], [5], [0]):
        table = pd.DataFrame({"seed": 0, "block": range(len(z)), "z_Q": np.array(z, float)})
        critical = norm.ppf(1 - 0.05 / len(z))
        more = sum(value > critical for value in z) > len(z) / 2
        assert (statistics.most_blocks(table)[0] > 0) == more, z
    assert statistics.most_blocks(table)[0] == pytest.approx(-norm.ppf(0.95))
    table = pd.DataFrame({"seed": 0, "block": range(4), "z_Q": 1.8})
    assert norm.ppf(0.95) < 1.8 < norm.ppf(1 - 0.05 / 4)
    assert statistics.most_blocks(table)[0] < 0


def test_the_instrument_is_said_in_words():
    rows = pd.DataFrame({
        "pool": "sequence", "grid": 2, "threshold": 0.3, "split": "test",
        "headline": [True, True, True, False], "pooled": ["sequence", "mean", "sequence", "mean"],
        "trained_on": "official trainval (2,040)", "tested_on": "test (6,149)",
    })  # fmt: skip
    data = "; trained on official trainval (2,040), tested on test (6,149)"
    said = tables.instrument(rows)
    assert said == f"sequence pooling (mean at 1 of 3 output taps), theta 0.3, test split{data}"
    said = tables.instrument(rows.assign(pool="grid"))
    assert said == f"grid 2 x 2, theta 0.3, test split{data}"
    on_one = rows.assign(pool="grid", grid=1, threshold=0.25, split="train")
    assert tables.instrument(on_one) == f"mean over positions, theta 0.25, train split{data}"
