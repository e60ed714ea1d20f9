"""Which head knows which label. H heads, D nodes, C labels; node n is of head n // (D / H)."""

from dataclasses import dataclass

import numpy as np

from nodal import snp
from nodal.errors import NodalError
from nodal.snp import _as_kind_of, _to_numpy


@dataclass(frozen=True)
class SymmetryBreaking:
    """Q: mean over labels of the largest share. null: Q of reassigned nodes. z, p: against it."""

    Q: float
    null: np.ndarray
    z: float
    p: float

    def __iter__(self):
        return iter((self.Q, self.null, self.z, self.p))


def label_counts(diagonal, n_heads):
    """bool (D, C) -> int (H, C): nodes of each head that have the label on their diagonal."""
    array = _to_numpy(diagonal)
    if not n_heads or array.shape[0] % n_heads:
        raise NodalError(f"model.heads: {n_heads} heads do not divide {array.shape[0]} nodes")
    counts = array.reshape(n_heads, -1, array.shape[1]).sum(1)
    return _as_kind_of(counts, diagonal)


def label_shares(counts):
    """int (H, C) -> (H, C): each head's part of a label's nodes; NaN where there is none."""
    total = counts.sum(0)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


def order_parameter(counts):
    """Q: mean over labels of max_h share; 1/H when symmetric, 1 when fully broken.

    Labels that no node recognises are left out; NaN if there is no other.
    """
    total = counts.sum(-2)
    largest = counts.max(-2)
    known = total > 0
    shares = np.where(known, largest / np.maximum(total, 1), 0.0)
    n_known = known.sum(-1)
    return np.where(n_known > 0, shares.sum(-1) / np.maximum(n_known, 1), np.nan)


def symmetry_breaking(diagonal, n_heads, n_permutations, seed):
    """bool (D, C) -> Q against its null: nodes reassigned to heads at random, head sizes kept.

    z = (Q - mean of null) / sd of null; p is one-sided, (1 + #{null >= Q}) / (1 + permutations).
    """
    array = _to_numpy(diagonal)
    Q = float(order_parameter(label_counts(array, n_heads)))
    random = np.random.default_rng(seed)
    null = np.empty(n_permutations)
    for i in range(n_permutations):
        null[i] = order_parameter(label_counts(array[random.permutation(len(array))], n_heads))
    spread = null.std(ddof=1)
    z = (Q - null.mean()) / spread if spread > 0 else 0.0
    p = (1 + np.count_nonzero(null >= Q - 1e-12)) / (1 + n_permutations)
    return SymmetryBreaking(Q, null, float(z), float(p))


def experts(counts):
    """int (H, C) -> (C,): the head with most nodes for the label; the first of equals."""
    return counts.argmax(0)


def expert_gain(values, expert):
    """Mean of values[h, c] where h is the expert of c, less the mean over the rest.

    values: (H, C), NaN where undefined; expert: (C,).
    """
    is_expert = np.arange(len(values))[:, None] == expert
    return np.nanmean(values[is_expert]) - np.nanmean(values[~is_expert])


def _ranks(values):
    from scipy.stats import rankdata

    return rankdata(values)


def permutation_test(statistic, values, n_permutations, seed):
    """One-sided p of statistic(values (H, C)) when the heads of each label are shuffled."""
    observed = statistic(values)
    random = np.random.default_rng(seed)
    exceed = 0
    for _ in range(n_permutations):
        exceed += statistic(random.permuted(values, axis=0)) >= observed - 1e-12
    return float(observed), float((1 + exceed) / (1 + n_permutations))


def spearman(share, drop):
    """Spearman correlation of two (H, C) arrays over the pairs where both are defined."""
    defined = np.isfinite(share) & np.isfinite(drop)
    a, b = _ranks(share[defined]), _ranks(drop[defined])
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def head_matrices(snp, n_heads):
    """(D, C, C) -> (H, C, C): a head's own SNP matrix, the sum of its nodes'."""
    return snp.reshape(n_heads, -1, *snp.shape[1:]).sum(1)


def head_reports(matrices, n_heads, threshold):
    """SNP (D, C, C) -> arrays (H,) of each head's own clusters, and both SNRs of the means."""
    summed = head_matrices(matrices, n_heads)
    heads = {}
    for name, array in (("head", summed), ("node", matrices)):
        boolean = snp.binarize(array, threshold)
        columns = snp.statistics_columns(boolean, snp.clusters(boolean))
        heads[f"{name}_snr"] = snp.tap_report(columns)["snr"]
        if name == "head":
            for key in ("n_clusters", "cluster_size", "signal", "noise"):
                heads[f"head_{key}"] = columns[key]
    return heads


def report(matrices, diagonal, restricted, drop, threshold, n_permutations, seed):
    """Everything measured of a block's heads: a data frame, one row per head and label.

    matrices: SNP (D, C, C) of the site `heads`; diagonal: bool (D, C); restricted, drop: (H, C),
    accuracy of the readout restricted to a head, and loss of accuracy when it is silenced. Columns
    of the block (Q, its null, gains, rho, p-values) and of the head are repeated.
    """
    import pandas as pd

    n_heads, n_labels = restricted.shape
    counts = label_counts(diagonal, n_heads)
    share, expert = label_shares(counts), experts(counts)
    known = counts.sum(0) > 0
    broken = symmetry_breaking(diagonal, n_heads, n_permutations, seed)
    low, high = np.nanquantile(broken.null, (0.025, 0.975))
    block = {"Q": broken.Q, "Q_null": np.nanmean(broken.null), "Q_null_low": low}
    block |= {"Q_null_high": high, "z_Q": broken.z, "p_Q": broken.p}
    for name, values in (("restricted", restricted), ("drop", drop)):
        block[f"{name}_gain"], block[f"p_{name}"] = permutation_test(
            lambda v: expert_gain(v[:, known], expert[known]), values, n_permutations, seed + 1
        )
    block["rho"], block["p_rho"] = permutation_test(
        lambda v: spearman(share, v), drop, n_permutations, seed + 2
    )
    reports = head_reports(matrices, n_heads, threshold)
    head, label = (axis.ravel() for axis in np.indices((n_heads, n_labels)))
    columns = {"head": head, "label": label, "count": counts.ravel(), "share": share.ravel()}
    columns |= {"expert": (expert[label] == head) & known[label]}
    columns |= {"restricted": restricted.ravel(), "drop": drop.ravel()}
    for key, value in reports.items():
        columns[key] = np.asarray(value)[head] if np.ndim(value) else value
    return pd.DataFrame({**columns, **block})
