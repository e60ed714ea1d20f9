"""The judge must be able to say yes, no and undecided, for every claim."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nodal.verdicts import claims
from nodal.verdicts.judge import judge

SEEDS = range(5)
DOC = Path(__file__).parents[2] / "docs" / "claims.md"


def planted(good, random, parts=("MHA", "FF", "out")):
    """Tables in which every claim is true (good=1), false (-1), or true in every other seed (0)."""
    layers, pruning, heads = [], [], []
    for seed in SEEDS:
        truth = good or (-1) ** seed

        def pick(yes, no, truth=truth):
            return (yes if truth > 0 else no) + 0.01 * random.normal()

        for part in parts:
            for block in range(3):
                layers.append({
                    "seed": seed, "block": block, "part": part, "headline": True, "n_labels": 100,
                    "network": "a",
                    "accuracy": 0.5 + block * pick(0.1, -0.1), "noise": np.exp(block * pick(-1, 1)),
                    "signal_share": 0.5 + pick(0.1, -0.3) + block * pick(0.1, -0.1),
                    "signal_share_null": 0.4, "clusters": pick(5, 45), "cluster_size": pick(5, 45),
                    "clusters_null": pick(4, 46), "cluster_size_null": pick(4, 46),
                    "no_cluster_share": pick(0.1, 0.7), "no_cluster_share_null": pick(0.3, 0.5),
                })  # fmt: skip
        lead, dense = pick(0.1, -0.1), pick(0.7, 0.9)
        for method in ("andc", *claims.CONTROLS):
            accuracy = 0.8 if method == "andc" else 0.8 - lead
            for target in (0, 0.2, 0.95):
                pruning.append({
                    "seed": seed, "method": method, "scope": "all", "target": target,
                    "dilution": target, "coincides": np.nan, "accuracy_dense": dense, "margin": 0.5,
                    "accuracy_pruned": accuracy if target else dense,
                    "accuracy_tuned": accuracy if target else dense,
                    "n_weights": 100, "n_matrices": 100,
                })  # fmt: skip
        for block in range(3):
            heads += [{
                "seed": seed, "block": block, "head": head, "Q": pick(0.6, 0.2), "Q_null": 0.4,
                "z_Q": pick(5, 0), "restricted_excess": pick(0.3, -0.3),
                "drop_excess": pick(0.1, -0.1), "rho_excess": pick(0.3, -0.3),
                "cooperation_excess": pick(0.1, -0.1),
            } for head in range(2)]  # fmt: skip
    frames = {"layers": layers, "pruning": pruning, "heads": heads}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def judged(tables, only=None):
    chosen = [claim for claim in claims.CLAIMS if only in (None, claim.id)]
    return judge(chosen, tables).set_index("claim")


@pytest.mark.parametrize(
    ("good", "verdict"), [(1, "supported"), (-1, "not supported"), (0, "inconclusive")]
)
@pytest.mark.parametrize("parts", [("MHA", "FF", "out"), ("stage",)])
def test_every_claim_can_be_true_false_and_undecided(good, verdict, parts, random):
    table = judged(planted(good, random, parts))
    other = "3." if "FF" in parts else "2."
    wrong = table[(table.verdict != verdict) & ~table.index.str.startswith(other)]
    assert wrong.empty, wrong[["mean", "low", "high", "verdict"]].to_string()
    assert (table[table.index.str.startswith(other)].verdict == "not applicable").all()


def test_what_a_network_does_not_have_is_not_applicable(random):
    cnn = planted(1, random, ("stage",))
    cnn["heads"] = None
    cnn["pruning"]["accuracy_tuned"] = np.nan
    for claim, verdict in judged(cnn).verdict.items():
        absent = claim.startswith(("2.", "5.", "4.tuned", "4.dilution"))
        assert (verdict == "not applicable") == absent, claim


def without(tables, **changes):
    return {**tables, **{name: change(tables[name]) for name, change in changes.items()}}


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"layers": lambda t: t[t.part != "MHA"]}, ("1.", "2.MHA")),
        ({"layers": lambda t: t.assign(headline=False)}, ("1.", "2.")),
        ({"layers": lambda t: t[t.block == 0]}, ("2.",)),
        ({"pruning": lambda t: t.assign(n_matrices=600)}, ("4.dilution",)),
        ({"pruning": lambda t: t[t.method != "magnitude"]}, ("4.tuned.mag", "4.pruned.mag")),
        ({"pruning": lambda t: t[t.method == "magnitude"]}, ("4.",)),
        ({"heads": lambda t: t[t["head"] == 0]}, ("5.",)),
    ],
)  # fmt: skip
def test_nothing_is_judged_on_something_else_than_it_says(change, claim, random):
    """A tap, a matrix or a second head that was not read has no stand-in."""
    for name, verdict in judged(without(planted(1, random), **change)).verdict.items():
        if not name.startswith("3."):
            assert (verdict == "not applicable") == name.startswith(claim), name


@pytest.mark.parametrize(
    ("source", "column", "place", "claim"),
    [
        ("heads", "Q", "block == 1", "5.breaking"),
        ("heads", "z_Q", "block == 1", "5.blocks"),
        ("heads", "drop_excess", "block == 1 and head == 0", "5.silenced"),
        ("layers", "clusters", "block == 1 and part == 'FF'", "1.few"),
        ("layers", "noise", "block == 0 and part == 'FF'", "2.FF.noise"),
        ("layers", "signal_share_null", "block == 2 and part == 'out'", "2.out.null"),
        ("pruning", "accuracy_tuned", "target == 0.2 and method == 'random'", "4.tuned.random"),
    ],
)
def test_undefined_in_one_place_is_inconclusive(source, column, place, claim, random):
    """Four seeds that say yes and one that says nothing are not five that say yes."""
    tables = planted(1, random)
    assert judged(tables, claim).verdict[claim] == "supported"
    table = tables[source]
    table.loc[table.query(f"seed == 4 and {place}").index, column] = np.nan
    row = judged(tables, claim).loc[claim]
    assert row.verdict == "inconclusive"
    assert row.seeds == 4
    assert row.low == -np.inf


def test_unified_needs_the_rise_in_every_network(random):
    good, bad = planted(1, random)["layers"], planted(-1, random, ("stage",))["layers"]
    bad["network"] = "b"
    assert set(claims.unified({"a": good, "b": good}).verdict) == {"supported"}
    worse = claims.unified({"a": good, "b": bad})
    assert set(worse.verdict) == {"not supported"}
    assert worse.statement.str.contains("weakest: b, stage").all()
    one_seed = good[good.seed == 0].assign(network="c")
    beside = claims.unified({"a": good, "b": bad, "c": one_seed})
    assert set(beside.verdict) == {"not supported"}
    assert beside.statement.str.contains("weakest: b, stage").all()
    pd.testing.assert_frame_equal(worse, claims.unified({"b": bad, "a": good}))


def test_unified_is_not_carried_by_a_network_that_is_only_more_certain(random):
    """A small certain rise beside a large one that may be nothing: no proof for both."""
    sure = planted(1, random)["layers"]
    sure["accuracy"] = 0.5 + 0.01 * sure.block + 1e-4 * sure.seed * sure.block
    unsure = planted(1, random)["layers"]
    unsure["accuracy"] = 0.5 + unsure.block * (0.2 * (unsure.seed - 1.5))
    unsure["network"] = "unsure"
    row = claims.unified({"sure": sure, "unsure": unsure}).set_index("claim").loc
    assert row["3.unified.accuracy"].verdict == "inconclusive"
    assert "unsure" in row["3.unified.accuracy"].statement


def test_unified_counts_the_forms_of_one_network_once(random):
    good, bad = planted(1, random)["layers"], planted(-1, random)["layers"]

    def forms(**networks):
        return claims.one_form_each({n: good.assign(network=of) for n, of in networks.items()})

    assert forms(b="a", a="a") == ["a"]
    assert forms(c="a", b="a", d="d") == ["b", "d"]
    good["network"] = "digits"
    for network, verdict in (("digits", "supported"), ("another", "not supported")):
        found = claims.unified({"digits_grid": bad.assign(network=network), "digits": good})
        assert set(found.verdict) == {verdict}


def test_a_row_has_the_same_columns_judged_or_not(random):
    good = planted(1, random)["layers"]
    columns = ["claim", "statement", "control", "rule", "seeds", "mean", "low", "high", "verdict"]
    for other in (good, good[good.part != "MHA"]):
        both = {"a": good, "b": other.assign(network="b")}
        assert list(claims.unified(both)) == columns


def test_unified_is_judged_of_two_blocks(random):
    two = planted(1, random)["layers"].query("block < 2")
    assert two.block.nunique() == 2
    assert "not applicable" not in set(claims.unified({"a": two, "b": two}).verdict)


def test_unified_says_what_was_not_read(random):
    good = planted(1, random)["layers"]
    partial = good[good.part != "MHA"]
    found = claims.unified({"a": good, "b": partial.assign(network="b")})
    assert set(found.verdict) == {"not applicable"}
    assert found.statement.str.contains("not read in more than one block: b").all()


def test_the_documented_rules_are_the_rules():
    documented = dict(re.findall(r"^\| `([\w.]+)`[^|]*\| ([<>] [\d.]+) \|", DOC.read_text(), re.M))
    assert documented == {claim.id: claim.rule for claim in claims.CLAIMS}
    controls = set(re.findall(r"^\| `([\w.]+)` \*control\*", DOC.read_text(), re.M))
    assert controls == {claim.id for claim in claims.CLAIMS if claim.control}
