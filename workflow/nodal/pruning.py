"""Applied nodal diagonal connection (ANDC) masks and their controls.

A weight from node u to node v of the next layer stays if and only if u and v share a diagonal
label (arXiv 2501.12900; for filters arXiv 2501.12880, where a weight is a kernel). A mask is
bool (D_out, D_in). Controls keep as many weights of each matrix as ANDC does.
"""

import numpy as np

from nodal.snp import _as_kind_of, _to_numpy

METHODS = ("andc", "random", "magnitude", "wanda", "wanda_matrix", "random_labels")


def andc_mask(diagonal_in, diagonal_out):
    """bool (D_in, C), (D_out, C) -> bool (D_out, D_in): True where a label is shared."""
    inner, outer = (_to_numpy(d).astype(np.float32) for d in (diagonal_in, diagonal_out))
    return _as_kind_of(outer @ inner.T > 0, diagonal_in)


def edge_mask(diagonal, source, target):
    """The ANDC mask of the weights from tap `source` to tap `target`; None: the output labels.

    diagonal: {tap: bool (D, C)}. A weight to output label j stays iff j is on u's diagonal.
    """
    if target is None:
        return diagonal[source].T.copy()
    return andc_mask(diagonal[source], diagonal[target])


def random_labels(diagonal, random):
    """bool (D, C) -> the same number of labels for each node, drawn at random."""
    return random.permuted(diagonal, axis=1)


def keep_top(score, n_kept):
    """(D_out, D_in) -> bool: the n_kept largest scores, the first of equals."""
    mask = np.zeros(score.size, dtype=bool)
    mask[np.argsort(-score, axis=None, kind="stable")[:n_kept]] = True
    return mask.reshape(score.shape)


def keep_top_of_rows(score, n_kept):
    """(D_out, D_in) -> bool: of each row floor(n_kept / D_out) largest scores, or one more.

    The rows with one more are those whose next best score is largest.
    """
    each, extra = divmod(n_kept, len(score))
    order = np.argsort(-score, axis=1, kind="stable")
    mask = np.zeros(score.shape, dtype=bool)
    np.put_along_axis(mask, order[:, :each], True, axis=1)
    if extra:
        next_best = order[:, each]
        rows = np.arange(len(score))
        chosen = np.argsort(-score[rows, next_best], kind="stable")[:extra]
        mask[chosen, next_best[chosen]] = True
    return mask


def keep_random(shape, n_kept, random):
    mask = np.zeros(int(np.prod(shape)), dtype=bool)
    mask[random.choice(mask.size, n_kept, replace=False)] = True
    return mask.reshape(shape)


def match_count(mask, n_kept, random):
    """Add or remove True entries at random until there are n_kept."""
    mask = mask.copy()
    surplus = int(mask.sum()) - n_kept
    pool = np.flatnonzero(mask if surplus > 0 else ~mask)
    mask.flat[random.choice(pool, abs(surplus), replace=False)] = surplus < 0
    return mask


def magnitude(weight):
    """Size of each connection: |w|, or a kernel's Euclidean norm. (D_out, D_in, ...) -> 2 axes."""
    weight = np.abs(weight)
    return weight if weight.ndim == 2 else np.sqrt((weight**2).sum(tuple(range(2, weight.ndim))))


def masks(method, edges, diagonal, rms, seed):
    """{edge name: mask} of a method for a network's edges.

    edges: [(name, source, target, weight array)]. diagonal: {tap: bool (D, C)}. rms: {tap: (D,)},
    root mean square of each node's activations. Random methods draw from `seed`. Wanda compares
    within each output row (arXiv 2306.11695), `wanda_matrix` over the whole matrix.
    """
    random = np.random.default_rng(seed)
    if method == "random_labels":
        drawn = {tap: random_labels(labels, random) for tap, labels in diagonal.items()}
    result = {}
    for name, source, target, weight in edges:
        andc = edge_mask(diagonal, source, target)
        n_kept = int(andc.sum())
        if method == "andc":
            result[name] = andc
        elif method == "random":
            result[name] = keep_random(andc.shape, n_kept, random)
        elif method == "random_labels":
            result[name] = match_count(edge_mask(drawn, source, target), n_kept, random)
        elif method == "magnitude":
            result[name] = keep_top(magnitude(weight), n_kept)
        elif method == "wanda":
            result[name] = keep_top_of_rows(magnitude(weight) * rms[source][None], n_kept)
        elif method == "wanda_matrix":
            result[name] = keep_top(magnitude(weight) * rms[source][None], n_kept)
        else:
            raise ValueError(method)
    return result
