"""Which head knows which label. H heads, D nodes, C labels; node n is of head n // (D / H).

Undefined is NaN throughout: with one head, or where no node recognises any label, there is nothing
to divide and nothing to compare.
"""

from dataclasses import dataclass

import numpy as np

from nodal import snp
from nodal.errors import NodalError
from nodal.snp import CHUNK_BYTES, _as_kind_of, _to_numpy

TIE = 1e-12  # sums of the same numbers in another order differ in their last digits


@dataclass(frozen=True)
class SymmetryBreaking:
    """Q: mean over labels of the largest share. null: Q of reassigned nodes. z, p: against it."""

    Q: float
    null: np.ndarray
    z: float
    p: float

    def __iter__(self):
        return iter((self.Q, self.null, self.z, self.p))


@dataclass(frozen=True)
class Compared:
    """value: a statistic. excess: the value less the mean of its null. p: one-sided, against it."""

    value: float
    excess: float
    p: float


def compare(value, null):
    """A statistic and draws of its null -> Compared; p = (1 + #{null >= value}) / (1 + draws)."""
    if not (np.isfinite(value) and np.isfinite(null).all()):
        return Compared(float(value), np.nan, np.nan)
    p = (1 + np.count_nonzero(null >= value - TIE)) / (1 + len(null))
    return Compared(float(value), float(value - null.mean()), float(p))


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

    Labels that no node recognises are left out; NaN if there is no other. counts: (..., H, C).
    """
    total = counts.sum(-2)
    largest = counts.max(-2)
    known = total > 0
    shares = np.where(known, largest / np.maximum(total, 1), 0.0)
    n_known = known.sum(-1)
    return np.where(n_known > 0, shares.sum(-1) / np.maximum(n_known, 1), np.nan)


def reassignments(n_nodes, n_permutations, seed, node_bytes):
    """Yield int (n, D): orders of the nodes, some at a time, so many that a chunk holds them."""
    random = np.random.default_rng(seed)
    at_once = max(1, CHUNK_BYTES // max(1, n_nodes * node_bytes))
    for start in range(0, n_permutations, at_once):
        n = min(at_once, n_permutations - start)
        yield random.permuted(np.tile(np.arange(n_nodes), (n, 1)), axis=1)


def symmetry_breaking(diagonal, n_heads, n_permutations, seed):
    """bool (D, C) -> Q against its null: nodes reassigned to heads at random, head sizes kept.

    z = (Q - mean of null) / sd of null, 0 where the null does not vary; p is one-sided,
    (1 + #{null >= Q}) / (1 + permutations). z and p are NaN with one head and without labels.
    """
    array = _to_numpy(diagonal)
    Q = float(order_parameter(label_counts(array, n_heads)))
    null = np.concatenate([
        order_parameter(array[order].reshape(len(order), n_heads, -1, array.shape[1]).sum(2))
        for order in reassignments(len(array), n_permutations, seed, array.shape[1])
    ])  # fmt: skip
    if n_heads == 1 or not np.isfinite(Q):
        return SymmetryBreaking(Q, null, np.nan, np.nan)
    spread = null.std(ddof=1)
    compared = compare(Q, null)
    z = compared.excess / spread if spread > TIE else 0.0
    return SymmetryBreaking(Q, null, float(z), compared.p)


def experts(counts):
    """int (H, C) -> (C,): the head with most nodes for the label; the first of equals."""
    return counts.argmax(0)


def expert_gain(values, expert):
    """Mean of values[..., h, c] where h is the expert of c, less the mean over the rest.

    values: (..., H, C); expert: (C,). NaN where there is no expert or no rest.
    """
    is_expert = np.arange(values.shape[-2])[:, None] == expert
    if is_expert.all() or not is_expert.any():
        return np.full(values.shape[:-2], np.nan)[()]
    return values[..., is_expert].mean(-1) - values[..., ~is_expert].mean(-1)


def spearman(share, drop):
    """Spearman correlation of share (H, C) with each of drop (..., H, C), over heads and labels.

    NaN with fewer than three pairs, and where either side has no two different values.
    """
    from scipy.stats import rankdata

    flat = drop.reshape(*drop.shape[:-2], -1)
    if share.size < 3:
        return np.full(flat.shape[:-1], np.nan)[()]
    a = rankdata(share) - (share.size + 1) / 2
    b = rankdata(flat, axis=-1) - (share.size + 1) / 2
    spread = np.sqrt((a**2).sum() * (b**2).sum(-1))
    return np.where(spread > 0, (b @ a) / np.where(spread > 0, spread, 1), np.nan)[()]


def permutation_test(statistic, values, n_permutations, seed):
    """A statistic of values (H, C) against the labels permuted, by one permutation for all heads.

    Heads and labels differ in level. A head keeps its values and the heads' values of a label stay
    together, so that neither level is mistaken for an effect; what goes is which label is which.
    statistic: (..., H, C) -> (...). Returns Compared.
    """
    random = np.random.default_rng(seed)
    n_labels, null = values.shape[1], []
    at_once = max(1, CHUNK_BYTES // max(1, values.nbytes))
    for start in range(0, n_permutations, at_once):
        n = min(at_once, n_permutations - start)
        order = random.permuted(np.tile(np.arange(n_labels), (n, 1)), axis=1)
        null.append(statistic(values[:, order].swapaxes(0, 1)))
    return compare(statistic(values), np.concatenate(null))


def group_matrices(matrices, groups):
    """SNP (D, C, C), int (G, n) -> (G, C, C): the sum of the SNP matrices of each group's nodes."""
    members = np.zeros((len(groups), len(matrices)), matrices.dtype)
    np.put_along_axis(members, groups, 1, axis=1)
    summed = members @ matrices.reshape(len(matrices), -1)
    return summed.reshape(-1, *matrices.shape[1:])


def head_matrices(matrices, n_heads):
    """SNP (D, C, C) -> (H, C, C): a head's own SNP matrix, the sum of its nodes'."""
    return group_matrices(matrices, np.arange(len(matrices)).reshape(n_heads, -1))


def cluster_columns(matrices, threshold):
    """SNP (G, C, C) -> arrays (G,) of `snp.statistics_columns`."""
    boolean = snp.binarize(matrices, threshold)
    return snp.statistics_columns(boolean, snp.clusters(boolean))


def cooperation(matrices, n_heads, threshold, n_permutations, seed):
    """Share of ones that are signal in the heads' summed matrices, against groups at random.

    Null: the nodes are reassigned to heads at random, head sizes kept. Returns Compared; NaN with
    one head, which has no other group.
    """

    def signal_share(groups):
        columns = cluster_columns(group_matrices(matrices, groups), threshold)
        by_heads = {key: column.reshape(-1, n_heads) for key, column in columns.items()}
        return snp.signal_share(by_heads)

    D, n_labels = matrices.shape[:2]
    own = signal_share(np.arange(D).reshape(n_heads, -1))[0]
    if n_heads == 1:
        return Compared(float(own), np.nan, np.nan)
    group_bytes = -(-n_heads * n_labels * n_labels * 16 // D)
    null = [
        signal_share(order.reshape(len(order) * n_heads, -1))
        for order in reassignments(D, n_permutations, seed, group_bytes)
    ]
    return compare(own, np.concatenate(null))


def head_reports(matrices, n_heads, threshold):
    """SNP (D, C, C) -> arrays (H,) of each head's own clusters, and both SNRs of the means."""
    own = cluster_columns(head_matrices(matrices, n_heads), threshold)
    heads = {f"head_{key}": own[key] for key in ("n_clusters", "cluster_size", "signal", "noise")}
    heads["head_snr"] = snp.tap_report(own)["snr"]
    heads["node_snr"] = snp.tap_report(cluster_columns(matrices, threshold))["snr"]
    return heads


def block_statistics(matrices, diagonals, split, measured, threshold, n_permutations, seed):
    """Everything said of a block's heads as a whole: a dict of numbers, see `report`."""
    n_heads = len(measured["restricted_auc"])
    broken = symmetry_breaking(diagonals[split], n_heads, n_permutations, seed)
    low, high = np.quantile(broken.null, (0.025, 0.975))
    block = {"Q": broken.Q, "Q_null": broken.null.mean(), "Q_null_low": low}
    block |= {"Q_null_high": high, "z_Q": broken.z, "p_Q": broken.p}
    counts = label_counts(diagonals["train"], n_heads)
    known = counts.sum(0) > 0
    expert, share = experts(counts)[known], label_shares(counts)[:, known]
    tests = {
        "restricted": ("restricted_auc", lambda v: expert_gain(v, expert)),
        "drop": ("drop_auc", lambda v: expert_gain(v, expert)),
        "rho": ("drop_auc", lambda v: spearman(share, v)),
    }
    found = {
        name: permutation_test(statistic, measured[source][:, known], n_permutations, seed + i)
        for i, (name, (source, statistic)) in enumerate(tests.items(), start=1)
    }
    found["cooperation"] = cooperation(matrices, n_heads, threshold, n_permutations, seed + 4)
    for name, compared in found.items():
        block |= {name if name in ("rho", "cooperation") else f"{name}_gain": compared.value}
        block |= {f"{name}_excess": compared.excess, f"p_{name}": compared.p}
    return block


def report(matrices, diagonals, split, measured, threshold, n_permutations, seed):
    """Everything measured of a block's heads: a data frame, one row per head and label.

    matrices: SNP (D, C, C) of the site `heads`, of the split described. diagonals: {"train",
    "test"}: bool (D, C). A label's expert and the heads' shares of it are chosen on the training
    split; Q is of the split described. measured: (H, C) of the test split: restricted_auc and
    restricted_accuracy of the readout restricted to a head, drop_auc and drop_accuracy when it is
    silenced. Columns of the block (Q, its null, gains, rho, p-values) and of the head are repeated.
    """
    import pandas as pd

    n_heads, n_labels = measured["restricted_auc"].shape
    block = block_statistics(matrices, diagonals, split, measured, threshold, n_permutations, seed)
    head, label = (axis.ravel() for axis in np.indices((n_heads, n_labels)))
    columns = {"head": head, "label": label}
    for name, diagonal in diagonals.items():
        counts = label_counts(diagonal, n_heads)
        columns |= {f"count_{name}": counts.ravel(), f"share_{name}": label_shares(counts).ravel()}
    counts = label_counts(diagonals["train"], n_heads)
    columns["expert"] = (experts(counts)[label] == head) & (counts.sum(0) > 0)[label]
    columns |= {name: values.ravel() for name, values in measured.items()}
    for key, value in head_reports(matrices, n_heads, threshold).items():
        columns[key] = np.asarray(value)[head] if np.ndim(value) else value
    return pd.DataFrame({**columns, **block})
