"""What a verdict owes to theta, to the order of labels and to the form of the readout."""

import numpy as np

from nodal.figures.style import (
    COLUMN,
    GREY,
    PARTS,
    SERIES,
    legend,
    line_with_seeds,
    panel_letters,
    plt,
)
from nodal.verdicts.sensitivity import rise

MARKERS = "os^DvPX"


def sensitivity(table, threshold):
    """The rise of signal's share, a column per part: above against theta, below by label order.

    Lines and bands are the mean and the range over seeds; below, a point is the mean over seeds for
    one order of the labels, the ascending one ringed.
    """
    rises = rise(table)
    parts = [part for part in PARTS if part in set(rises.part)]
    names = list(dict.fromkeys(rises.experiment))
    figure, axes = plt.subplots(
        2, len(parts), figsize=(0.82 * COLUMN * max(len(parts), 2), 1.3 * COLUMN),
        sharey="row", squeeze=False,
    )  # fmt: skip
    for column, part in enumerate(parts):
        above, below = axes[:, column]
        for place, name in enumerate(names):
            rows = rises[(rises.part == part) & (rises.experiment == name)]
            colour, marker = SERIES[place % 7], MARKERS[place % 7]
            varied = rows[rows.order < 0]
            line_with_seeds(above, varied, "theta", "rise", colour, marker, name)
            _orders(below, rows[rows.order >= 0], place, colour)
        above.axvline(threshold, color=GREY, linestyle=":", linewidth=1)
        above.set_title(PARTS[part][2])
        above.set_xlabel("θ (dotted: configured)")
        below.set_xticks(range(len(names)), names)
        below.set_xlim(-0.6, len(names) - 0.4)
        below.set_xlabel("a point: one order of the labels")
        for axis in (above, below):
            axis.axhline(0, color=GREY, linewidth=0.8)
    for axis in axes[:, 0]:
        axis.set_ylabel("share of signal,\nlast block less first")
    panel_letters(axes.flat)
    legend(figure, axes[0, 0], columns=4)
    return figure


def _orders(axis, rows, place, colour):
    mean = rows.groupby("order").rise.mean()
    beside = place + np.linspace(-0.25, 0.25, len(mean))
    axis.plot(beside, mean, "o", color=colour, alpha=0.6, markeredgewidth=0)
    axis.plot(beside[0], mean.iloc[0], "o", markerfacecolor="none", markeredgecolor="black", ms=7)
