"""What does and does not depend on theta and on the order of labels."""

import numpy as np
import pandas as pd
import pytest
from nodal import snp
from nodal.verdicts import sensitivity


@pytest.fixture
def matrices(random):
    means, weights = random.normal(size=(2, 12, 4, 30))
    return snp.snp_matrices(means, weights)


def test_the_first_order_and_theta_are_the_measurements_own(matrices):
    boolean = snp.binarize(matrices, 0.3)
    own = snp.tap_report(snp.node_statistics(boolean))
    at_theta = sensitivity.by_theta(matrices, (0.1, 0.3))[1]
    ascending = sensitivity.by_order(matrices, 0.3, 3, seed=0)[0]
    for key in sensitivity.KEPT:
        assert at_theta[key] == pytest.approx(own[key])
        assert ascending[key] == pytest.approx(own[key])


def test_order_moves_clusters_but_not_labels(random):
    crowded = random.random((30, 12, 12)) + np.eye(12)
    table = pd.DataFrame(sensitivity.by_order(crowded, 0.2, 20, seed=0))
    assert table.labels.nunique() == 1
    assert table.signal.nunique() > 1
    spread = sensitivity.spread(table.assign(site="ff", block=0, seed=0)).iloc[0]
    assert spread.labels == 0
    assert 0 < spread.signal < 0.5


def test_order_does_not_matter_where_clusters_are_apart():
    boolean = np.kron(np.eye(3), np.ones((2, 2)))[None]
    table = pd.DataFrame(sensitivity.by_order(boolean, 0.3, 10, seed=0))
    assert set(table.signal) == {12}
    assert set(table.noise) == {0}


def test_higher_theta_leaves_fewer_labels(matrices):
    labels = [r["labels"] * (1 - r["no_cluster_share"]) for r in sensitivity.by_theta(matrices)]
    assert labels == sorted(labels, reverse=True)


def test_a_rise_is_the_last_block_less_the_first():
    table = pd.DataFrame([
        {"experiment": "a", "part": "FF", "seed": seed, "theta": 0.3, "order": -1, "block": block,
         "signal_share": share}
        for seed, shares in enumerate([(0.1, 0.9, 0.4), (0.5, 0.0, 0.3)])
        for block, share in reversed(list(enumerate(shares)))
    ])  # fmt: skip
    rise = sensitivity.rise(table).set_index("seed").rise
    assert rise[0] == pytest.approx(0.3)
    assert rise[1] == pytest.approx(-0.2)
