"""How much can be removed for nothing, by hand-made curves; and the tables it comes from."""

import math

import numpy as np
import pandas as pd
import pytest
from nodal.verdicts import claims, dilution

DILUTIONS = [0, 0.2, 0.4, 0.8]


def curve(*tuned, dense=0.9, dilutions=DILUTIONS, **columns):
    return pd.DataFrame({
        "seed": 0, "scope": "all", "method": "andc", "margin": 1.0, "dilution": dilutions,
        "accuracy_dense": dense, "accuracy_tuned": tuned, **columns,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("tuned", "free", "censored"),
    [
        ((0.90, 0.90, 0.89, 0.88), 0.4, False),  # at the margin, not beyond it
        ((0.90, 0.90, 0.90, 0.88), 0.6, False),  # half-way from 0.90 to 0.88 it is 0.89
        ((0.90, 0.88, 0.90, 0.90), 0.1, False),  # never beyond a smaller one that failed
        ((0.92, 0.92, 0.90, 0.95), 0.3, False),  # the better of the two dense ones counts
        ((0.90, 0.95, 0.91, 0.90), 0.8, True),
        ((0.80, 0.95, 0.95, 0.95), 0.0, False),  # the tuning itself ruins the dense network
    ],
)
def test_free_dilution(tuned, free, censored):
    rows = curve(*tuned).sample(frac=1, random_state=0)
    found = dilution.free_dilution(rows)
    assert found.free.item() == pytest.approx(free, abs=1e-9)
    assert bool(found.censored.item()) is censored


def test_networks_that_were_not_tuned_do_not_count():
    rows = curve(0.9, math.nan, 0.9, 0.88)
    assert dilution.free_dilution(rows).free.item() == pytest.approx(0.6)
    assert dilution.free_dilution(curve(*[math.nan] * 4)).empty


def test_the_table_has_intervals_and_counts_what_is_censored():
    seeds = [curve(0.9, 0.9, 0.9, last).assign(seed=seed)
             for seed, last in enumerate((0.9, 0.88, 0.87))]  # fmt: skip
    row = dilution.free_table(pd.concat(seeds)).iloc[0]
    each = np.array([0.8, 0.6, 0.4 + 0.4 / 3])
    half = 4.302653 * each.std(ddof=1) / math.sqrt(3)
    assert (row.seeds, row.censored) == (3, 1)
    assert row.free == pytest.approx(each.mean())
    assert (row.low, row.high) == pytest.approx((each.mean() - half, each.mean() + half))


@pytest.mark.parametrize("left", [[], [0], [0, 0.2]])
def test_a_seed_whose_networks_were_not_tuned_is_undefined_and_does_not_drop_out(left):
    """It is none of those that suit: the mean is then of one seed, and no interval is said."""
    part = curve(0.9, 0.9, 0.9, 0.88).assign(seed=1)
    part["accuracy_tuned"] = part.accuracy_tuned.where(part.dilution.isin(left))
    table = pd.concat([curve(0.9, 0.9, 0.9, 0.88), part])
    free = dilution.free_dilution_of_andc(table)
    assert list(free.index) == [0, 1]
    assert free[0] == pytest.approx(0.6)
    assert math.isnan(free[1]) == (left != [0, 0.2])
    row = dilution.free_table(table).iloc[0]
    assert (row.seeds, row.low == -math.inf) == ((2, False) if left == [0, 0.2] else (1, True))


def test_of_nothing_the_table_has_its_columns():
    for tuned in (0.9, math.nan):
        table = dilution.free_table(curve(*[tuned] * 4).assign(seed=0))
        assert list(table) == ["scope", "method", "free", "low", "high", "seeds", "censored"]


def sweep_of(method, seed, rows):
    columns = ["target", "dilution", "accuracy_pruned", "accuracy_tuned"]
    table = pd.DataFrame(rows, columns=columns).assign(method=method, seed=seed, scope="all")
    return table.assign(coincides=math.nan)


def test_the_dense_network_stands_in_every_method_of_its_seed():
    frames = []
    for seed in (0, 1):
        frames += [sweep_of("dense", seed, [(0.0, 0.0, 0.9 + seed / 100, 0.91)]),
                   sweep_of("andc", seed, [(0.5, 0.49, 0.7, 0.8)]),
                   sweep_of("random", seed, [(0.5, 0.49, 0.6, 0.7)])]  # fmt: skip
    table = dilution.pruning_table(frames, {"margin": 0.5, "split": "train"})
    assert set(table.method) == {"andc", "random"}
    assert len(table) == 2 * 2 * 2
    reference = table[table.target == 0]
    np.testing.assert_allclose(reference.accuracy_dense, reference.accuracy_pruned)
    np.testing.assert_allclose(table.accuracy_dense, 0.9 + table.seed / 100)


def test_a_lead_is_the_mean_over_dilutions_above_0_that_both_have():
    andc = [(0.0, 0.0, 1.0, 1.0), (0.3, 0.31, 0.9, 0.9), (0.6, 0.6, 0.8, 0.8), (0.9, 0.9, 0.1, 0.1)]
    random = [(0.0, 0.0, 0.0, 0.0), (0.3, 0.31, 0.8, 0.7), (0.6, 0.6, 0.5, 0.6)]
    table = pd.concat([sweep_of("andc", 3, andc), sweep_of("random", 3, random)])
    twice = [(0.5, 0.6, math.nan, math.nan)]
    for method in ("andc", "random"):
        table = pd.concat([table, sweep_of(method, 3, twice).assign(coincides=0.6)])
    assert dilution.lead("random", "accuracy_pruned")(table).to_dict() == {3: pytest.approx(0.2)}
    assert dilution.lead("random", "accuracy_tuned")(table).to_dict() == {3: pytest.approx(0.2)}


def test_what_was_pruned_at_a_given_theta_is_in_no_lead():
    andc, random = [(0.6, 0.6, 0.8, 0.8)], [(0.6, 0.6, 0.5, 0.6)]
    at_theta = [(math.nan, 0.7, 0.1, 0.1)]
    table = pd.concat(
        [sweep_of("andc", 3, andc + at_theta), sweep_of("random", 3, random + at_theta)]
    )
    assert dilution.lead("random", "accuracy_tuned")(table).to_dict() == {3: pytest.approx(0.2)}
    assert claims.compared_with("random", tuned=True)(table)
    assert not claims.compared_with("random", tuned=True)(table[table.target.isna()])
    assert not claims.compared_with("magnitude", tuned=True)(table)


def test_a_seed_without_a_common_dilution_is_undefined():
    table = pd.concat([sweep_of("andc", 0, [(0.3, 0.3, 0.9, 0.9)]),
                       sweep_of("random", 0, [(0.6, 0.6, 0.8, 0.8)])])  # fmt: skip
    lead = dilution.lead("random", "accuracy_tuned")(table)
    assert list(lead.index) == [0]
    assert lead.isna().all()


def test_a_seed_with_an_undefined_accuracy_is_undefined():
    andc = [(0.3, 0.3, 0.9, 0.9), (0.6, 0.6, 0.8, math.nan)]
    table = pd.concat([sweep_of("andc", 0, andc), sweep_of("random", 0, [(r[0], r[1], 0.5, 0.5)
                                                                      for r in andc])])  # fmt: skip
    assert dilution.lead("random", "accuracy_tuned")(table).isna().all()
    assert dilution.lead("random", "accuracy_pruned")(table).item() == pytest.approx(0.35)
