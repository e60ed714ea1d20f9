"""What the page holds of each node's SNP matrix, its clusters and statistics, and what is like it.

D nodes, C labels, P permutations, K entries of a list.
"""

import numpy as np

from nodal import snp
from nodal.atlas.arrays import encode, unsigned

ABOVE = 0.1  # of a node's maximum: the entries of a matrix on a grid that the page holds
PERMUTATIONS = 4
SIMILAR = 8
COUNTED = ("n_clusters", "labels", "signal", "noise")


def unit_factors(vectors):
    """(D, C) -> float16 (D, C) with a largest magnitude of 1 in each row, and that magnitude (D,).

    float16 has its full precision there; rows of zeros stay so, with scale 0.
    """
    scale = np.abs(vectors).max(1).astype(np.float32)
    unit = vectors / np.where(scale > 0, scale, 1)[:, None]
    return unit.astype(np.float16), scale


def factors(field):
    """nodal.snp.Factors -> what the page holds: S_n[i,j] = scale[n] * means[n,i] * weights[n,j].

    The page multiplies in float32; the scale matters to no threshold.
    """
    means, mean_scale = unit_factors(field.means)
    weights, weight_scale = unit_factors(field.weights)
    return {
        "form": "factors",
        "means": encode(means, "f2"),
        "weights": encode(weights, "f2"),
        "scale": encode(mean_scale * weight_scale, "f4"),
    }


def entries(field, room):
    """A field -> the entries above ABOVE of each node's maximum, within `room` bytes.

    Nodes of the largest field come first until the room is full; `count` is 0 for the others.
    place: row * C + column; value: entry / maximum; scale: the maximum, (D,).
    """
    largest = field.largest()
    place, value = _within(field, largest, room)
    held = np.zeros(len(largest), bool)
    held[list(place)] = True
    kept, nothing = sorted(place), np.zeros(0)
    return {
        "form": "entries",
        "above": ABOVE,
        "held": encode(held, "u1"),
        "count": unsigned(np.array([len(place.get(n, ())) for n in range(len(largest))])),
        "place": unsigned(np.concatenate([nothing, *(place[n] for n in kept)])),
        "value": encode(np.concatenate([nothing, *(value[n] for n in kept)]), "f2"),
        "scale": encode(np.maximum(largest, 0), "f4"),
    }


def _within(field, largest, room):
    """{node: places}, {node: values} of the nodes whose entries fit, those of the largest first.

    Four bytes an entry, as text 4/3; no node after the first that does not fit is looked at.
    """
    order, place, value = np.argsort(-largest, kind="stable"), {}, {}
    for block in snp.node_blocks(*field.shape):
        for node, matrix in zip(order[block], field.matrices(order[block]), strict=True):
            top = largest[node]
            share = matrix.ravel() / top if top > 0 else np.zeros(matrix.size, np.float32)
            found = np.flatnonzero(share > np.float32(ABOVE))
            room -= 4 * 4 / 3 * len(found)
            if room < 0:
                return place, value
            place[node], value[node] = found, share[found].astype(np.float16)
    return place, value


def held_fields(fields, room):
    """{tap: field} -> {tap: what the page holds of it}, all within `room` bytes.

    Factors where they fit, else the largest entries. Every tap has an equal share; what the smaller
    leave of theirs is shared by the others, so that all are held as factors if all of them fit.
    """
    whole = {tap: factors(f) for tap, f in fields.items() if isinstance(f, snp.Factors)}
    needs = {tap: size(whole[tap]) if tap in whole else np.inf for tap in fields}
    parts = {}
    for left, tap in enumerate(sorted(fields, key=needs.get)):
        share = room / (len(fields) - left)
        parts[tap] = whole[tap] if needs[tap] <= share else entries(fields[tap], share)
        room -= size(parts[tap])
    return {tap: parts[tap] for tap in fields}


def size(part):
    """Bytes of a field as text."""
    return sum(
        len(part[key]["data"]) for key in ("means", "weights", "place", "value") if key in part
    )


def statistics(rows, cluster_index, field):
    """The artifact's own numbers of a tap: its rows of snp/block{b}.csv and clusters (D, C).

    clusters: the number of the label's cluster plus one, 0 where it is not on the diagonal.
    """
    return {
        "nodes": {
            **{column: unsigned(rows[column].to_numpy()) for column in COUNTED},
            "silent": unsigned(rows["silent"].to_numpy().astype(bool)),
            "largest": encode(field.largest(), "f4"),
        },
        "clusters": unsigned(np.asarray(cluster_index) + 1),
    }


def null(field, threshold, seed):
    """Statistics of all nodes with the true labels permuted, PERMUTATIONS times: columns (P * D).

    As the null of `nodal.snp.describe`, node by node in place of means over nodes.
    """
    random = np.random.default_rng(seed)
    orders = [random.permutation(field.shape[1]) for _ in range(PERMUTATIONS)]
    columns = {name: [] for name in COUNTED}
    for nodes in snp.node_blocks(*field.shape):
        boolean = snp.binarize(field.matrices(nodes), threshold)
        for order in orders:
            permuted = boolean[:, order]
            found = snp.statistics_columns(permuted, snp.clusters(permuted))
            for name in COUNTED:
                columns[name].append(found[name])
    return {name: unsigned(np.concatenate(values)) for name, values in columns.items()}


def similar(fields):
    """{tap: field} of one network -> {tap: its nodes' SIMILAR nearest by the cosine of S_n}.

    The cosine of two outer products is the product of the cosines of their factors, so at R = 1 all
    taps are searched; on a grid a node's own tap is. tap: index into the order of `fields`.
    """
    if all(isinstance(field, snp.Factors) for field in fields.values()):
        return _similar_factors(fields)
    found = {}
    for i, (name, field) in enumerate(fields.items()):
        D = field.shape[0]
        flat = _rows(field.matrices().reshape(D, -1))
        found[name] = _nearest(flat @ flat.T, 0, np.full(D, i), np.arange(D))
    return found


def _similar_factors(fields):
    means = np.concatenate([_rows(field.means) for field in fields.values()])
    weights = np.concatenate([_rows(field.weights) for field in fields.values()])
    sizes = [field.shape[0] for field in fields.values()]
    tap, node = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([*map(np.arange, sizes)])
    starts = np.cumsum([0, *sizes])
    return {
        name: _nearest((means[a:b] @ means.T) * (weights[a:b] @ weights.T), a, tap, node)
        for name, a, b in zip(fields, starts, starts[1:], strict=False)
    }


def _rows(array):
    """Rows of unit length; rows of zeros stay so."""
    length = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(length > 0, length, 1)).astype(np.float32)


def _nearest(cosine, start, tap, node):
    """cosine (D, all) of nodes start.. with all -> the largest of each row, itself left out."""
    own = np.arange(len(cosine))
    cosine[own, start + own] = -np.inf
    k = min(SIMILAR, cosine.shape[1] - 1)
    best = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return {
        "tap": unsigned(tap[best]),
        "node": unsigned(node[best]),
        "cosine": encode(np.take_along_axis(cosine, best, 1), "f2"),
    }
