"""The weights to and from a node that ANDC keeps, and the strongest nodes at their other ends.

Diagonals are the training split's, as everything that is chosen; D nodes, C labels.
"""

import numpy as np

from nodal import pruning
from nodal.atlas.arrays import encode, unsigned

STRONGEST = 8


def neighbours(edges, diagonals, kept):
    """{tap: {"before": [...], "after": [...]}} for the taps in `kept`.

    edges: [(source, target, weight (D_out, D_in, ...))], target None for the output labels.
    diagonals: {tap: bool (D, C)}. Each item of a list names the `tap` at the other end (None: the
    labels), the number of weights ANDC keeps (`count`, of `of`), and the STRONGEST of them by
    magnitude: `node` and `weight`; `shown` says how many. `kernels`: they are those of a
    convolution, and a `weight` is a kernel's norm.
    """
    found = {tap: {"before": [], "after": []} for tap in kept}
    for source, target, weight in edges:
        if not (source in diagonals and (target is None or target in diagonals)):
            continue
        mask = pruning.edge_mask(diagonals, source, target)
        signed = weight if weight.ndim == 2 else pruning.magnitude(weight)
        common = {"kernels": weight.ndim > 2}
        if target in found:
            part = {"tap": source, **common, **strongest(signed, mask)}
            found[target]["before"].append(part)
        if source in found:
            part = {"tap": target, **common, **strongest(signed.T, mask.T)}
            found[source]["after"].append(part)
    return found


def strongest(weight, mask):
    """(D, others) weights and bool -> the largest magnitudes of each row where it is True."""
    size = np.where(mask, np.abs(weight), -1.0)
    k = min(STRONGEST, size.shape[1])
    best = np.argsort(-size, axis=1, kind="stable")[:, :k]
    return {
        "of": size.shape[1],
        "count": unsigned(mask.sum(1)),
        "shown": unsigned(np.minimum(mask.sum(1), k)),
        "node": unsigned(best),
        "weight": encode(np.take_along_axis(weight, best, 1), "f2"),
    }


def packed(diagonal):
    """bool (D, C) -> bits, the first label the highest bit of the first byte: (D, ceil(C / 8))."""
    return encode(np.packbits(diagonal, axis=1), "u1")
