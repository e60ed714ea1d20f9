"""Experiments side by side: their headline taps in one table, the claim about all, one figure."""

from pathlib import Path

import pandas as pd

from nodal import figures
from nodal.errors import NodalError
from nodal.files import storage
from nodal.verdicts import tables
from nodal.verdicts.claims import unified


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


def compare(layers, target):
    """{experiment: its layer table} -> `target`/layers.csv, claims.csv, comparison.png and .svg.

    Returns the claims.
    """
    table = pd.concat([t[t.headline].assign(experiment=name) for name, t in layers.items()])
    storage.write_csv(Path(target, "layers.csv"), table)
    claims = unified(layers)
    storage.write_csv(Path(target, "claims.csv"), claims)
    figures.draw_comparison(table, target)
    return claims
