"""The library as it is installed: small, with its schema, and working outside the checkout."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a clone, since building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(folder), str(folder / "clone")], check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 1e6


def test_the_installed_library_runs_the_readmes_example_and_checks_a_config(wheel, tmp_path):
    """Installed beside this environment's packages, and found before them."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True)
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
    )
    config = ROOT / "config" / "config.yaml"
    for words in (
        ["-c", f"{example}\nimport nodal\nassert nodal.__file__.startswith({str(site)!r})"],
        ["-m", "nodal.pipeline.command", "check", str(config)],
    ):
        subprocess.run(
            [sys.executable, *words], cwd=tmp_path, check=True, timeout=600,
            env={**os.environ, "PYTHONPATH": str(site)},
        )  # fmt: skip
