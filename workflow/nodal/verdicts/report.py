"""What a run came to, for the terminal."""

import math
import os
import sys
from pathlib import Path

import pandas as pd

from nodal.errors import NodalError
from nodal.files.storage import read_csv
from nodal.verdicts.judge import NOT_APPLICABLE
from nodal.verdicts.tables import at_chance, instrument, read

RESULTS = Path("results")
GROUPS = {  # first part of a claim's id -> the claim of the paper
    "1": "Each node recognises a few small clusters of labels",
    "2": "Clusters sharpen along the blocks",
    "3": "Convolutional networks obey the same mechanism",
    "4": "The measurement tells which weights matter",
    "5": "Each head becomes the expert for labels of its own",
}
STYLES = {"supported": "32", "not supported": "31", "inconclusive": "33", "heading": "1"}
PILOTS = {"digits": range(5)}  # seeds of a dataset that shaped the rules, see docs/claims.md
RECORD = "docs/results"


def plain(text, _):
    """Text for a file."""
    return text


def coloured(text, style):
    """Text for a terminal; style: a key of STYLES."""
    return f"\033[{STYLES[style]}m{text}\033[0m"


def painter(stream):
    """Colours for a terminal, unless NO_COLOR is set (no-color.org); none for a file."""
    return coloured if stream.isatty() and not os.environ.get("NO_COLOR") else plain


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


def verdict_lines(claims, paint=plain):
    """The claims table: what was decided, grouped by claim, and in a last line what was not."""
    applicable = claims[claims.verdict != NOT_APPLICABLE]
    decided = applicable[applicable.verdict != "inconclusive"]
    for group, rows in decided.groupby(decided.claim.str.split(".").str[0]):
        yield paint(f"{group}. {GROUPS.get(group, '')}", "heading")
        for one in rows.itertuples():
            numbers = f"{one.mean:+8.3f} [{one.low:+8.3f}, {one.high:+8.3f}] {one.rule:>6}"
            verdict = paint(f"{one.verdict:<13}", one.verdict)
            yield f"   {verdict} {numbers}   {one.statement}"
    rest = applicable[applicable.verdict == "inconclusive"].claim
    if len(rest):
        yield (
            f"{paint('inconclusive', 'inconclusive')}, the interval holds the bound of the rule "
            f"(docs/claims.md): {', '.join(rest)}"
        )


def dilution_lines(free, margin):
    """The largest dilution at no loss, for each method, with its interval over seeds."""
    yield f"Largest dilution within {margin:g} points of the dense network, after fine-tuning:"
    for row in free[free.scope == "all"].itertuples():
        interval = f"[{max(row.low, 0):6.1%}, {min(row.high, 1):6.1%}] 95%"
        if row.low == -math.inf:
            interval = f"no interval: defined for {row.seeds} seed{'s' * (row.seeds != 1)}"
        beyond = f"  no loss up to the largest tried in {row.censored} of {row.seeds} seeds"
        yield f"   {row.method:<14} {row.free:6.1%}  {interval}{beyond if row.censored else ''}"


def seeds_line(seeds, dataset):
    """Whose intervals these are, and which of these seeds were pilots."""
    named = ", ".join(map(str, seeds))
    line = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}: {named}"
    pilots = pilot_words(seeds, dataset)
    return f"{line}; pilots: {pilots}" if pilots else line


def table_line(layers):
    """The seeds of a layer table, see `seeds_line`, and what they were read with."""
    seeds = seeds_line(sorted(layers.seed.unique()), layers.dataset.iloc[0])
    return f"{seeds}; read with {instrument(layers)}"


def pilot_words(seeds, dataset):
    """Which of these seeds were pilots, and where the verdicts stand; None if none was."""
    pilots = [seed for seed in PILOTS.get(dataset, ()) if seed in seeds]
    if not pilots:
        return None
    return (
        f"{', '.join(map(str, pilots))}, seen before the rules were fixed; the verdicts that count "
        f"are of other seeds, in {RECORD}/{dataset}"
    )


def experiment_lines(name, paint=plain):
    """What an experiment came to: seeds, verdicts, dilutions, and where to look next."""
    folder = RESULTS / name
    tables = folder / "tables"
    layers = read(folder, "layers")
    yield "\n" + paint(f"== {name}", "heading")
    yield table_line(layers)
    yield from verdict_lines(read_csv(tables / "claims.csv"), paint)
    taps = at_chance(layers)
    if taps:
        yield f"readouts no better than chance, whose SNP means nothing: {', '.join(taps)}"
    if (tables / "pruning.csv").exists():
        free = read_csv(tables / "free.csv")
        if len(free):
            yield from dilution_lines(free, read_csv(tables / "pruning.csv").margin.iloc[0])
    yield f"look next at {folder / 'atlas.html'} (in a browser), {folder / 'figures'}/, {tables}/"


def comparison_lines(claims, paint=plain):
    """What a comparison came to, by its claims.csv, if it is of the tables that are there now."""
    members = read_csv(claims.with_name("layers.csv")).experiment.unique()
    tables = [RESULTS / name / "tables" / "layers.csv" for name in members]
    made = claims.stat().st_mtime
    newer = [name for name, table in zip(members, tables, strict=True)
             if table.exists() and table.stat().st_mtime > made]  # fmt: skip
    if newer:
        yield f"older than {', '.join(newer)}: not shown"
    else:
        yield from verdict_lines(read_csv(claims), paint)


def main(experiments):
    """Print what experiments came to, by their names.

    Raises NodalError where Snakemake has not run, and for an unknown name.
    """
    if not RESULTS.is_dir():
        raise NodalError(f"{RESULTS.absolute()}: no such folder; run this where Snakemake ran")
    paint = painter(sys.stdout)
    for name in experiments:
        if not (RESULTS / name).is_dir():
            raise NodalError(
                f"{name}: no {RESULTS / name}/ here; expected an experiment that was run, or a "
                "list of them in the config"
            )
        print("\n".join(experiment_lines(name, paint)))
    for comparison in sorted((RESULTS / "comparisons").glob("*/claims.csv")):
        print("\n" + paint(f"== {comparison.parent}/", "heading"))
        print("\n".join(comparison_lines(comparison, paint)))
    print("\nslowest rules:")
    for rule, jobs, seconds in slowest_rules():
        print(f"   {rule:<18} {seconds:7.1f} s in {jobs} jobs")
