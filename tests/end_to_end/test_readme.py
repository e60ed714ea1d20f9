"""Every command of the README on a fresh clone; the long ones as a plan."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
SETUP = "source .venv/bin/activate"


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = (line.partition(" #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line and line != SETUP]


def short(command):
    """The command itself, or its plan if it would run for minutes."""
    if command.startswith(("make", "snakemake")) and " -n" not in command:
        program, _, rest = command.partition(" ")
        return f"{program} -n {rest}"
    return command


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone with an environment as `make` leaves it, whose library is the clone's own."""
    folder = tmp_path_factory.mktemp("fresh") / "nodal"
    done = subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    environment = folder / ".venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "activate").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    return folder


def test_it_has_commands():
    assert {c.split()[0] for c in commands()} == {"make", "nodal", "snakemake"}


@pytest.mark.parametrize("command", commands())
def test_a_command_runs_on_a_fresh_clone(clone, command):
    done = subprocess.run(
        ["bash", "-c", f"{SETUP} && {short(command)}"], cwd=clone, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(clone / "workflow")}, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
