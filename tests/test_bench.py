"""The table of the benchmarks: medians, spreads, and what became slower."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import bench
from common import Row


def measured(**ratios):
    return bench.table([Row(what, [1.0, 1.1, 1.2], [r, 1.1 * r, 1.2 * r])
                        for what, r in ratios.items()])  # fmt: skip


def test_rows_are_medians_with_what_lies_around_them():
    (row,) = bench.table([Row("step", [2.0, 4.0, 3.0], [3.0, 4.0, 9.0])]).itertuples()
    assert (row.seconds, row.least, row.most, row.reference) == (3, 2, 4, 4)
    assert row.ratio == pytest.approx(4 / 3)
    assert (row.ratio_least, row.ratio_most) == (1, 3)


def test_a_ratio_that_fell_is_a_regression_and_one_within_the_spread_is_none():
    kept = measured(step=1.5, dump=1.0, gone=2.0)
    now = measured(step=1.2, dump=0.9, new=3.0)
    assert [what for what, *_ in bench.regressions(now, kept)] == ["step"]
    wide = bench.table([Row("step", [1.0, 1.0, 1.0], [1.1, 1.5, 1.9])])
    assert not bench.regressions(measured(step=1.2), wide)


def test_the_table_has_the_kept_ratio_beside_the_new_one():
    head, line = bench.text(measured(step=1.25), measured(step=1.5))
    assert head.split()[-1] == "kept"
    assert line.split()[-1] == "1.50"
    assert "1.25" in line
