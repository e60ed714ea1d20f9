"""A query is determined: on the demo's digits it does not matter where learning it started."""

import sys
from pathlib import Path

import pytest
from nodal import snp

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import queries

pytestmark = pytest.mark.end_to_end


def test_from_zero_and_from_a_random_start_the_same_matrices_are_found(snakemake, tmp_path):
    snakemake(tmp_path, "--cores", "1", "results/digits/seed0/model.pt")
    model, task, experiment = queries.opened(tmp_path / "results", "digits", 0)
    experiment["readout"]["penalties"] = [1e-3]
    zero, *others = queries.learned(model, task, experiment, ["ff", "out"], starts=2)
    assert len(zero) == 6
    for other in others:
        for tap in zero:
            assert abs(zero[tap][0] - other[tap][0]) <= 0.005, tap
            assert (zero[tap][2] != other[tap][2]).any()
            ours, theirs = (snp.snp_matrices(*one[tap][1:]) for one in (zero, other))
            assert queries.correlation(ours, theirs) > 0.99, tap
