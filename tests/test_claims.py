"""The judge must be able to say yes, no and undecided, for every claim."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nodal import claims, tables

SEEDS = range(5)
DOC = Path(__file__).parents[1] / "docs" / "claims.md"


def planted(good, random):
    """Tables in which every claim is true (good=1), false (-1), or true in every other seed (0)."""
    layers, pruning, heads = [], [], []
    for seed in SEEDS:
        truth = good or (-1) ** seed

        def pick(yes, no, truth=truth):
            return (yes if truth > 0 else no) + 0.01 * random.normal()

        for part in ("MHA", "FF", "stage"):
            for block in range(3):
                layers.append({
                    "seed": seed, "block": block, "part": part, "headline": True, "n_labels": 100,
                    "accuracy": 0.5 + block * pick(0.1, -0.1), "noise": np.exp(block * pick(-1, 1)),
                    "snr": np.exp(pick(1, -1) + block * truth), "snr_null": 1.0,
                    "clusters": pick(5, 45), "cluster_size": pick(5, 45),
                    "no_cluster_share": pick(0.1, 0.9),
                })  # fmt: skip
        lead = pick(0.1, -0.1)
        for method in ("andc", *claims.CONTROLS):
            accuracy = 0.8 if method == "andc" else 0.8 - lead
            for theta in (0.2, 0.95):
                pruning.append({
                    "seed": seed, "method": method, "scope": "all", "threshold": theta,
                    "dilution": theta, "accuracy_dense": pick(0.7, 0.9), "margin": 0.5,
                    "accuracy_pruned": accuracy, "accuracy_tuned": accuracy,
                })  # fmt: skip
        for block in range(3):
            heads.append({
                "seed": seed, "block": block, "Q": pick(0.6, 0.2), "Q_null": 0.4,
                "p_Q_corrected": 0.01 if truth > 0 else 0.8, "restricted_gain": pick(0.3, -0.3),
                "drop_gain": pick(0.1, -0.1), "rho": pick(0.3, -0.3),
                "head_snr": np.exp(pick(1, -1)), "node_snr": 1.0,
            })  # fmt: skip
    frames = {"layers": layers, "pruning": pruning, "heads": heads}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


@pytest.mark.parametrize(
    ("good", "verdict"), [(1, "supported"), (-1, "not supported"), (0, "inconclusive")]
)
def test_every_claim_can_be_true_false_and_undecided(good, verdict, random):
    table = claims.judge(planted(good, random)).set_index("claim")
    wrong = table[table.verdict != verdict]
    assert wrong.empty, wrong[["mean", "low", "high", "verdict"]].to_string()


def test_interval_is_students():
    from scipy.stats import t

    values = np.array([1.0, 2.0, 4.0])
    mean, low, high = claims.interval(values)
    expected = t.interval(0.95, 2, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(3))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(7 / 3)
    assert claims.interval([1.0]) == (1.0, -np.inf, np.inf)


@pytest.mark.parametrize(
    ("low", "high", "relation", "expected"),
    [
        (1, 2, ">", "supported"), (-2, -1, ">", "not supported"), (-1, 1, ">", "inconclusive"),
        (1, 2, "<", "not supported"), (-2, -1, "<", "supported"), (-1, 1, "<", "inconclusive"),
        (-np.inf, np.inf, ">", "inconclusive"),
    ],
)  # fmt: skip
def test_verdict(low, high, relation, expected):
    assert claims.verdict(low, high, relation, 0) == expected


def test_what_a_network_does_not_have_is_not_applicable(random):
    cnn = planted(1, random)
    cnn["layers"] = cnn["layers"][cnn["layers"].part == "stage"]
    cnn["heads"] = None
    cnn["pruning"]["accuracy_tuned"] = np.nan
    table = claims.judge(cnn).set_index("claim").verdict
    for claim, verdict in table.items():
        absent = claim.startswith(("2.", "5.", "4.tuned", "4.dilution"))
        assert (verdict == "not applicable") == absent, claim


def test_unified_needs_the_rise_in_every_network(random):
    good, bad = planted(1, random)["layers"], planted(-1, random)["layers"]
    assert set(claims.unified({"a": good, "b": good}).verdict) == {"supported"}
    assert set(claims.unified({"a": good, "b": bad}).verdict) == {"not supported"}


def test_the_documented_rules_are_the_rules():
    documented = dict(re.findall(r"^\| `([\w.]+)`[^|]*\| ([<>] [\d.]+) \|", DOC.read_text(), re.M))
    assert documented == {claim.id: claim.rule for claim in claims.CLAIMS}
    controls = set(re.findall(r"^\| `([\w.]+)` \*control\*", DOC.read_text(), re.M))
    assert controls == {claim.id for claim in claims.CLAIMS if claim.control}


def test_free_dilution_is_the_largest_within_the_margin():
    rows = pd.DataFrame({
        "seed": 0, "scope": "all", "method": "andc", "dilution": [0.1, 0.4, 0.6, 0.9],
        "accuracy_dense": 0.9, "accuracy_tuned": [0.91, 0.90, 0.896, 0.5],
    })  # fmt: skip
    assert tables.free_dilution(rows, 0.5).free.item() == 0.6
    assert tables.free_dilution(rows, 0.1).free.item() == 0.4
    assert tables.free_dilution(rows[rows.dilution > 0.8], 0.5).free.item() == 0
