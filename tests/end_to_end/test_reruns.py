"""What makes a stage run again, and what does not: settings, the user's files, the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
PARTS = ("config", "envs", "profiles", "rules", "workflow", "Snakefile")
SMALL = {
    "demo": ["small"],
    "compare": {},
    "datasets": {"mine": {"source": "npz", "path": "mine.npz"}},
    "experiments": {
        "small": {
            "dataset": "mine",
            "model": {"name": "cct", "width": 8, "depth": 1, "heads": 2},
            "train": {"epochs": 1, "warmup_epochs": 0},
            "readout": {"penalties": [0.01]},
            "pruning": {"methods": []},
        }
    },
}


class Project:
    """A copy of the project, whose code may be edited, and a run of it in a folder of its own."""

    def __init__(self, folder):
        self.code, self.run = folder / "project", folder / "run"
        self.run.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            self.code.mkdir(exist_ok=True)
            copy(ROOT / part, self.code / part)

    def snakemake(self, *options, config=SMALL):
        (self.run / "small.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(self.code / "Snakefile"),
                   "--directory", str(self.run), "--cores", "2", *options,
                   "--configfile", str(self.run / "small.yaml"), "--", "demo"]  # fmt: skip
        done = subprocess.run(
            command, cwd=self.code, text=True, timeout=900, check=False,
            env={**os.environ, "PYTHONPATH": str(self.code / "workflow")},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def plan(self, **options):
        """(rules that would run, all that is said)."""
        said = self.snakemake("-n", **options)
        table = re.search(r"job +count\n-[- ]+\n(.*?)\ntotal", said, re.S)
        return {line.split()[0] for line in table[1].splitlines()} if table else set(), said


def images(path, random):
    labels = {"train": np.arange(80) % 4, "test": np.arange(40) % 4}
    arrays = {f"y_{split}": y for split, y in labels.items()}
    for split, y in labels.items():
        noise = random.integers(0, 60, (len(y), 8, 8))
        arrays[f"x_{split}"] = (noise + 60 * y[:, None, None]).astype(np.uint8)
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("reruns"))
    images(project.run / "mine.npz", np.random.default_rng(0))
    project.snakemake()
    return project


@pytest.fixture
def edited(project):
    """Edit a file of the copied code; it is as before when the test ends."""
    before = {}

    def edit(name, old, new):
        path = project.code / "workflow" / name
        before.setdefault(path, path.read_text())
        assert old in before[path]
        path.write_text(path.read_text().replace(old, new, 1))

    yield edit
    for path, text in before.items():
        path.write_text(text)


def changed(change):
    config = yaml.safe_load(yaml.safe_dump(SMALL))
    change(config["experiments"]["small"], config["datasets"]["mine"])
    return config


def test_settings_that_mean_the_same_rerun_nothing(project):
    def change(experiment, dataset):
        experiment["train"] = {"weight_decay": 0.05, "flip": False, "warmup_epochs": 0, "epochs": 1}
        experiment["snp"] = {"threshold": 0.3}
        experiment["compute"] = {"memory_mb": 3000, "threads": 2}
        dataset |= {"size": 32, "channels": 3, "test_seed": 0}

    assert project.plan(config=changed(change))[0] == set()


def test_a_file_that_was_moved_or_copied_reruns_nothing_and_another_content_all(project, random):
    elsewhere = project.run / "else where.npz"
    shutil.copy(project.run / "mine.npz", elsewhere)
    moved = changed(lambda _, dataset: dataset.update(path=str(elsewhere)))
    assert project.plan(config=moved)[0] == set()
    images(elsewhere, random)
    with np.load(elsewhere) as arrays:
        content = dict(arrays)
    content["x_train"][0] += 1
    np.savez(elsewhere, **content)
    assert {"dataset", "train", "snp_small"} <= project.plan(config=moved)[0]


def test_a_dataset_made_by_other_code_trains_nothing_again(project, edited):
    edited("nodal/datasets/npz.py", "def open_source(", "EDITED = 1\n\n\ndef open_source(")
    rules = project.plan()[0]
    assert "dataset" in rules
    assert "train" not in rules


def test_words_about_the_code_rerun_nothing(project, edited):
    edited("nodal/snp.py", "import numpy", "# a remark\nimport numpy")
    edited("scripts/snp.py", "with job", "# a remark\nwith job")
    edited("nodal/errors.py", "class NodalError", "X = 1\n\n\nclass NodalError")
    assert project.plan()[0] == set()


def test_an_edit_of_the_measurement_reruns_it_and_no_training(project, edited):
    edited("nodal/snp.py", "def binarize(", "EDITED = 1\n\n\ndef binarize(")
    rules = project.plan()[0]
    assert {"snp_small", "heads_small", "layers_table", "claims"} <= rules
    assert not rules & {"dataset", "train", "pooling", "readout_small", "silencing"}


def test_an_edit_of_the_training_is_said_and_reruns_nothing(project, edited):
    edited("nodal/training/loop.py", "def fit(", "EDITED = 1\n\n\ndef fit(")
    rules, said = project.plan()
    assert "train" not in rules
    assert "small: trained by code that has changed since" in said


def test_what_is_to_be_kept_is_brought_and_said(project):
    keep = changed(lambda experiment, _: experiment.update(activations={"keep": True}))
    rules, said = project.plan(config=keep)
    assert {"activations_small", "readout_small"} <= rules
    assert "train" not in rules
    assert "small: activations.keep brings 1 files" in said
