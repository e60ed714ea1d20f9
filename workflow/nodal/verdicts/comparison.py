"""Experiments side by side: their headline taps in one table, the claim about all, one figure."""

from pathlib import Path

import pandas as pd

from nodal import figures
from nodal.files import storage
from nodal.verdicts.claims import unified


def compare(layers, target, networks=None):
    """{experiment: its layer table} -> `target`/layers.csv, claims.csv, comparison.png and .svg.

    networks: {experiment: the one whose network it reads}, see `claims.one_form_each`. Returns the
    claims.
    """
    table = pd.concat([t[t.headline].assign(experiment=name) for name, t in layers.items()])
    storage.write_csv(Path(target, "layers.csv"), table)
    claims = unified(layers, networks)
    storage.write_csv(Path(target, "claims.csv"), claims)
    figures.draw_comparison(table, target)
    return claims
