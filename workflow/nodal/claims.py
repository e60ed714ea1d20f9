"""The judge: each claim is a statistic per seed, an interval over seeds and a rule fixed before.

A rule is `statistic > bound` or `statistic < bound`. With the 95% t-interval over seeds wholly on
the claimed side the claim is supported, wholly on the other side not supported, else
inconclusive. docs/claims.md says why each rule is what it is.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nodal.tables import block_level, free_dilution

CONTROLS = {
    "random": "weights kept at random",
    "magnitude": "the largest weights kept",
    "wanda": "the largest weight x activation kept",
    "random_labels": "ANDC on labels drawn at random",
}
LEVEL = 0.95
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Claim:
    """id: its place in docs/claims.md. source: the table it needs. statistic: table -> by seed."""

    id: str
    text: str
    source: str
    statistic: callable
    relation: str
    bound: float
    control: bool = False

    @property
    def rule(self):
        return f"{self.relation} {self.bound:g}"


def interval(values):
    """Mean and 95% t-interval over seeds: (mean, low, high); infinite with fewer than two."""
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        return (values.mean() if n else np.nan), -np.inf, np.inf
    half = stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(n)
    return values.mean(), values.mean() - half, values.mean() + half


def verdict(low, high, relation, bound):
    """An interval against a rule -> supported, not supported or inconclusive."""
    if relation == "<":
        low, high, bound = -high, -low, -bound
    if low > bound:
        return "supported"
    return "not supported" if high < bound else "inconclusive"


def _outputs(layers):
    return layers[layers.headline]


def _by_seed(function):
    return lambda table: table.groupby("seed").apply(function, include_groups=False)


def _mean_of(column):
    return _by_seed(lambda rows: _outputs(rows)[column].mean())


def _share_of_labels(column):
    return _by_seed(lambda rows: (_outputs(rows)[column] / rows.n_labels.iloc[0]).mean())


def _log(values):
    return np.log(values.where(values > 0))


def _above_null(rows):
    rows = _outputs(rows)
    return (_log(rows.snr) - _log(rows.snr_null)).mean()


def _rise(part, column, log=False):
    """Last block less first, of the sub-block's output tap (of its logarithm)."""

    def statistic(rows):
        rows = _outputs(rows)
        values = rows[rows.part == part].sort_values("block")[column]
        values = _log(values) if log else values
        return values.iloc[-1] - values.iloc[0]

    return _by_seed(statistic)


def _rise_over_null(part):
    real, null = _rise(part, "snr", log=True), _rise(part, "snr_null", log=True)
    return lambda table: real(table) - null(table)


def _free_dilution(pruning):
    free = free_dilution(pruning, pruning.margin.iloc[0])
    return free[free.method == "andc"].set_index("seed").free


def _lead(control, column):
    """Accuracy of ANDC less a control's at the same kept weights, mean over theta."""

    def statistic(rows):
        rows = rows[rows.scope == "all"].pivot(index="threshold", columns="method", values=column)
        return (rows["andc"] - rows[control]).mean()

    return _by_seed(statistic)


def _over_blocks(function):
    return _by_seed(lambda rows: function(block_level(rows.assign(seed=0))))


def _cooperation(blocks):
    return (_log(blocks.head_snr) - _log(blocks.node_snr)).mean()


PART_NAMES = {"MHA": "attention", "FF": "feed-forward", "stage": "stage"}


def _sharpening(number, part):
    name = PART_NAMES[part]
    rows = [
        (
            "accuracy",
            f"readout accuracy rises along the {name} outputs",
            _rise(part, "accuracy"),
            0,
        ),
        ("snr", f"signal over noise rises along the {name} outputs", _rise(part, "snr", True), 0),
    ]
    claims = [Claim(f"{number}.{part}.{key}", text, "layers", statistic, ">", bound)
              for key, text, statistic, bound in rows]  # fmt: skip
    claims.append(
        Claim(f"{number}.{part}.noise", f"noise falls along the {name} outputs", "layers",
              _rise(part, "noise", True), "<", 0)
    )  # fmt: skip
    claims.append(
        Claim(f"{number}.{part}.null", f"that rise of signal over noise ({name}) exceeds the rise "
              "with permuted labels", "layers", _rise_over_null(part), ">", 0, control=True)
    )  # fmt: skip
    return claims


def _pruning_controls():
    for key, column in (("tuned", "accuracy_tuned"), ("pruned", "accuracy_pruned")):
        when = "after fine-tuning" if key == "tuned" else "right after pruning"
        for control, words in CONTROLS.items():
            yield Claim(
                f"4.{key}.{control}",
                f"ANDC keeps more accuracy {when} than {words}",
                "pruning", _lead(control, column), ">", 0, control=True,
            )  # fmt: skip


