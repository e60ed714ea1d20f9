"""The real Snakemake on the real Snakefile: plans, refusals, stages by name, damage."""

import re
from pathlib import Path

import h5py
import pytest
import yaml

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.end_to_end

SMALL = {
    "demo": ["small"],
    "experiments": {
        "small": {
            "dataset": "digits",
            "seeds": [0],
            "model": {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1},
            "train": {"epochs": 2, "warmup_epochs": 0, "batch_size": 128},
            "pruning": {"methods": ["andc", "random"], "thresholds": [0.3], "epochs": 1},
            "readout": {"penalties": [0.01]},
        }
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the project's config beside a small experiment of the tests' own."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text((ROOT / "config" / "config.yaml").read_text())
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def with_config(folder, name, **changes):
    """A config file like small.yaml with settings of the experiment changed."""
    config = yaml.safe_load(yaml.safe_dump(SMALL))
    config["experiments"]["small"].update(changes)
    (folder / name).write_text(yaml.safe_dump(config))
    return ("--configfile", str(folder / name))


def planned(output):
    """Rule -> number of jobs, read off a dry run's table."""
    table = re.search(r"job +count\n-[- ]+\n(.*?)\ntotal", output, re.S)
    return {} if table is None else {
        line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(folder):
    """The small experiment, made once to its end."""
    import subprocess
    import sys

    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory",
         str(folder), "--cores", "2", "--configfile", str(folder / "small.yaml"), "--", "demo"],
        cwd=ROOT, check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    return folder


def test_without_a_target_the_plan_is_the_paper(folder, snakemake):
    plan = planned(snakemake(folder, "--cores", "2", "-n").stdout)
    assert plan["train"] == 9
    assert plan["dataset"] == 2
    assert plan["readout"] == 3 * 7 + 3 * 7 + 3 * 5
    assert plan["pruning"] == 3 * 3 * 5
    assert plan["comparison"] == 1


def test_nothing_is_left_to_do_after_a_run(made, snakemake):
    again = snakemake(made, "--cores", "2", *with_config(made, "same.yaml"), "--", "demo")
    assert "Nothing to be done" in again.stdout


@pytest.mark.parametrize(
    ("changes", "rerun"),
    [
        ({"snp": {"threshold": 0.5}}, {"snp", "heads", "layers_table", "heads_table", "claims",
                                       "figures_small", "demo"}),
        ({"heads": {"permutations": 500}}, {"heads", "heads_table", "claims", "figures_small",
                                            "demo"}),
        ({"pruning": {**SMALL["experiments"]["small"]["pruning"], "margin": 1.0}},
         {"pruning_table", "claims", "figures_small", "demo"}),
    ],
)  # fmt: skip
def test_a_changed_setting_reruns_what_depends_on_it_only(made, snakemake, changes, rerun):
    arguments = with_config(made, "changed.yaml", **changes)
    plan = planned(snakemake(made, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    assert set(plan) == rerun


def test_a_changed_recipe_trains_again(made, snakemake):
    train = {**SMALL["experiments"]["small"]["train"], "epochs": 3}
    arguments = with_config(made, "changed.yaml", train=train)
    plan = planned(snakemake(made, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    assert {"train", "activations_small", "readout", "snp"} <= set(plan)
    assert "dataset" not in plan


def test_one_stage_by_its_file_name(made, snakemake):
    target = "results/small/seed0/snp/block1.h5"
    (made / target).unlink()
    snakemake(made, "--cores", "2", *with_config(made, "same.yaml"), "--", target)
    with h5py.File(made / target) as file:
        assert file.attrs["experiment"] == "small"
        assert file["hidden/snp"].shape == (16, 10, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snp": {"threshold": 1.5}}, "experiments.small.snp.threshold: expected less than 1"),
        ({"dataset": "mnist"}, "experiments.small.dataset: no dataset 'mnist'"),
        ({"model": {"name": "cct", "width": 16, "heads": 3}}, "3 heads do not divide the width 16"),
        ({"extra": 1}, "experiments.small.extra: unknown key"),
    ],
)
def test_a_wrong_config_stops_with_one_message(folder, snakemake, changes, message):
    arguments = with_config(folder, "wrong.yaml", **changes)
    refused = snakemake(folder, "--cores", "2", "-n", *arguments, "--", "demo", check=False)
    assert refused.returncode != 0
    assert message in refused.stdout
    assert "Traceback" not in refused.stdout
    assert len(refused.stdout.strip().splitlines()) <= 5, refused.stdout


@pytest.mark.parametrize("damage", ["cut", "missing label"])
def test_a_damaged_dataset_is_named_and_nothing_is_left(made, snakemake, tmp_path, damage):
    (tmp_path / "results" / "data").mkdir(parents=True)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text((made / "config" / "config.yaml").read_text())
    path = tmp_path / "results" / "data" / "digits.h5"
    path.write_bytes((made / "results" / "data" / "digits.h5").read_bytes())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:30000])
        target, expected = "model.pt", "results/data/digits.h5: not a complete HDF5 artifact"
    else:
        with h5py.File(path, "r+") as file:
            labels = file["test/labels"][:]
            del file["test/labels"]
            file["test"]["labels"] = labels * (labels != 7)
        target, expected = "activations/block0.h5", "label 7 has no image"
    failed = snakemake(
        tmp_path, "--cores", "2", *with_config(tmp_path, "same.yaml"), "--rerun-triggers", "mtime",
        "--", f"results/small/seed0/{target}", check=False,
    )  # fmt: skip
    assert failed.returncode != 0
    assert "error in rule" in failed.stdout
    assert expected in failed.stdout
    assert not (tmp_path / "results" / "small" / "seed0" / target).exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_artifact_cut_short_is_named_by_the_next_stage(made, snakemake):
    path = made / "results" / "small" / "seed0" / "readout" / "block0.h5"
    whole = path.read_bytes()
    target = "results/small/seed0/snp/block0.h5"
    (made / target).unlink()
    try:
        path.write_bytes(whole[: len(whole) // 3])
        failed = snakemake(
            made, "--cores", "1", *with_config(made, "same.yaml"), "--", target, check=False
        )
        assert "readout/block0.h5: not a complete HDF5 artifact" in failed.stdout
        assert not (made / target).exists()
    finally:
        path.write_bytes(whole)
    snakemake(made, "--cores", "1", *with_config(made, "same.yaml"), "--", target)


def test_same_artifacts_whatever_the_cores(made, snakemake, tmp_path):
    """Two runs, one on one core and one on two, agree to the byte."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text((made / "config" / "config.yaml").read_text())
    snakemake(tmp_path, "--cores", "1", *with_config(tmp_path, "same.yaml"), "--", "demo")
    compared = 0
    for path in sorted((made / "results" / "small").rglob("*")):
        other = tmp_path / path.relative_to(made)
        if not path.is_file():
            continue
        assert path.read_bytes() == other.read_bytes(), path
        compared += 1
    assert compared > 30
