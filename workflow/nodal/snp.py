"""The measurement: class means -> SNP matrices -> Boolean matrices -> clusters -> statistics.

N images, C labels, R positions, D nodes. The field of node n at output label j is
h_j(x) = sum_r W[j,r,n] a[r,n](x); its mean over the images of true label i is S_n[i,j]. The field
is linear in a, so S_n[i,j] = sum_r W[j,r,n] M[i,r,n] with M the class means: no field of an image
is ever formed, and rank S_n <= R. Definitions after arXiv 2501.12880 and 2501.12900.

NumPy arrays in, NumPy arrays out; tensors in, tensors out, on their device.
"""

import sys
from dataclasses import dataclass

import numpy as np

from nodal.errors import NodalError
from nodal.files.storage import put

CHUNK_BYTES = 8 * 2**20  # of matrices at a time: what stays in a processor's cache


def _is_tensor(array):
    return "torch" in sys.modules and isinstance(array, sys.modules["torch"].Tensor)


def _to_numpy(array):
    return array.detach().cpu().numpy() if _is_tensor(array) else np.asarray(array)


def _as_kind_of(array, like):
    if not _is_tensor(like):
        return array
    return sys.modules["torch"].from_numpy(array).to(like.device)


def class_means(activations, labels, n_classes):
    """Mean activation per label: (N, R, D), (N,) -> (C, R, D) float32.

    Raises NodalError naming a label that has no input, or one that is none of the C.
    """
    sums, counts = class_sums(activations, labels, n_classes)
    return means_from_sums(sums, counts)


def class_sums(activations, labels, n_classes):
    """Sums per label, (C, R, D), and counts, (C,): what a stream of batches adds up.

    Raises NodalError naming a label that is none of the C.
    """
    strange = labels[(labels < 0) | (labels >= n_classes)]
    if len(strange):
        raise NodalError(f"label {int(strange[0])} of an input; expected 0 to {n_classes - 1}")
    flat = activations.reshape(len(labels), -1)
    if _is_tensor(activations):
        sums, counts = _tensor_sums(flat, labels, n_classes)
    else:
        one_hot = (np.arange(n_classes)[:, None] == labels).astype(np.float32)
        sums, counts = one_hot @ flat.astype(np.float32, copy=False), one_hot.sum(1)
    return sums.reshape(n_classes, *activations.shape[1:]), counts


def _tensor_sums(flat, labels, n_classes):
    """Adding rows up reads each once; on a GPU, whose order varies, a matrix product does it."""
    torch = sys.modules["torch"]
    flat = flat.to(torch.float32)
    if flat.is_cuda:
        one_hot = torch.nn.functional.one_hot(labels, n_classes).T.to(torch.float32)
        return one_hot @ flat, one_hot.sum(1)
    sums = torch.zeros(n_classes, flat.shape[1]).index_add_(0, labels, flat)
    return sums, torch.bincount(labels, minlength=n_classes)


def means_from_sums(sums, counts):
    """(C, R, D), (C,) -> (C, R, D) float32. Raises NodalError naming a label without an input."""
    if (counts == 0).any():
        label = int(_to_numpy(counts == 0).argmax())
        raise NodalError(f"label {label} has no input in this split; expected at least one")
    means = sums / counts[:, None, None]
    return means.float() if _is_tensor(means) else means.astype(np.float32)


def snp_matrices(class_means, weights):
    """(C, R, D), (C, R, D) -> (D, C, C): S_n[i,j] = sum_r W[j,r,n] M[i,r,n].

    Rows are true labels, columns output labels.
    """
    if _is_tensor(class_means):
        return class_means.permute(2, 0, 1).contiguous() @ weights.permute(2, 1, 0).contiguous()
    means = np.ascontiguousarray(np.transpose(class_means, (2, 0, 1)))
    return means @ np.ascontiguousarray(np.transpose(weights, (2, 1, 0)))


@dataclass(frozen=True)
class Factors:
    """SNP matrices of rank one, kept as what they are made of: S_n[i,j] = means[n,i] weights[n,j].

    means, weights: (D, C) float32. What is stored where R = 1.
    """

    means: np.ndarray
    weights: np.ndarray

    @property
    def shape(self):
        """(D, C)."""
        return self.means.shape

    def matrices(self, nodes=slice(None)):
        """(n, C, C) float32 of a slice of the nodes."""
        return self.means[nodes, :, None] * self.weights[nodes, None, :]

    def diagonal(self):
        """(D, C): S_n[i,i]."""
        return self.means * self.weights

    def largest(self):
        """(D,): max S_n, at one of the four products of the factors' extremes."""
        ends = [(f.min(1), f.max(1)) for f in (self.means, self.weights)]
        return np.max([m * w for m in ends[0] for w in ends[1]], axis=0)

    def save(self, group):
        put(group, "means", self.means)
        put(group, "weights", self.weights)


