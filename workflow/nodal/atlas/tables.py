"""The run's tables as JSON columns: no more digits than they were written with, null for NaN."""

import math

import numpy as np

from nodal.atlas.arrays import encode
from nodal.verdicts.dilution import free_dilution

LAYERS = (
    "seed", "block", "site", "part", "headline", "pooled", "accuracy", "p_chance", "nodes",
    "silent_share", "no_cluster_share", "clusters", "labels", "cluster_size", "signal", "noise",
    "snr", "signal_share", "clusters_null", "labels_null", "cluster_size_null", "signal_null",
    "noise_null", "snr_null", "accuracy_sequence", "accuracy_mean",
)  # fmt: skip
PRUNING = ("seed", "method", "scope", "target", "threshold", "dilution", "accuracy_dense",
           "accuracy_pruned", "accuracy_tuned")  # fmt: skip
OF_A_HEAD = "head_"
OF_A_BLOCK = ("Q", "z_", "p_", "rho", "cooperation", "node_")
ENDS_OF_A_BLOCK = ("_gain", "_excess")


def value(item):
    """A number, string or truth value of a data frame -> what JSON has for it."""
    if isinstance(item, bool | np.bool_):
        return bool(item)
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, float | np.floating):
        if math.isnan(item):
            return None
        if math.isinf(item):
            return "infinite" if item > 0 else "-infinite"
        return float(f"{item:.6g}")
    return None if item is None else str(item)


def columns(frame, wanted=None):
    """A data frame -> {column: list}, the wanted columns as far as it has them."""
    names = [name for name in wanted or frame if name in frame]
    return {name: [value(item) for item in frame[name]] for name in names}


def layers(frame):
    return columns(frame, LAYERS)


def pruning(frame):
    """The sweep, and the largest free dilution of each seed and method."""
    return {
        "rows": columns(frame, PRUNING),
        "free": columns(free_dilution(frame)),
        "margin": float(frame.margin.iloc[0]),
    }


def head_block(frame):
    """heads/block{b}.csv -> {"block", "labels", "heads", "all"}: what it says at each level.

    labels: {column: (H, C) array}; heads: {column: list of H}; all: {column: number}.
    """
    first = frame.drop_duplicates("head")
    n_heads = len(first)
    result = {"block": int(frame.block.iloc[0]), "labels": {}, "heads": {}, "all": {}}
    for name in frame:
        if name in ("block", "head", "label", "label_name", "seed"):
            continue
        if name.startswith(OF_A_HEAD):
            result["heads"][name] = [value(item) for item in first[name]]
        elif name.startswith(OF_A_BLOCK) or name.endswith(ENDS_OF_A_BLOCK):
            result["all"][name] = value(first[name].iloc[0])
        else:
            grid = frame.pivot(index="head", columns="label", values=name).to_numpy(float)
            result["labels"][name] = encode(grid.reshape(n_heads, -1), "f4")
    return result


def confusions(logits, labels, n_labels):
    """logits (N, C), labels (N,) -> int (C, C): inputs of each true label by the label chosen."""
    counts = np.zeros((n_labels, n_labels), np.int64)
    np.add.at(counts, (labels, logits.argmax(1)), 1)
    return counts
