"""The course of accuracy, signal over noise and clusters along the blocks."""

from itertools import cycle

from matplotlib.lines import Line2D

from nodal.figures.style import (
    COLUMN,
    GREY,
    PARTS,
    SERIES,
    integer_ticks,
    legend,
    line_with_seeds,
    panel_letters,
    plt,
)

LABELS = {
    "accuracy": "readout accuracy",
    "snr": "signal / noise",
    "cluster_size": "cluster size (labels)",
    "clusters": "clusters per node",
    "noise": "noise (entries per node)",
}


def _along_blocks(axis, table, column):
    for part, (colour, marker, label) in PARTS.items():
        rows = table[table.headline & (table.part == part)]
        if rows.empty:
            continue
        line_with_seeds(axis, rows, "block", column, colour, marker, label)
        if f"{column}_null" in rows:
            line_with_seeds(
                axis, rows, "block", f"{column}_null", colour, marker, None, dashed=True
            )
    axis.set_xlabel("block")
    axis.set_ylabel(LABELS[column])
    integer_ticks(axis, table.block)


def _panels(table, columns):
    figure, axes = plt.subplots(
        1, len(columns), figsize=(0.82 * COLUMN * len(columns), 0.78 * COLUMN)
    )
    for axis, column in zip(axes, columns, strict=True):
        _along_blocks(axis, table, column)
        if column != "accuracy":
            axis.set_ylim(bottom=0)
    panel_letters(axes)
    null = (Line2D([], [], linestyle="--", color=GREY), "labels permuted")
    legend(figure, axes[0], extra=[null], columns=4)
    return figure


def layers(table):
    """Accuracy and SNR along the blocks, MHA and FF apart; bands are the range over seeds."""
    return _panels(table, ("accuracy", "snr"))


def clusters(table):
    """Cluster size, clusters per node and noise along the blocks."""
    return _panels(table, ("cluster_size", "clusters", "noise"))


def comparison(table):
    """Experiments side by side: accuracy, SNR, cluster size and noise; block over last block."""
    columns = ("accuracy", "snr", "cluster_size", "noise")
    figure, axes = plt.subplots(1, 4, figsize=(2.6 * COLUMN, 0.8 * COLUMN))
    colours = cycle(SERIES)
    for (experiment, part), rows in table.groupby(["experiment", "part"], sort=False):
        colour = next(colours)
        label = f"{experiment}, {PARTS[part][2]}"
        rows = rows.assign(depth=rows.block / max(1, rows.block.max()))
        for axis, column in zip(axes, columns, strict=True):
            line_with_seeds(axis, rows, "depth", column, colour, PARTS[part][1], label)
    for axis, column in zip(axes, columns, strict=True):
        axis.set_xlabel("block / last block")
        axis.set_ylabel(LABELS[column])
        if column != "accuracy":
            axis.set_ylim(bottom=0)
    panel_letters(axes)
    legend(figure, axes[0], columns=4)
    return figure
