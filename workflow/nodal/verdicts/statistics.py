"""The statistics that the claims are about: table -> a number per seed.

A statistic that is undefined for a seed is NaN there, never the mean of what happens to be defined:
seeds and blocks that drop out do not drop out by chance.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from nodal.verdicts.tables import LEVEL, block_level

SUBBLOCKS = ("MHA", "FF", "stage")


def by_seed(values, seeds):
    """Mean of each seed's values, NaN where one of them is."""
    groups = values.groupby(seeds)
    return groups.mean().where(groups.count() == groups.size())


def outputs(layers, parts=SUBBLOCKS):
    """The rows of the taps that stand for these parts."""
    return layers[layers.headline & layers.part.isin(parts)]


def mean_output(value):
    """Mean over the output taps of the sub-blocks; value: rows -> a number per row."""

    def statistic(layers):
        rows = outputs(layers)
        return by_seed(value(rows), rows.seed)

    return statistic


def excess(column):
    """What the true labels give more than permuted ones, mean over the output taps."""
    return mean_output(lambda rows: rows[column] - rows[f"{column}_null"])


def recognised_excess(layers):
    """Share of nodes with a cluster, less that with permuted labels."""
    return mean_output(lambda rows: rows.no_cluster_share_null - rows.no_cluster_share)(layers)


def rise(part, column):
    """Last block less first, at the tap that stands for the part."""

    def statistic(layers):
        table = outputs(layers, [part]).pivot(index="seed", columns="block", values=column)
        return table.iloc[:, -1] - table.iloc[:, 0]

    return statistic


def rise_over_null(part, column):
    real, null = rise(part, column), rise(part, f"{column}_null")
    return lambda layers: real(layers) - null(layers)


def mean_block(value):
    """Mean over blocks; value: rows, one per seed and block -> a number per row."""

    def statistic(heads):
        blocks = block_level(heads)
        return by_seed(value(blocks), blocks.seed)

    return statistic


def most_blocks(heads):
    """How far Q exceeds its critical value in more than half of the blocks, in sd of its null.

    The critical value is the normal's at 5%, corrected for the number of blocks; the null of Q is
    skewed, so its own p is larger. Of B blocks it is the (B // 2 + 1)-th largest: above 0 if and
    only if more than half of them are above.
    """
    blocks = block_level(heads)
    table = blocks.pivot(index="seed", columns="block", values="z_Q")
    n_blocks = table.shape[1]
    ordered = np.sort(table, axis=1)[:, ::-1][:, n_blocks // 2]
    critical = ndtri(1 - LEVEL / n_blocks)
    return pd.Series(ordered - critical, table.index).mask(table.isna().any(axis=1))
