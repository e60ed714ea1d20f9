"""Seeds of one experiment that were measured apart, on several machines for instance, as one.

Everything that is judged or drawn of several seeds is made of tables with a row's seed in it, so
that tables of different seeds, laid under one another, are those of one run with all of them.
"""

import re
from pathlib import Path

import pandas as pd

from nodal import figures
from nodal.errors import NodalError
from nodal.files import storage
from nodal.verdicts.claims import verdicts
from nodal.verdicts.dilution import free_table
from nodal.verdicts.tables import read, sources

# table -> columns that are the same in every seed, row by row
ALIKE = {
    "layers": [
        "block", "site", "part", "headline", "n_labels", "nodes", "trained_on", "tested_on",
        "dataset", "network", "pool", "grid", "threshold", "split",
    ],
    "pruning": [
        "method", "scope", "target", "threshold", "margin", "split", "epochs", "learning_rate",
    ],
    "heads": ["block", "head", "label"],
    "sensitivity": ["experiment", "block", "site", "part", "order", "theta"],
}  # fmt: skip


ASKED_FOR = {"sensitivity"}  # tables that a run makes only then


def join(folders, target):
    """Folders of an experiment, `results/{experiment}` or what this made -> `target`.

    Writes tables/*.csv and figures/ as a run with all the seeds does, but for the figure of a node,
    and histories, of folders that have them, to training/. Returns the claims. Raises NodalError
    naming the folder that has a table less or more than the first, a seed of another, or was
    measured otherwise, and for a target that is one of them.
    """
    for folder in folders:
        if Path(folder).resolve() == Path(target).resolve():
            raise NodalError(f"--to {target}: one of the folders to join; expected another")
    tables = {name: _joined(folders, name) for name in _names(folders)}
    histories = dict(sorted(_histories(folders).items()))
    claims = verdicts(tables)
    for name, table in tables.items():
        storage.write_csv(Path(target, "tables", f"{name}.csv"), table)
    if "pruning" in tables:
        storage.write_csv(Path(target, "tables", "free.csv"), free_table(tables["pruning"]))
    storage.write_csv(Path(target, "tables", "claims.csv"), claims)
    for seed, history in histories.items():
        storage.write_csv(Path(target, "training", f"seed{seed}.csv"), history)
    undrawn = ["node"] + ["training"] * (not histories)
    scopes = tables["pruning"].scope.unique() if "pruning" in tables else []
    folder, said = Path(target, "figures"), sources(tables["layers"])
    figures.draw(
        [name for name in figures.names(tables, scopes) if name not in undrawn],
        {**tables, "histories": histories}, folder, said,
    )  # fmt: skip
    if "sensitivity" in tables:
        threshold = tables["layers"].threshold.iloc[0]
        figures.draw_sensitivity(tables["sensitivity"], threshold, folder, said)
    return claims


def _names(folders):
    """The tables that all folders have; what only some were asked for stands aside."""
    found = {
        folder: [name for name in ALIKE if Path(folder, "tables", f"{name}.csv").exists()]
        for folder in folders
    }
    first = found[folders[0]]
    for folder, names in found.items():
        if "layers" not in names:
            raise NodalError(f"{folder}/tables/layers.csv: no such file; expected that of a run")
        for name in ({*names} ^ {*first}) - ASKED_FOR:
            raise NodalError(f"{folder}: {name}.csv is in this or in {folders[0]}, not in both")
    return [name for name in first if all(name in names for names in found.values())]


def _joined(folders, name):
    parts, known = {}, {}
    for folder in folders:
        path = Path(folder, "tables", f"{name}.csv")
        table = read(folder, name)
        for seed, rows in table.groupby("seed", sort=False):
            if seed in known:
                raise NodalError(f"{path}: seed {seed} is in {known[seed]} already")
            parts[seed], known[seed] = rows, path
    first = next(iter(parts))
    for seed, rows in parts.items():
        _require_alike(rows, parts[first], ALIKE[name], f"{known[seed]}: seed {seed}", first)
    return pd.concat([parts[seed] for seed in sorted(parts)], ignore_index=True)


def _require_alike(rows, others, columns, where, other):
    """Raise NodalError unless two seeds' rows are of the same things in the same order."""
    for column in rows.columns.symmetric_difference(others.columns):
        raise NodalError(f"{where}: column {column!r} is in this or in seed {other}, not in both")
    columns = [column for column in columns if column in rows]
    own, expected = (_asked(t)[columns].reset_index(drop=True) for t in (rows, others))
    if own.equals(expected):
        return
    if len(own) != len(expected):
        raise NodalError(f"{where}: {len(own)} rows, of seed {other} {len(expected)}")
    for column in columns:
        differs = own[column].ne(expected[column]) & ~(own[column].isna() & expected[column].isna())
        for i in differs[differs].index[:1]:
            raise NodalError(
                f"{where}: {column} is {own[column][i]}, of seed {other} {expected[column][i]}"
            )


def _asked(table):
    """The same without the theta that a seed needed for a dilution: it is a finding."""
    if "target" not in table:
        return table
    return table.assign(threshold=table.threshold.where(table.target.isna()))


def _histories(folders):
    """{seed: history} of all trainings that the folders hold."""
    return {
        int(re.search(r"seed(\d+)", str(path.relative_to(folder)))[1]): storage.read_csv(path)
        for folder in map(Path, folders)
        for path in (*folder.glob("seed*/history.csv"), *folder.glob("training/seed*.csv"))
    }
