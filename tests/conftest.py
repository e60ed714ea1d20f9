"""Fixtures shared by all tests: planted measurements and small networks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")
# `--hypothesis-profile thorough` draws many more.
settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.register_profile("same examples each time", settings.get_profile("quick"),
                          derandomize=True)  # fmt: skip
settings.load_profile("same examples each time" if os.environ.get("CI") else "quick")


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The prepared digits dataset: (path, Dataset)."""
    from nodal import datasets

    path = tmp_path_factory.mktemp("data") / "digits.h5"
    datasets.prepare(path, "digits", {"source": "digits"}, {})
    return path, datasets.load(path)


@pytest.fixture
def snakemake():
    """Run the project's own Snakemake on the real Snakefile, in a folder of the caller's."""

    def run(folder, *arguments, check=True, timeout=900):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
                   "--directory", str(folder), *arguments]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, text=True, timeout=timeout, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout
        return done

    return run
