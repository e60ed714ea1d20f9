"""A Slurm cluster for the tests of this folder."""

import cluster
import pytest


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment of a running cluster; its daemons end with the tests."""
    reason = cluster.why_not()
    if reason:
        pytest.skip(reason)
    with cluster.running(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment
