"""Runs in folders of their own: whose config and library they take, where they write."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


def command(folder, *arguments, snakefile=ROOT / "Snakefile"):
    return [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory",
            str(folder), "--cores", "1", *arguments]  # fmt: skip


def run(words, cwd="/", **environment):
    return subprocess.run(
        words, cwd=cwd, text=True, check=False, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def state(folder):
    """What lies in the project, but for caches that any import leaves."""
    skipped = ("__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".hypothesis", ".venv")
    return {p for p in folder.rglob("*") if not set(skipped) & set(p.relative_to(folder).parts)}


def test_two_runs_at_once_in_folders_without_config_do_not_meet(tmp_path):
    """Blanks and letters beyond ASCII in the path; nothing is written beside the Snakefile."""
    before = state(ROOT)
    folders = [tmp_path / "eins ü", tmp_path / "two"]
    runs = []
    for folder in folders:
        folder.mkdir()
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        runs.append(subprocess.Popen(command(folder, "results/data/digits.h5"), cwd="/", **pipe))
    for process in runs:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
    made = [(folder / "results/data/digits.h5").read_bytes() for folder in folders]
    assert made[0] == made[1]
    assert state(ROOT) == before


def test_a_folder_s_own_config_names_files_beside_it(tmp_path):
    (tmp_path / "config").mkdir()
    labels = np.arange(8) % 2
    images = np.full((8, 8, 8), 7, np.uint8) + labels[:, None, None].astype(np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    config = {"datasets": {"mine": {"source": "npz", "path": "mine.npz"}}, "experiments": {}}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    words = command(tmp_path, "results/data/mine.h5")
    done = run(words)
    assert done.returncode == 0, done.stdout
    (tmp_path / "mine.npz").unlink()
    gone = run([*words, "-n", "-F"])
    assert gone.returncode != 0
    path = tmp_path / "mine.npz"
    assert f"error: config: datasets.mine.path: {path}: no such file or directory\n" in gone.stdout
    assert "Traceback" not in gone.stdout


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A second checkout, whose config has one more dataset and whose library another version."""
    folder = tmp_path_factory.mktemp("other") / "check out"
    folder.mkdir()
    for part in ("Snakefile", "config", "envs", "profiles", "report", "rules", "workflow"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    config = folder / "config" / "config.yaml"
    config.write_text(
        config.read_text().replace(
            "\ndatasets:\n", "\ndatasets:\n  more: &more\n    source: digits\n", 1
        )
    )
    version = folder / "workflow" / "nodal" / "__init__.py"
    version.write_text('__version__ = "9.9.9"\n')
    return folder


def test_config_and_library_are_those_of_the_snakefiles_checkout(other, tmp_path):
    """Though another checkout's library comes first in the environment, here and in jobs."""
    words = command(tmp_path, "results/data/more.h5", snakefile=other / "Snakefile")
    done = run(words, PYTHONPATH=str(ROOT / "workflow"))
    assert done.returncode == 0, done.stdout
    with h5py.File(tmp_path / "results/data/more.h5") as file:
        assert json.loads(file.attrs["software"])["nodal"] == "9.9.9"


def test_a_checkout_that_cannot_be_written_names_the_way_out(other, tmp_path):
    target = tmp_path / "read only"
    target.mkdir()
    mounted = subprocess.run(["mount", "--bind", str(other), str(target)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a folder as read-only needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(target)], check=True)
        here = [sys.executable, "-m", "snakemake", "--cores", "1", "-n", "--", "demo"]
        done = run(here, target)
        assert done.returncode != 0
        assert f"{target}: cannot be written; run with --directory" in done.stdout
        assert "Traceback" not in done.stdout
        words = command(tmp_path, "-n", "results/data/more.h5", snakefile=target / "Snakefile")
        done = run(words)
        assert done.returncode == 0, done.stdout
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_a_path_variable_is_refused_by_a_line(tmp_path):
    words = command(tmp_path, "-n", "--config", "pathvars={'results': 'elsewhere'}", "--", "demo")
    done = run(words)
    assert done.returncode != 0
    assert "config: pathvars: unknown key; everything lies under results/" in done.stdout
