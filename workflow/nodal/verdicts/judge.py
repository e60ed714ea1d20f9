"""The judge: a number per seed, an interval over seeds and a rule fixed before -> a verdict.

A rule is `statistic > bound` or `statistic < bound`. With the 95% t-interval over seeds wholly on
the claimed side the claim is supported, wholly on the other side not supported, else inconclusive.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

COVERED = 0.95
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Claim:
    """A claim and what decides it.

    id: its place in docs/claims.md. source: the table it needs. statistic: table -> Series by seed.
    applies: table -> whether the network has what the claim is about, and it was measured.
    """

    id: str
    text: str
    source: str
    statistic: callable
    relation: str
    bound: float
    applies: callable
    control: bool = False

    @property
    def rule(self):
        return f"{self.relation} {self.bound:g}"


def interval(values):
    """Mean and 95% t-interval over seeds: (mean, low, high).

    Infinite with fewer than two seeds, and where the statistic of a seed is undefined: a mean over
    the seeds that are left would be one over the seeds that suit. The mean is over those defined.
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    defined = values[np.isfinite(values)]
    mean, n = (defined.mean() if len(defined) else np.nan), len(values)
    if n < 2 or len(defined) < n:
        return mean, -np.inf, np.inf
    half = stdtrit(n - 1, (1 + COVERED) / 2) * values.std(ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def verdict(low, high, relation, bound):
    """An interval against a rule -> supported, not supported or inconclusive."""
    if relation == "<":
        low, high, bound = -high, -low, -bound
    if low > bound:
        return "supported"
    return "not supported" if high < bound else "inconclusive"


def row(claim, seeds, bounds):
    """A row of the claims table; bounds: (mean, low, high), or None where it does not apply."""
    said = {"claim": claim.id, "statement": claim.text, "control": claim.control}
    said |= {"rule": claim.rule, "seeds": seeds}
    if bounds is None:
        return said | {"mean": np.nan, "low": np.nan, "high": np.nan, "verdict": NOT_APPLICABLE}
    mean, low, high = bounds
    found = verdict(low, high, claim.relation, claim.bound)
    return said | {"mean": mean, "low": low, "high": high, "verdict": found}


def judge(claims, tables):
    """{"layers", "pruning", "heads": data frame or None} -> the claims table, one row per claim."""
    rows = []
    for claim in claims:
        table = tables.get(claim.source)
        if table is None or table.empty or not claim.applies(table):
            rows.append(row(claim, 0, None))
            continue
        values = claim.statistic(table)
        rows.append(row(claim, int(np.isfinite(values).sum()), interval(values)))
    return pd.DataFrame(rows)


def lines(table):
    """The claims table as lines of text for a terminal."""
    width = max(len(claim) for claim in table.claim)
    for one in table.itertuples():
        if one.verdict == NOT_APPLICABLE:
            continue
        numbers = f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}] {one.rule}"
        yield f"{one.claim:<{width}}  {one.verdict:<13}  {numbers:<34}  {one.statement}"
