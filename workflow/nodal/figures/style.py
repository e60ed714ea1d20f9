"""One look for all figures: colour-blind-safe (Okabe and Ito), sized for a paper's column."""

from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Patch

from nodal.files.storage import atomic

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, BLACK = "#CC79A7", "#56B4E9", "#7F7F7F", "#000000"
PARTS = {"MHA": (BLUE, "o", "attention (MHA)"), "FF": (VERMILION, "s", "feed-forward (FF)"),
         "out": (PURPLE, "D", "encoder output"),
         "stage": (GREEN, "^", "stage of a CNN")}  # fmt: skip
METHODS = {
    "andc": (VERMILION, "o", "ANDC"),
    "magnitude": (BLUE, "s", "magnitude"),
    "wanda": (GREEN, "^", "Wanda"),
    "wanda_matrix": (SKY, "P", "Wanda, whole matrix"),
    "random_labels": (PURPLE, "D", "ANDC, random labels"),
    "random": (GREY, "v", "random"),
}
SERIES = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)  # of what has no colour of its own
COLUMN = 3.4  # inches


@contextmanager
def paper():
    with plt.rc_context(
        {
            **sns.axes_style("ticks"),
            **sns.plotting_context("paper"),
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.3,
            "lines.markersize": 4,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.08,
            "svg.hashsalt": "nodal",
            "svg.fonttype": "none",
        }
    ):
        yield
        plt.close("all")


def save(figure, folder, name):
    """PNG (300 dpi) and SVG, without dates, so that equal figures are equal files."""
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        with atomic(Path(folder) / f"{name}.{kind}") as temporary:
            figure.savefig(temporary, format=kind, dpi=300, metadata=metadata)


def say(figure, note):
    """A small line above all panels, at the right, clear of their letters."""
    figure.suptitle(note, x=0.995, ha="right", fontsize=6, color=GREY)


def panel_letters(axes):
    for letter, axis in zip("abcdefgh", axes, strict=False):
        axis.set_title(letter, loc="left", fontweight="bold")


def band(axis, x, low, high, colour):
    """The range over seeds; of one seed there is none."""
    if (low < high).any():
        axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def line_with_seeds(axis, table, x, y, colour, marker, label, dashed=False):
    """Mean over seeds as a line, the seeds' range as a band."""
    finite = table[np.isfinite(table[y])]  # a ratio without noise has no place on the axis
    by_x = finite.groupby(x)[y]
    mean, low, high = by_x.mean(), by_x.min(), by_x.max()
    style = "--" if dashed else "-"
    band(axis, mean.index, low, high, colour)
    axis.plot(mean.index, mean, style, color=colour, marker=None if dashed else marker, label=label)


def legend(figure, axis, extra=(), columns=3):
    """One legend below all panels: an axis's lines, and what its bands are, if it has any."""
    handles, labels = axis.get_legend_handles_labels()
    bands = [(Patch(color=GREY, alpha=0.3, lw=0), "range over seeds")] if axis.collections else []
    for handle, label in (*extra, *bands):
        handles.append(handle)
        labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)))


def integer_ticks(axis, values):
    axis.set_xticks(sorted(set(values)))
