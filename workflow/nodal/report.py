"""What a run came to, for the terminal: `python -m nodal.report demo` or experiment names."""

import sys
from pathlib import Path

import pandas as pd
import yaml

from nodal import claims
from nodal.errors import NodalError
from nodal.storage import read_csv
from nodal.tables import at_chance, free_dilution

RESULTS = Path("results")


def slowest_rules(folder=RESULTS / "benchmarks", n=5):
    """Seconds of all jobs of each rule, the slowest first: [(rule, jobs, seconds)]."""
    rows = [
        {"rule": path.relative_to(folder).parts[0], "seconds": pd.read_csv(path, sep="\t").s[0]}
        for path in folder.rglob("*.tsv")
    ]
    if not rows:
        return []
    by_rule = pd.DataFrame(rows).groupby("rule").seconds.agg(["size", "sum"])
    return list(by_rule.sort_values("sum", ascending=False).head(n).itertuples())


def dilution_lines(table):
    """The largest dilution at no loss, for each method, with its interval over seeds."""
    margin = table.margin.iloc[0]
    yield f"Largest dilution within {margin:g} points of the dense network, after fine-tuning:"
    for method, rows in free_dilution(table, margin).groupby("method"):
        mean, low, high = claims.interval(rows.free)
        yield f"  {method:<14} {mean:6.1%}  [{max(low, 0):.1%}, {min(high, 1):.1%}] 95%"


def experiment_lines(name):
    """Claims, dilutions and where the files are, for one experiment."""
    folder = RESULTS / name
    yield f"\n== {name}"
    yield from claims.lines(read_csv(folder / "tables" / "claims.csv"))
    taps = at_chance(read_csv(folder / "tables" / "layers.csv"))
    if taps:
        yield f"readouts no better than chance, whose SNP means nothing: {', '.join(taps)}"
    if (folder / "tables" / "pruning.csv").exists():
        pruning = read_csv(folder / "tables" / "pruning.csv")
        if pruning.accuracy_tuned.notna().any():
            yield from dilution_lines(pruning)
    yield f"figures: {folder / 'figures'}/"
    yield f"claims:  {folder / 'tables' / 'claims.csv'}"


def main(names):
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    experiments = [e for name in names for e in (config.get(name) or [name])]
    for name in experiments:
        print("\n".join(experiment_lines(name)))
    for comparison in sorted((RESULTS / "comparisons").glob("*/claims.csv")):
        print(f"\n== {comparison.parent}/")
        print("\n".join(claims.lines(read_csv(comparison))))
    print("\nslowest rules:")
    for rule, jobs, seconds in slowest_rules():
        print(f"  {rule:<18} {seconds:7.1f} s in {jobs} jobs")


if __name__ == "__main__":
    try:
        main(sys.argv[1:] or ["demo"])
    except NodalError as error:
        sys.exit(f"error: {error}")
