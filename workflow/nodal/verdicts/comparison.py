"""Experiments side by side: their headline taps in one table, the claim about all, one figure."""

import itertools
from pathlib import Path

import pandas as pd

from nodal import figures
from nodal.errors import NodalError
from nodal.files import storage
from nodal.verdicts import tables
from nodal.verdicts.claims import one_form_each, unified


def read(folders):
    """Folders of experiments, `results/{experiment}` or what a join made -> {name: layer table}.

    Raises NodalError for fewer than two, and naming two folders of one name.
    """
    if len(folders) < 2:
        raise NodalError(f"compare: {len(folders)} folder; expected two or more experiments")
    known, layers = {}, {}
    for folder in map(Path, folders):
        name = folder.resolve().name
        if name in known:
            raise NodalError(
                f"compare: {known[name]} and {folder} have one name; expected folders of different "
                "names, or seeds of one experiment brought together by nodal join"
            )
        known[name], layers[name] = folder, tables.read(folder, "layers")
    return layers


def _require_comparable(one, other):
    """Each: (name, layer table)."""
    (beside, known), (name, table) = one, other
    for column in ("threshold", "split"):
        found, expected = table[column].iloc[0], known[column].iloc[0]
        if found != expected:
            raise NodalError(f"compare: {name}: {column} is {found}, of {beside} {expected}")
    network = table.network.iloc[0]
    if network == known.network.iloc[0] and not _is_one_network(table, known):
        raise NodalError(
            f"compare: {name} and {beside} are different networks of one name, {network}, and "
            "would count as one; expected experiments of two names"
        )


def _is_one_network(*tables):
    """Whether two layer tables may be two readings of one: its data, blocks, and sizes of sites."""
    data, blocks = ({table[key].max() for table in tables} for key in ("dataset", "block"))
    sizes = [table.groupby(["block", "site"]).nodes.first() for table in tables]
    shared = sizes[0].index.intersection(sizes[1].index)
    alike = (sizes[0][shared] == sizes[1][shared]).all()
    return len(data) == len(blocks) == 1 and alike


def compare(layers, target):
    """{experiment: its layer table} -> `target`/layers.csv, claims.csv, comparison.png and .svg.

    Returns the claims. Raises NodalError naming two that were measured otherwise, or that call
    different networks the same.
    """
    for pair in itertools.combinations(layers.items(), 2):
        _require_comparable(*pair)
    table = pd.concat([t[t.headline].assign(experiment=name) for name, t in layers.items()])
    storage.write_csv(Path(target, "layers.csv"), table)
    read = [f"{name}: {tables.instrument(layers[name])}" for name in one_form_each(layers)]
    claims = unified(layers).assign(instrument=" | ".join(read))
    storage.write_csv(Path(target, "claims.csv"), claims)
    figures.draw_comparison(table, target)
    return claims
