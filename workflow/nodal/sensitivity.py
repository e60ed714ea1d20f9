"""How much a tap's statistics owe to theta, and to the order in which labels are visited."""

import numpy as np

from nodal import snp

THETAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
KEPT = ("no_cluster_share", "clusters", "labels", "cluster_size", "signal", "noise", "snr")


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
