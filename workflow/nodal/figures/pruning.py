"""Accuracy against dilution, for ANDC and every control."""

from nodal.figures.style import BLACK, COLUMN, METHODS, VERMILION, legend, panel_letters, plt, sns


def _curve(axis, rows, column, colour, marker, label):
    """Mean over seeds at each theta; the band is the range over seeds."""
    by_theta = rows.groupby("threshold")
    x, y = by_theta.dilution.mean(), by_theta[column]
    order = x.sort_values().index
    x, mean = x[order], y.mean()[order]
    axis.fill_between(x, y.min()[order], y.max()[order], color=colour, alpha=0.15, linewidth=0)
    axis.plot(x, mean, color=colour, marker=marker, label=label)


def pruning(table):
    """All blocks' matrices pruned at once: before and after fine-tuning."""
    whole = table[table.scope == "all"]
    columns = [("accuracy_pruned", "right after pruning")]
    if whole.accuracy_tuned.notna().any():
        columns.append(("accuracy_tuned", "after fine-tuning"))
    figure, axes = plt.subplots(
        1, len(columns), figsize=(COLUMN * len(columns), 0.85 * COLUMN), sharey=True, squeeze=False
    )
    for axis, (column, title) in zip(axes[0], columns, strict=True):
        dense = whole.accuracy_dense.mean()
        axis.axhline(dense, color=BLACK, linestyle=":", linewidth=1, label="dense network")
        for method, (colour, marker, label) in METHODS.items():
            rows = whole[whole.method == method]
            if len(rows):
                _curve(axis, rows, column, colour, marker, label)
        axis.set_xlabel("dilution (share of weights removed)")
        axis.set_title(title)
    axes[0][0].set_ylabel("test accuracy")
    panel_letters(axes[0])
    legend(figure, axes[0][0], columns=4)
    return figure


def scopes(table):
    """ANDC on one block at a time, on all together and on the classifier; no fine-tuning."""
    rows = table[table.method == "andc"]
    names = [s for s in rows.scope.unique() if s.startswith("block")]
    styles = dict(zip(names, sns.color_palette("viridis", len(names)), strict=True))
    figure, axis = plt.subplots(figsize=(1.5 * COLUMN, 0.85 * COLUMN))
    axis.axhline(
        rows.accuracy_dense.mean(), color=BLACK, linestyle=":", linewidth=1, label="dense network"
    )
    for scope, group in rows.groupby("scope", sort=False):
        colour = styles.get(scope, VERMILION if scope == "all" else BLACK)
        marker = "o" if scope.startswith("block") else "s"
        _curve(axis, group, "accuracy_pruned", colour, marker, scope.replace("block", "block "))
    axis.set_xlabel("dilution (share of the scope's weights removed)")
    axis.set_ylabel("test accuracy right after ANDC")
    figure.legend(loc="outside right center")
    return figure
