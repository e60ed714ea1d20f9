"""Tables that do not fit each other, or mean nothing: each function is answered by one line."""

import argparse
from pathlib import Path

import pandas as pd
from nodal.errors import NodalError
from nodal.pipeline import command
from nodal.verdicts import join, report
from nodal.verdicts import tables as measured_tables

ROOT = Path(__file__).parents[1]


def measured_apart():
    """Tables of two runs, the second one's judged by another margin."""
    tables = ROOT / "docs" / "results" / "clinc150" / "tables"
    for seed, folder in ((1, "a"), (2, "b")):
        Path(folder, "tables").mkdir(parents=True)
        for name in ("layers", "pruning"):
            table = pd.read_csv(tables / f"{name}.csv").query("seed == @seed")
            table = table.assign(margin=seed / 2) if name == "pruning" else table
            table.to_csv(Path(folder, "tables", f"{name}.csv"), index=False)
    join.join(["a", "b"], "all")


def compared_at_two_thresholds():
    record = pd.read_csv(ROOT / "docs" / "results" / "clinc150" / "tables" / "layers.csv")
    for folder, theta in (("a", 0.3), ("b", 0.5)):
        Path(folder, "tables").mkdir(parents=True)
        record.assign(threshold=theta).to_csv(Path(folder, "tables", "layers.csv"), index=False)
    command.compare(argparse.Namespace(folders=[Path("a"), Path("b")], to=Path("side")))


def of_an_earlier_version():
    folder = Path("old/tables")
    folder.mkdir(parents=True)
    columns = [c for c in measured_tables.NEEDED["layers"] if c != "dataset"]
    pd.DataFrame([[0] * len(columns)], columns=columns).to_csv(folder / "layers.csv", index=False)
    command.compare(argparse.Namespace(folders=[Path("old"), Path("new")], to=Path("side")))


def guessing_readout():
    tables = Path("results/digits/tables")
    tables.mkdir(parents=True)
    row = dict.fromkeys(measured_tables.NEEDED["layers"], 0)
    layers = pd.DataFrame([row | {"site": "q", "seed": 1, "p_chance": 0.5}])
    layers.to_csv(tables / "layers.csv", index=False)
    claims = pd.DataFrame({"claim": ["1.clusters"], "verdict": ["not applicable"]})
    claims.to_csv(tables / "claims.csv", index=False)
    (line,) = [x for x in report.experiment_lines("digits") if x.startswith("readouts")]
    raise NodalError(line)
