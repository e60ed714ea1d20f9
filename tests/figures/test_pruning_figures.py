"""What the curves show: the dilution that was reached, the mean over seeds, what was free."""

import math

import numpy as np
import pandas as pd
import pytest
from nodal.figures import pruning


@pytest.fixture
def table():
    rows = []
    for seed in (0, 1):
        for method, cost in (("andc", 0.02), ("wanda_matrix", 0.2)):
            for scope in ("all", "block0", "q", "classifier"):
                for target in (0, 0.5, 0.9):
                    reached = target + 0.02 * seed * bool(target)
                    rows.append({
                        "seed": seed, "method": method, "scope": scope, "target": target,
                        "threshold": target, "dilution": reached, "accuracy_dense": 0.9,
                        "accuracy_pruned": 0.9 - cost * target,
                        "accuracy_tuned": 0.9 - cost * target if scope == "all" else math.nan,
                        "margin": 2.0,
                    })  # fmt: skip
    return pd.DataFrame(rows)


def lines(axis):
    return {line.get_label(): line.get_xydata() for line in axis.get_lines()}


def test_accuracy_stands_over_the_dilution_reached(table):
    before, after, free = pruning.pruning(table).axes
    for axis in (before, after):
        expected = [(0, 0.9), (0.51, 0.89), (0.91, 0.882)]
        np.testing.assert_allclose(lines(axis)["ANDC"], expected)
    assert [label.get_text() for label in free.get_yticklabels()] == ["ANDC", "Wanda, whole matrix"]
    means = [line.get_xdata()[0] for line in free.get_lines()]
    assert means == pytest.approx([0.91, (0.1 + 0.104) / 2])


def test_a_target_that_coincides_has_no_point_of_its_own(table):
    table.loc[table.target == 0.5, "accuracy_pruned"] = math.nan
    before, *_ = pruning.pruning(table).axes
    assert len(lines(before)["ANDC"]) == 2


def test_scopes_stand_by_block_and_by_kind_of_matrix(table):
    by_block, by_kind = pruning.scopes(table).axes
    assert set(lines(by_block)) == {"dense network", "block 0", "all", "classifier"}
    assert set(lines(by_kind)) == {"dense network", "q", "all"}


def test_without_fine_tuning_nothing_is_said_to_be_free(table):
    assert len(pruning.pruning(table.assign(accuracy_tuned=math.nan)).axes) == 1


def test_a_band_is_explained_where_there_is_one(table):
    def said(table):
        [legend] = pruning.pruning(table).legends
        return [text.get_text() for text in legend.get_texts()]

    table["accuracy_pruned"] -= 0.01 * table.seed
    assert "range over seeds" in said(table)
    assert "range over seeds" not in said(table[table.seed == 0])
