"""What the stages measured, brought together: one row per tap, per head and label, per pruning."""

import numpy as np
import pandas as pd
from scipy.special import bdtrc

from nodal.snp import tap_report

REPORTED = (
    "clusters", "labels", "cluster_size", "signal", "noise", "snr", "signal_share",
    "silent_share", "no_cluster_share",
)  # fmt: skip
FORMS = ("sequence", "mean")
LEVEL = 0.05


def layer_rows(nodes, nulls, attributes, parts):
    """One seed's and block's taps -> one row each.

    nodes: data frame, a row per node with a column tap. nulls: a row per site and permutation.
    attributes: {site: what its readout file says}. parts: {site: sub-block}. Columns of the null
    end in `_null`: the mean over permutations, and for snr the ratio of the means.
    accuracy_sequence, accuracy_mean: held-out accuracy of both forms of pooling, NaN if not tried.
    """
    rows = []
    for tap, group in nodes.groupby("tap", sort=False):
        site = tap.partition(".")[2]
        null, readout = nulls[nulls.site == site], attributes[site]
        row = {"n_labels": readout["n_labels"], "site": site, "part": parts[site]}
        row["accuracy"] = readout["accuracy_test"]
        row |= {k: readout[k] for k in ("accuracy_train", "penalty", "distance", "gradient_norm")}
        row["pooled"] = readout.get("pooled", "grid")
        for form in FORMS:
            row[f"accuracy_{form}"] = readout.get(f"held_out_accuracy_{form}", np.nan)
        row["majority_share"] = readout["majority_share"]
        row["p_chance"] = chance(
            readout["accuracy_test"], readout["n_test"], readout["majority_share"]
        )
        row |= tap_report(group)
        row |= {f"{name}_null": null[name].mean() for name in REPORTED}
        noise = null.noise.mean()
        row["snr_null"] = null.signal.mean() / noise if noise else np.nan
        rows.append(row)
    return rows


def chance(accuracy, n_images, majority_share):
    """One-sided binomial p-value of an accuracy against always naming the most frequent label."""
    hits = round(accuracy * n_images)
    return float(bdtrc(hits - 1, n_images, majority_share)) if hits else 1.0


def at_chance(layers):
    """Taps whose readout separates no labels: their SNP matrices mean nothing."""
    rows = layers[layers.p_chance > LEVEL]
    return [f"block{row.block}.{row.site} (seed {row.seed})" for row in rows.itertuples()]


def corrected(p, n_tests):
    """Bonferroni: p-values times the number of tests, at most 1."""
    return np.minimum(1.0, p * n_tests)


def head_table(frames):
    """The blocks of all seeds -> one table, p-values corrected for the number of blocks.

    frames: data frames with columns seed and block and those of heads/block{b}.csv.
    """
    table = pd.concat(frames, ignore_index=True)
    n_blocks = table.groupby("seed").block.nunique()
    for column in [c for c in table if c.startswith("p_")]:
        table[f"{column}_corrected"] = corrected(table[column], table.seed.map(n_blocks))
    return table


def block_level(heads):
    """The head table -> one row per seed and block (its block-level columns)."""
    return heads.drop_duplicates(["seed", "block"])
