"""One node: its SNP matrix, its Boolean matrix, and that permuted so that the clusters show."""

import numpy as np
from matplotlib.patches import Rectangle

from nodal.figures.style import COLUMN, VERMILION, plt, sns

MANY = 20


def example_node(scaled, clusters, threshold):
    """The node that shows most: of those with several clusters, the one with least noise.

    scaled: SNP (D, C, C) of any positive scale; clusters: (D, C). Returns a dict for `node`.
    """
    largest = scaled.max((1, 2), keepdims=True)
    boolean = scaled / np.where(largest > 0, largest, 1) > threshold
    size = np.array([np.bincount(c[c >= 0]).max() if (c >= 0).any() else 0 for c in clusters])
    several = (size >= 2) & (clusters.max(1) >= 1)
    score = np.where(several, -boolean.sum((1, 2)), -np.inf if several.any() else size)
    best = int(score.argmax())
    return {
        "node": best,
        "field": scaled[best].astype(float) / max(float(largest[best].item()), 1e-12),
        "boolean": boolean[best],
        "clusters": clusters[best],
        "threshold": threshold,
    }


def _ticks(axis, names, order):
    C = len(order)
    if C <= MANY:
        rotation = 90 if max(map(len, names)) > 2 else 0
        axis.set_xticks(np.arange(C) + 0.5, [names[i] for i in order], rotation=rotation)
        axis.set_yticks(np.arange(C) + 0.5, [names[i] for i in order], rotation=0)
    else:
        places = np.arange(0, C, 20)
        axis.set_xticks(places + 0.5, [order[i] for i in places], rotation=0)
        axis.set_yticks(places + 0.5, [order[i] for i in places])
    axis.set_xlabel("output label")


def node(example):
    """example: dict of `example_node` with label_names and title added -> figure."""
    C = len(example["clusters"])
    figure, axes = plt.subplots(1, 3, figsize=(2.1 * COLUMN, 0.92 * COLUMN))
    identity = np.arange(C)
    index = example["clusters"]
    order = np.lexsort((identity, np.where(index >= 0, index, C)))
    sns.heatmap(
        example["field"], ax=axes[0], cmap="RdBu_r", center=0, vmin=-1, vmax=1, square=True,
        cbar_kws={"shrink": 0.6, "label": "field / maximum"}, rasterized=True,
    )  # fmt: skip
    if C > MANY:  # the whole matrix would hide what the eye is to see
        order = order[index[order] >= 0]
    permuted = example["boolean"][np.ix_(order, order)]
    for axis, matrix in ((axes[1], example["boolean"]), (axes[2], permuted)):
        sns.heatmap(
            matrix, ax=axis, cmap="Greys", vmin=0, vmax=1.3, cbar=False, square=True,
            rasterized=True,
        )  # fmt: skip
    start = 0
    for cluster in range(index.max() + 1):
        size = int((index == cluster).sum())
        axes[2].add_patch(
            Rectangle((start, start), size, size, fill=False, edgecolor=VERMILION, lw=1.4)
        )
        start += size
    last = "labels by cluster" if C <= MANY else "its own labels, by cluster"
    titles = ("SNP matrix", f"above {example['threshold']:g} of its maximum", last)
    for axis, title, places in zip(axes, titles, (identity, identity, order), strict=True):
        axis.set_title(title)
        _ticks(axis, example["label_names"], places)
    axes[0].set_ylabel("true label")
    for axis in axes[1:]:
        for spine in axis.spines.values():
            spine.set_visible(True)
    figure.suptitle(example["title"], fontsize=8)
    return figure
