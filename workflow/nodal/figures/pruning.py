"""Accuracy against dilution, for ANDC and every control."""

from nodal.figures.style import (
    BLACK,
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    METHODS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    band,
    legend,
    panel_letters,
    plt,
    sns,
)
from nodal.verdicts.dilution import free_dilution

KINDS = {  # the matrices of all blocks that lead to one site
    "q": (BLUE, "o"), "k": (SKY, "s"), "v": (GREEN, "^"), "proj": (PURPLE, "D"),
    "hidden": (ORANGE, "v"), "ff": (GREY, "P"),
}  # fmt: skip


def _curve(axis, rows, column, colour, marker, label):
    """Mean over seeds at each target, or theta; the band is the range over seeds."""
    rows = rows[rows[column].notna()]
    by_target = rows.groupby(rows.target.fillna(rows.threshold + 1))
    x, y = by_target.dilution.mean(), by_target[column]
    order = x.sort_values().index
    x, mean = x[order], y.mean()[order]
    band(axis, x, y.min()[order], y.max()[order], colour)
    axis.plot(x, mean, color=colour, marker=marker, label=label)


def _dense(axis, rows):
    accuracy = rows.accuracy_dense.mean()
    axis.axhline(accuracy, color=BLACK, linestyle=":", linewidth=1, label="dense network")


def pruning(table):
    """All blocks' matrices pruned at once, before and after fine-tuning; what was free of loss."""
    whole = table[table.scope == "all"]
    columns = [("accuracy_pruned", "right after pruning")]
    free = free_dilution(table)
    if len(free):
        columns.append(("accuracy_tuned", "after fine-tuning"))
    n = len(columns) + bool(len(free))
    figure, axes = plt.subplots(
        1, n, figsize=(COLUMN * min(n, 2.5), 0.85 * COLUMN), squeeze=False, sharex=True
    )
    for axis, (column, title) in zip(axes[0], columns, strict=False):
        axis.sharey(axes[0][0])
        _dense(axis, whole)
        for method, (colour, marker, label) in METHODS.items():
            rows = whole[whole.method == method]
            if len(rows):
                _curve(axis, rows, column, colour, marker, label)
        axis.set_xlabel("dilution (share of weights removed)")
        axis.set_title(title)
    axes[0][0].set_ylabel("test accuracy")
    if len(free):
        _free(axes[0][-1], free, table.margin.iloc[0])
    panel_letters(axes[0])
    legend(figure, axes[0][0], columns=4)
    return figure


def _free(axis, free, margin):
    """Each seed as a faint point, hollow where accuracy never fell; their mean as a bar."""
    methods = [method for method in METHODS if method in set(free.method)]
    for place, method in enumerate(methods):
        colour, marker, _ = METHODS[method]
        rows = free[free.method == method]
        for fell, group in rows.groupby(~rows.censored.astype(bool)):
            fill = colour if fell else "none"
            axis.scatter(group.free, [place] * len(group), 14, marker=marker, facecolors=fill,
                         edgecolors=colour, alpha=0.5, linewidths=0.8)  # fmt: skip
        axis.plot(rows.free.mean(), place, marker="|", markersize=14, color=colour, mew=2)
    axis.set_yticks(range(len(methods)), [METHODS[method][2] for method in methods])
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.set_xlim(-0.03, 1.03)
    axis.set_xlabel("free dilution (hollow: at least)")
    axis.set_title(f"within {margin:g} points of dense")


def scopes(table):
    """ANDC on one block at a time and on one kind of matrix at a time; no fine-tuning."""
    rows = table[table.method == "andc"]
    blocks = [s for s in rows.scope.unique() if s.startswith("block")]
    kinds = [s for s in KINDS if s in set(rows.scope)]
    colours = sns.color_palette("viridis", len(blocks))
    styles = {block: (colour, "o") for block, colour in zip(blocks, colours, strict=True)}
    styles |= {kind: KINDS[kind] for kind in kinds}
    styles |= {"all": (VERMILION, "s"), "classifier": (BLACK, "s")}
    panels = [("by block", [*blocks, "all", "classifier"])]
    panels += [("by kind of matrix", [*kinds, "all"])] * bool(kinds)
    size = (1.3 * COLUMN * len(panels), 0.85 * COLUMN)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for axis, (title, names) in zip(axes[0], panels, strict=True):
        _dense(axis, rows)
        for scope in (name for name in names if name in set(rows.scope)):
            label = scope.replace("block", "block ")
            _curve(axis, rows[rows.scope == scope], "accuracy_pruned", *styles[scope], label)
        axis.set_xlabel("dilution (share of the scope's weights removed)")
        axis.set_ylabel("test accuracy right after ANDC")
        axis.set_title(title)
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    panel_letters(axes[0])
    return figure
