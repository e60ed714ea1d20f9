"""How much a tap's statistics owe to theta, to the order of labels, and to how it was read."""

import numpy as np

from nodal import snp

THETAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
KEPT = ("no_cluster_share", "clusters", "labels", "cluster_size", "signal", "noise", "snr",
        "signal_share")  # fmt: skip


def _report(boolean):
    report = snp.tap_report(snp.statistics_columns(boolean, snp.clusters(boolean)))
    return {key: report[key] for key in KEPT}


def by_theta(matrices, thetas=THETAS):
    """SNP (D, C, C) -> the tap's report at each theta, one dict each."""
    return [{"theta": theta, **_report(snp.binarize(matrices, theta))} for theta in thetas]


def by_order(matrices, threshold, n_orders, seed):
    """The tap's report with labels visited in random orders; the first is the ascending one.

    The cluster rule places labels greedily, so another order may cut other clusters of the same
    Boolean matrix; the number of diagonal labels does not depend on it.
    """
    random = np.random.default_rng(seed)
    boolean = snp.binarize(matrices, threshold)
    n_labels = boolean.shape[1]
    orders = [np.arange(n_labels), *(random.permutation(n_labels) for _ in range(n_orders))]
    return [
        {"order": i, "theta": threshold, **_report(boolean[:, order][:, :, order])}
        for i, order in enumerate(orders)
    ]


def spread(table):
    """Rows of `by_order` of several taps -> per tap, the order's standard deviation over its mean.

    table: data frame with seed, block, site and order. Columns: those of the report, as ratios.
    """
    random = table[table.order > 0].groupby(["site", "block", "seed"])[list(KEPT)]
    return (random.std() / random.mean()).groupby(["site", "block"]).mean().reset_index()


def rise(table, column="signal_share"):
    """Last block less first, per reading, part, seed, theta and order: what claims 2 and 3 judge.

    table: data frame with experiment, part, seed, theta, order (-1 where theta was varied) and
    block. Returns those columns but the block, with `rise`.
    """
    keys = ["experiment", "part", "seed", "theta", "order"]
    by_block = table.sort_values("block").groupby(keys, sort=False)[column]
    return (by_block.last() - by_block.first()).rename("rise").reset_index()
