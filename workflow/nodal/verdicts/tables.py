"""What the stages measured, brought together: one row per tap, per head and label, per pruning."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import bdtrc

from nodal.errors import NodalError
from nodal.files import storage
from nodal.snp import tap_report

REPORTED = (
    "clusters", "labels", "cluster_size", "signal", "noise", "snr", "signal_share",
    "silent_share", "no_cluster_share",
)  # fmt: skip
FORMS = ("sequence", "mean")
LEVEL = 0.05
# What claims and figures are made of; a table that lacks it is of an earlier version, or not one.
NEEDED = {
    "layers": (
        "seed", "block", "n_labels", "site", "part", "headline", "accuracy", "nodes", "clusters",
        "cluster_size", "noise", "snr", "signal_share", "no_cluster_share", "clusters_null",
        "cluster_size_null", "signal_share_null", "no_cluster_share_null", "pooled", "trained_on",
        "tested_on", "dataset", "network", "pool", "grid", "threshold", "split",
    ),
    "pruning": (
        "seed", "method", "scope", "target", "threshold", "dilution", "coincides",
        "accuracy_dense", "accuracy_pruned", "accuracy_tuned", "margin",
    ),
    "heads": (
        "seed", "block", "head", "label", "label_name", "expert", "share_test", "drop_auc", "Q",
        "Q_null", "Q_null_low", "Q_null_high", "z_Q", "restricted_excess", "drop_excess",
        "rho_excess", "cooperation_excess",
    ),
    "sensitivity": (
        "seed", "experiment", "block", "site", "part", "order", "theta", "signal_share",
    ),
}  # fmt: skip


def read(folder, name):
    """{folder}/tables/{name}.csv, a table that a run wrote.

    Raises NodalError naming the file if it is missing or malformed, or lacks a column of NEEDED.
    """
    path = Path(folder, "tables", f"{name}.csv")
    table = storage.read_csv(path)
    for column in NEEDED[name]:
        if column not in table:
            raise NodalError(f"{path}: no column {column!r}; expected a table of this version")
    return table


def instrument(layers):
    """What the taps of a layer table were read with, and of what data, as a verdict must say.

    'sequence pooling (mean at 8 of 45 output taps), theta 0.3, test split; trained on train (800),
    tested on test (450)': of each tap the form is taken that does better on inputs held out (see
    nodal.readout.choose_form); the split is the class means'.
    """
    first, outputs = layers.iloc[0], layers[layers.headline.astype(bool)]
    if first.pool == "sequence":
        n_mean = (outputs.pooled == "mean").sum()
        form = f"sequence pooling (mean at {n_mean} of {len(outputs)} output taps)"
    else:
        form = f"grid {first.grid:g} x {first.grid:g}" if first.grid > 1 else "mean over positions"
    return f"{form}, theta {first.threshold:g}, {first.split} split; {sources(layers)}"


def source(trained_on, tested_on):
    """What a network was trained and tested on, in words."""
    return f"trained on {trained_on}, tested on {tested_on}"


def sources(layers):
    """What the networks of a table of layers were trained and tested on, each said once."""
    pairs = layers[["trained_on", "tested_on"]].drop_duplicates()
    return "; ".join(source(*pair) for pair in pairs.itertuples(index=False))


def layer_rows(nodes, nulls, attributes, parts):
    """One seed's and block's taps -> one row each.

    nodes: data frame, a row per node with a column tap. nulls: a row per site and permutation.
    attributes: {site: what its readout file says}. parts: {site: sub-block}. Columns of the null
    end in `_null`: the mean over permutations, NaN where one of them has none, and for snr the
    ratio of the means.
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
        row |= {f"{name}_null": null[name].mean(skipna=False) for name in REPORTED}
        noise = row["noise_null"]
        row["snr_null"] = row["signal_null"] / noise if noise else np.nan
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