@dataclass(frozen=True)
class Dense:
    """SNP matrices of any rank: values (D, C, C) float16 times scale (D,) float32."""

    values: np.ndarray
    scale: np.ndarray

    @property
    def shape(self):
        """(D, C)."""
        return self.values.shape[:2]

    def matrices(self, nodes=slice(None)):
        """(n, C, C) float32 of a slice of the nodes."""
        return self.values[nodes].astype(np.float32) * self.scale[nodes, None, None]

    def diagonal(self):
        """(D, C): S_n[i,i]."""
        values = np.diagonal(self.values, axis1=1, axis2=2).astype(np.float32)
        return values * self.scale[:, None]

    def largest(self):
        """(D,): max S_n."""
        return self.values.max((1, 2)).astype(np.float32) * self.scale

    def save(self, group):
        put(group, "snp", self.values, chunks=(1, *self.values.shape[1:]))
        put(group, "scale", self.scale)


def field(class_means, weights):
    """(C, R, D), (C, R, D) arrays -> the SNP matrices in the form in which they are stored.

    Every statistic is taken from this form, so that no two places differ by its rounding.
    """
    if class_means.shape[1] == 1:
        factors = (x[:, 0].T for x in (class_means, weights))
        return Factors(*(np.ascontiguousarray(factor, np.float32) for factor in factors))
    C, _, D = class_means.shape
    values, scale = np.empty((D, C, C), np.float16), np.empty(D, np.float32)
    for nodes in node_blocks(D, C):
        matrices = snp_matrices(class_means[:, :, nodes], weights[:, :, nodes])
        scale[nodes] = np.abs(matrices).max((1, 2))
        values[nodes] = matrices / np.where(scale[nodes] > 0, scale[nodes], 1)[:, None, None]
    return Dense(values, scale)


def read(group):
    """What `save` left in an HDF5 group -> Factors or Dense."""
    if "snp" in group:
        return Dense(group["snp"][:], group["scale"][:])
    return Factors(group["means"][:], group["weights"][:])


