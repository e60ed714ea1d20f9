"""Every command of the README on a fresh clone; the long ones as a plan."""

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

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


def run(clone, command):
    done = subprocess.run(
        ["bash", "-c", f"{SETUP} && {short(command)}"], cwd=clone, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(clone / "workflow")}, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("command", commands())
def test_a_command_runs_on_a_fresh_clone(clone, command):
    run(clone, command)


def test_ones_own_data_is_planned_with_the_commands_beside_its_config(clone):
    readme = (ROOT / "README.md").read_text()
    (clone / "mine.yaml").write_text(re.search(r"^```yaml\n(.*?)^```$", readme, re.M | re.S)[1])
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "png")
    with zipfile.ZipFile(clone / "images.zip", "w") as archive:
        for split in ("train", "test"):
            for label in ("cat", "dog"):
                archive.writestr(f"{split}/{label}/0.png", picture.getvalue())
    for table in ("train.csv", "test.csv"):
        (clone / table).write_text("text,category\nhow are you,greeting\nsee you,farewell\n")
    beside = re.findall(r"`((?:nodal|snakemake)[^`]* mine\.yaml)`", readme)
    assert {command.split()[0] for command in beside} == {"nodal", "snakemake"}
    assert "images_grid: cct_4/3x2 on images" in run(clone, beside[0])
    assert "train" in run(clone, beside[1])
