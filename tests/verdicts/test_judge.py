"""Intervals against SciPy's, verdicts against the rule."""

import numpy as np
import pytest
from nodal.verdicts import judge


def test_interval_is_students():
    from scipy.stats import t

    values = np.array([1.0, 2.0, 4.0])
    mean, low, high = judge.interval(values)
    expected = t.interval(0.95, 2, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(3))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(7 / 3)
    assert judge.interval([1.0]) == (1.0, -np.inf, np.inf)


def test_a_seed_without_a_value_is_not_left_out():
    assert judge.interval([1.0, 1.1, np.nan]) == (pytest.approx(1.05), -np.inf, np.inf)
    assert judge.interval([1.0, 1.1, np.inf]) == (pytest.approx(1.05), -np.inf, np.inf)
    assert np.isnan(judge.interval([np.nan] * 2)[0])


@pytest.mark.parametrize(
    ("low", "high", "relation", "expected"),
    [
        (1, 2, ">", "supported"), (-2, -1, ">", "not supported"), (-1, 1, ">", "inconclusive"),
        (1, 2, "<", "not supported"), (-2, -1, "<", "supported"), (-1, 1, "<", "inconclusive"),
        (-np.inf, np.inf, ">", "inconclusive"), (0, 0, ">", "inconclusive"),
    ],
)  # fmt: skip
def test_verdict(low, high, relation, expected):
    assert judge.verdict(low, high, relation, 0) == expected
