"""Heads divide the labels, and what is lost when one is silenced."""

import numpy as np

from nodal.figures.style import BLACK, COLUMN, GREY, SKY, VERMILION, plt, sns
from nodal.verdicts.tables import block_level

MANY = 20


def _shares(axis, rows, vmax):
    share, expert = (
        rows.pivot(index="head", columns="label", values=column).to_numpy()
        for column in ("share_test", "expert")
    )
    # Labels without an expert last; those of one by what it holds.
    of = np.where(expert.any(0), expert.argmax(0), len(expert))
    own = np.nan_to_num(share, nan=-1)[np.minimum(of, len(expert) - 1), np.arange(len(of))]
    order = np.lexsort((-own, of))
    names = rows.drop_duplicates("label").set_index("label").label_name
    sns.heatmap(
        share[:, order], ax=axis, cmap="viridis", vmin=0, vmax=vmax, rasterized=True, cbar=False
    )
    if len(order) <= MANY:
        rotation = 90 if names.astype(str).str.len().max() > 2 else 0
        axis.set_xticks(np.arange(len(order)) + 0.5, [names[i] for i in order], rotation=rotation)
    else:
        axis.set_xticks([])
    axis.set_xlabel("label, by expert")
    axis.tick_params(axis="y", rotation=0)
    axis.set_title(f"block {rows.block.iloc[0]}\nQ = {rows.Q.iloc[0]:.2f}, "
                   f"null {rows.Q_null.iloc[0]:.2f}")  # fmt: skip


def _against_null(axis, table):
    """Q of every seed beside the interval that random reassignment of nodes gives."""
    blocks = block_level(table)
    for block, rows in blocks.groupby("block"):
        low, high = rows.Q_null_low.mean(), rows.Q_null_high.mean()
        axis.fill_between([block - 0.3, block + 0.3], low, high, color=GREY, alpha=0.35, lw=0)
        axis.plot(np.full(len(rows), block), rows.Q, "o", color=VERMILION)
    axis.set_xticks(sorted(blocks.block.unique()))
    axis.axhline(1 / (table["head"].max() + 1), color=BLACK, linestyle=":", linewidth=1)
    axis.set_xlabel("block")
    axis.set_ylabel("order parameter Q")
    axis.set_title("Q of each seed (points), 95% of the null (grey), symmetry (dotted)")


def heads(table):
    """Head x label shares per block (first seed), and Q against its null for all seeds."""
    first = table[table.seed == table.seed.min()]
    blocks = sorted(first.block.unique())
    n_columns = next((n for n in (3, 4, 5, 2) if len(blocks) % n == 0), min(4, len(blocks)))
    n_rows = -(-len(blocks) // n_columns)
    figure = plt.figure(figsize=(2.1 * COLUMN, 0.5 * COLUMN * n_rows + 0.75 * COLUMN))
    grid = figure.add_gridspec(n_rows + 1, n_columns, height_ratios=[*[1] * n_rows, 1.3])
    vmax = max(0.5, first.share_test.max())
    axes = []
    for i, block in enumerate(blocks):
        axes.append(figure.add_subplot(grid[i // n_columns, i % n_columns]))
        _shares(axes[-1], first[first.block == block], vmax)
        if i % n_columns == 0:
            axes[-1].set_ylabel("head")
    figure.colorbar(
        axes[0].collections[0],
        ax=axes,
        label=f"share of nodes, test split (seed {table.seed.min()})",
        aspect=30,
    )
    _against_null(figure.add_subplot(grid[n_rows, :]), table)
    return figure


def silencing(table):
    """Loss of AUC when a head is silenced: labels it is the expert for, and the rest."""
    kinds = table.assign(kind=np.where(table.expert, "expert labels", "other labels"))
    means = kinds.groupby(["seed", "block", "kind"], as_index=False).drop_auc.mean()
    figure, axis = plt.subplots(figsize=(1.4 * COLUMN, 0.85 * COLUMN))
    shared = {"data": means, "x": "block", "y": "drop_auc", "hue": "kind", "ax": axis}
    shared["hue_order"] = ["expert labels", "other labels"]
    shared["palette"] = [VERMILION, SKY]
    sns.barplot(**shared, errorbar=None, alpha=0.55, width=0.7)
    sns.stripplot(**shared, dodge=True, legend=False, size=3.5, jitter=False, linewidth=0.4)
    axis.axhline(0, color=BLACK, linewidth=0.8)
    axis.set_xlabel("block of the silenced head")
    axis.set_ylabel("loss of AUC")
    axis.set_title("mean (bars) and each seed (points)")
    axis.legend(title=None)
    return figure
