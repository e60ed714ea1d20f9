"""Accuracy against dilution, all seeds and methods together, and how much costs nothing."""

from itertools import product

import numpy as np
import pandas as pd

from nodal.verdicts.judge import interval
from nodal.verdicts.statistics import by_seed

ROUNDING = 1e-6  # of accuracies in a table


def pruning_table(frames, settings):
    """Sweeps of all seeds -> one table; the dense network stands in it as target 0 of every method.

    frames: data frames with columns seed and method; of each seed one is of the method `dense`.
    settings: of the pruning section, a column each: `margin`, the loss of accuracy, in points, up
    to which a dilution counts as free, and what sets seeds apart that were not pruned alike.
    """
    reference = pd.concat(f for f in frames if f.method.iloc[0] == "dense")
    dense = reference.groupby("seed").accuracy_pruned.first()
    parts = []
    for frame in (f for f in frames if f.method.iloc[0] != "dense"):
        seed, method = frame.seed.iloc[0], frame.method.iloc[0]
        parts += [reference[reference.seed == seed].assign(method=method), frame]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "method", table.pop("method"))
    table.insert(0, "seed", table.pop("seed"))
    place = table.columns.get_loc("accuracy_pruned")
    table.insert(place, "accuracy_dense", table.seed.map(dense))
    return table.assign(**settings)


def free_dilution(pruning, scope="all"):
    """The largest dilution at no loss of accuracy after fine-tuning: a row per seed and method.

    free: where accuracy first falls more than the margin below the better of the two dense ones,
    interpolated between neighbours; the largest tried where it never does (censored: at least
    that); 0 where the dense network itself falls when tuned; NaN for a seed in which no pruned
    network of a method was tuned, where those of another seed were.
    """
    rows = pruning[(pruning.scope == scope) & pruning.accuracy_tuned.notna()]
    methods = rows[rows.dilution > 0].method.unique()
    found = [
        {"seed": seed, "method": method, **_free(own.sort_values("dilution"))}
        for seed, method in product(pruning.seed.unique(), sorted(methods))
        for own in [rows[(rows.seed == seed) & (rows.method == method)]]
    ]
    return pd.DataFrame(found, columns=["seed", "method", "free", "censored"])


def _free(rows):
    if not (rows.dilution > 0).any():
        return {"free": np.nan, "censored": False}
    dilution, accuracy = rows.dilution.to_numpy(), rows.accuracy_tuned.to_numpy()
    best = max(rows.accuracy_dense.iloc[0], accuracy[0])
    above = accuracy - (best - rows.margin.iloc[0] / 100)
    failed = above < -ROUNDING
    if not failed.any():
        return {"free": dilution[-1], "censored": True}
    first = int(failed.argmax())
    if first == 0:
        return {"free": 0.0, "censored": False}
    before, after = max(above[first - 1], 0), above[first]
    step = dilution[first] - dilution[first - 1]
    return {"free": dilution[first - 1] + step * before / (before - after), "censored": False}


def free_table(pruning):
    """Free dilution of every tuned scope and method, with its 95% interval over seeds.

    seeds: how many it is defined for, all or there is no interval. censored: how many of them lost
    nothing up to the largest dilution tried, and so enter with at least that.
    """
    rows = []
    for scope in pruning.scope.unique():
        by_seed = free_dilution(pruning, scope)
        for method in pruning.method.unique():
            own = by_seed[by_seed.method == method]
            if len(own):
                mean, low, high = interval(own.free)
                rows.append({
                    "scope": scope, "method": method, "free": mean, "low": low, "high": high,
                    "seeds": int(own.free.notna().sum()), "censored": int(own.censored.sum()),
                })  # fmt: skip
    columns = ["scope", "method", "free", "low", "high", "seeds", "censored"]
    return pd.DataFrame(rows, columns=columns)


def lead(control, column):
    """Accuracy of ANDC less a control's at the same kept weights: table -> mean of each seed.

    The mean is over the targets above 0 that both have, each network once; NaN without one, or
    where the accuracy of one of them is. What was pruned at a given theta has no target.
    """

    def statistic(pruning):
        rows = pruning[(pruning.scope == "all") & (pruning.target > 0) & pruning.coincides.isna()]
        andc, other = (rows[rows.method == method] for method in ("andc", control))
        both = andc.merge(other, on=["seed", "target"], suffixes=("", "_of_control"))
        difference = both[column] - both[f"{column}_of_control"]
        return by_seed(difference, both.seed).reindex(pruning.seed.unique())

    return statistic


def free_dilution_of_andc(pruning):
    """Table -> free dilution of ANDC by seed."""
    free = free_dilution(pruning)
    return free[free.method == "andc"].set_index("seed").free