CLAIMS = [
    Claim("1.recognise", "most nodes recognise at least one cluster of labels", "layers",
          _by_seed(lambda rows: 1 - _outputs(rows).no_cluster_share.mean()), ">", 0.5),
    Claim("1.few", "a node's clusters are few, as a share of the labels", "layers",
          _share_of_labels("clusters"), "<", 0.25),
    Claim("1.small", "a node's clusters are small, as a share of the labels", "layers",
          _share_of_labels("cluster_size"), "<", 0.25),
    Claim("1.null", "signal over noise exceeds that with permuted labels (log ratio)", "layers",
          _by_seed(_above_null), ">", 0, control=True),
    *_sharpening("2", "MHA"),
    *_sharpening("2", "FF"),
    *_sharpening("3", "stage"),
    Claim("4.dilution", "ANDC removes more than half of the blocks' weights at no loss of accuracy",
          "pruning", _free_dilution, ">", 0.5),
    *_pruning_controls(),
    Claim("5.breaking", "heads divide the labels: Q exceeds its null", "heads",
          _over_blocks(lambda b: (b.Q - b.Q_null).mean()), ">", 0),
    Claim("5.blocks", "share of blocks whose Q is significant (5%, corrected)", "heads",
          _over_blocks(lambda b: (b.p_Q_corrected < 0.05).mean()), ">", 0.5),
    Claim("5.restricted", "one head alone is more accurate on the labels it is the expert for",
          "heads", _over_blocks(lambda b: b.restricted_gain.mean()), ">", 0),
    Claim("5.silenced", "silencing a head costs its expert labels more than the rest", "heads",
          _over_blocks(lambda b: b.drop_gain.mean()), ">", 0, control=True),
    Claim("5.causal", "a head's share of a label correlates with the drop when it is silenced",
          "heads", _over_blocks(lambda b: b.rho.mean()), ">", 0, control=True),
    Claim("5.cooperation", "a head's nodes together have more signal over noise than one "
          "node alone (log ratio)", "heads", _over_blocks(_cooperation), ">", 0),
]  # fmt: skip


def _applies(claim, tables):
    table = tables.get(claim.source)
    if table is None or table.empty:
        return False
    part = claim.id.split(".")[1]
    if part in PART_NAMES:
        return part in set(_outputs(table).part)
    if claim.source == "pruning":
        used = {"andc"} | ({claim.id.split(".")[2]} if claim.id.count(".") == 2 else set())
        tuned = claim.id.startswith(("4.tuned", "4.dilution"))
        whole = table[table.scope == "all"]
        return used <= set(whole.method) and not (tuned and whole.accuracy_tuned.isna().all())
    return True


def judge(tables, claims=None):
    """{"layers", "pruning", "heads": data frame or None} -> the claims table, one row per claim."""
    rows = []
    for claim in claims or CLAIMS:
        row = {"claim": claim.id, "statement": claim.text, "control": claim.control}
        row["rule"] = claim.rule
        if _applies(claim, tables):
            values = claim.statistic(tables[claim.source])
            mean, low, high = interval(values)
            row |= {"seeds": int(np.isfinite(values).sum()), "mean": mean, "low": low, "high": high}
            row["verdict"] = verdict(low, high, claim.relation, claim.bound)
        else:
            row |= {"seeds": 0, "mean": np.nan, "low": np.nan, "high": np.nan}
            row["verdict"] = NOT_APPLICABLE
        rows.append(row)
    return pd.DataFrame(rows)


def unified(layers_by_experiment):
    """{experiment: layer table} -> rows of claim 3 that need several architectures.

    The mechanism is common if accuracy and signal over noise rise in every one of them: the
    statistic is the smallest mean rise, its interval that of the experiment it belongs to.
    """
    rows = []
    for key, column, log in (("accuracy", "accuracy", False), ("snr", "snr", True)):
        rises = {
            f"{experiment}, {PART_NAMES[part]}": interval(_rise(part, column, log)(layers))
            for experiment, layers in layers_by_experiment.items()
            for part in sorted(set(_outputs(layers).part))
        }
        weakest = min(rises, key=lambda name: rises[name][0])
        mean, low, high = rises[weakest]
        rows.append({
            "claim": f"3.unified.{key}",
            "statement": f"{'signal over noise' if log else 'accuracy'} rises along the blocks of "
            f"every network (weakest: {weakest})",
            "control": False, "rule": "> 0",
            "seeds": min(t.seed.nunique() for t in layers_by_experiment.values()),
            "mean": mean, "low": low, "high": high, "verdict": verdict(low, high, ">", 0),
        })  # fmt: skip
    return pd.DataFrame(rows)


def lines(table):
    """The claims table as lines of text for a terminal."""
    width = max(len(claim) for claim in table.claim)
    for row in table.itertuples():
        if row.verdict == NOT_APPLICABLE:
            continue
        numbers = f"{row.mean:+.3f} [{row.low:+.3f}, {row.high:+.3f}] {row.rule}"
        yield f"{row.claim:<{width}}  {row.verdict:<13}  {numbers:<34}  {row.statement}"