def node_blocks(n_nodes, n_labels):
    """Slices of the nodes whose float32 matrices fit the chunk."""
    step = max(1, CHUNK_BYTES // (4 * n_labels**2))
    return [slice(start, min(start + step, n_nodes)) for start in range(0, n_nodes, step)]


def relative_diagonals(field):
    """Field of a tap -> (D, C): S_n[i,i] / max(S_n), -inf throughout where max(S_n) <= 0."""
    largest = field.largest()[:, None]
    relative = field.diagonal() / np.where(largest > 0, largest, 1)
    return np.where(largest > 0, relative, -np.inf)


def diagonals(field, threshold):
    """Field of a tap -> bool (D, C): the labels each node recognises, B_n[i,i]."""
    return _checked(threshold, relative_diagonals(field)) > threshold


def binarize(snp, threshold):
    """(D, C, C) -> bool (D, C, C): S_n / max(S_n) > threshold; all False where max(S_n) <= 0."""
    largest = snp.amax((1, 2), keepdim=True) if _is_tensor(snp) else snp.max((1, 2), keepdims=True)
    silent = _checked(threshold, largest) <= 0
    where = sys.modules["torch"].where if _is_tensor(snp) else np.where
    scale = where(silent, largest * 0 + 1, largest)
    return (snp / scale > threshold) & ~silent


def _checked(threshold, largest):
    if not 0 <= threshold < 1:
        raise NodalError(f"snp.threshold: {threshold}; expected 0 <= theta < 1")
    return largest


def clusters(boolean):
    """bool (D, C, C) -> int (D, C): the cluster of each label, -1 where B[i,i] = 0.

    Over the diagonal labels in ascending order: the first not yet placed starts a cluster, and
    each later unplaced one joins if its pairs with every member are 1 in both directions.

    One label is placed in every node at each step, so there are at most C steps, each over all
    nodes of a chunk; memory is bounded by the chunk.
    """
    array = _to_numpy(boolean)
    D, C = array.shape[:2]
    chunk = max(1, CHUNK_BYTES // max(1, C * C))
    parts = [_clusters(array[start : start + chunk]) for start in range(0, D, chunk)]
    result = np.concatenate(parts) if parts else np.zeros((0, C), np.int64)
    return _as_kind_of(result, boolean)


def _clusters(boolean):
    mutual = boolean & boolean.transpose(0, 2, 1)
    unplaced = np.diagonal(boolean, axis1=1, axis2=2).copy()
    result = np.full(unplaced.shape, -1)
    candidates = np.zeros_like(unplaced)
    current = np.full(len(boolean), -1)
    nodes = np.flatnonzero(unplaced.any(1))
    while len(nodes):
        opening = nodes[~candidates[nodes].any(1)]
        candidates[opening] = unplaced[opening]
        current[opening] += 1
        label = candidates[nodes].argmax(1)
        result[nodes, label] = current[nodes]
        unplaced[nodes, label] = False
        candidates[nodes] &= mutual[nodes, label]
        candidates[nodes, label] = False
        nodes = nodes[unplaced[nodes].any(1)]
    return result


def node_statistics(boolean):
    """bool (D, C, C) -> one row per node.

    silent: no entry is 1. n_clusters, labels: their numbers. cluster_size: mean over the node's
    clusters, NaN without one. signal: sum of squared cluster sizes. noise: ones outside clusters.
    """
    import pandas as pd

    array = _to_numpy(boolean)
    return pd.DataFrame(statistics_columns(array, clusters(array)))


def statistics_columns(boolean, cluster_index):
    """The columns of `node_statistics`, from the clusters already found; arrays of length D."""
    labels = (cluster_index >= 0).sum(1)
    n_clusters = cluster_index.max(1, initial=-1) + 1
    node, label = np.nonzero(cluster_index >= 0)
    D, C = cluster_index.shape
    sizes = np.bincount(node * C + cluster_index[node, label], minlength=D * C).reshape(D, C)
    signal = (sizes**2).sum(1)
    ones = boolean.sum((1, 2))
    with np.errstate(invalid="ignore"):
        size = np.where(n_clusters > 0, labels / np.maximum(n_clusters, 1), np.nan)
    return {
        "node": np.arange(len(boolean)),
        "silent": ones == 0,
        "n_clusters": n_clusters,
        "labels": labels,
        "cluster_size": size,
        "signal": signal,
        "noise": ones - signal,
    }


def tap_report(statistics):
    """One row per node -> a tap's report; means are over the nodes with at least one cluster.

    snr is that of the means, mean signal / mean noise: infinite without noise, NaN without a
    cluster. signal_share says the same and is always finite. Each mean has its standard deviation.
    """
    n = len(statistics["node"])
    some = np.asarray(statistics["n_clusters"]) > 0
    report = {
        "nodes": n,
        "silent_share": float(np.mean(statistics["silent"])),
        "no_cluster_share": float(1 - some.mean()),
    }
    names = {"n_clusters": "clusters", "labels": "labels", "cluster_size": "cluster_size",
             "signal": "signal", "noise": "noise"}  # fmt: skip
    for column, name in names.items():
        values = np.asarray(statistics[column], dtype=float)[some]
        report[name] = values.mean() if some.any() else np.nan
        report[f"{name}_sd"] = values.std(ddof=1) if some.sum() > 1 else np.nan
    with np.errstate(divide="ignore"):
        report["snr"] = np.divide(report["signal"], report["noise"])
    report["signal_share"] = float(signal_share(statistics))
    return report


def signal_share(statistics):
    """Columns (..., D) of `statistics_columns` -> (...): the share of ones that are signal.

    mean signal / (mean signal + mean noise) over the nodes with at least one cluster. It rises and
    falls with SNR, s / (1 + s), but is finite for every outcome: 1 without noise, 0 where no node
    has a cluster.
    """
    some = np.asarray(statistics["n_clusters"]) > 0
    signal = np.where(some, statistics["signal"], 0).sum(-1)
    ones = signal + np.where(some, statistics["noise"], 0).sum(-1)
    return signal / np.maximum(ones, 1)


def describe(field, threshold, n_permutations, seed):
    """Field of a tap -> its nodes, their clusters, and the tap's reports under permuted labels.

    Returns (columns of `node_statistics`, clusters (D, C), a list of n_permutations reports). In
    the null the labels of the class means are permuted, which permutes the rows of every S_n, and
    of every B_n, alike.
    """
    D, C = field.shape
    random = np.random.default_rng(seed)
    orders = [np.arange(C), *(random.permutation(C) for _ in range(n_permutations))]
    parts = [[] for _ in orders]
    found = []
    for nodes in node_blocks(D, C):
        boolean = binarize(field.matrices(nodes), threshold)
        for part, order in zip(parts, orders, strict=True):
            permuted = boolean[:, order]
            index = clusters(permuted)
            part.append(statistics_columns(permuted, index))
            if part is parts[0]:
                found.append(index)
    real, *null = (
        {key: np.concatenate([p[key] for p in part]) for key in part[0]} for part in parts
    )
    real["node"] = np.arange(D)
    reports = [{"permutation": i, **tap_report(columns)} for i, columns in enumerate(null)]
    return real, np.concatenate(found), reports
