"""The real Snakemake on the real Snakefile: plans, refusals, stages by name, damage."""

import re

import h5py
import numpy as np
import pytest
import yaml
from nodal import snp
from nodal.datasets import splits
from nodal.files import storage
from small import ROOT, SMALL, Small

pytestmark = pytest.mark.end_to_end

SCRIPTS = ROOT / "workflow" / "scripts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plans")


def with_config(folder, name, **changes):
    """Options for a config of the small experiment with settings of it changed."""
    files = (ROOT / "config" / "config.yaml", Small(folder).write(name, **changes))
    return ("--configfile", *map(str, files))


def planned(output):
    """Rule -> number of jobs, read off a dry run's table."""
    table = re.search(r"job +count\n-[- ]+\n(.*?)\ntotal", output, re.S)
    return {} if table is None else {
        line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """The small experiment, made once to its end."""
    return small.copied(tmp_path_factory.mktemp("run")).folder


def test_without_a_target_the_plan_is_the_paper(folder, snakemake):
    plan = planned(snakemake(folder, "--cores", "2", "-n").stdout)
    assert plan["train"] == 9
    assert plan["dataset"] == 2
    blocks = {"cifar100": 7, "cifar100_vgg": 5, "flowers102": 7}
    for name, n in blocks.items():
        assert plan[f"readout_{name}"] == plan[f"snp_{name}"] == 3 * n
        assert plan[f"pruning_{name}"] == 3 * (1 + 6)
    assert plan["readout_cifar100_mean"] == plan["readout_flowers102_mean"] == 3 * 7
    assert plan["comparison"] == 2, "each in its own form of readout, and both by the mean"


def test_of_a_small_network_one_job_does_all_blocks(folder, snakemake):
    arguments = with_config(folder, "seeds.yaml", seeds=[0, 1, 2])
    plan = planned(snakemake(folder, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    for stage in ("readout", "snp", "heads"):
        assert plan[f"{stage}_small"] == 3
    arguments = with_config(folder, "wide.yaml", model={"name": "cct_6"})
    plan = planned(snakemake(folder, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    for stage in ("readout", "snp", "heads"):
        assert plan[f"{stage}_small"] == 6


def test_nothing_is_left_to_do_after_a_run(made, snakemake):
    again = snakemake(made, "--cores", "2", *with_config(made, "same.yaml"), "--", "demo")
    assert "Nothing to be done" in again.stdout


@pytest.mark.parametrize(
    ("changes", "rerun"),
    [
        ({"snp": {"threshold": 0.5}},
         {"snp_small", "heads_small", "layers_table", "heads_table", "claims", "figures_small",
          "atlas", "demo"}),
        ({"heads": {"permutations": 2000}},
         {"heads_small", "heads_table", "claims", "figures_small", "atlas", "demo"}),
        ({"pruning": {**SMALL["experiments"]["small"]["pruning"], "margin": 1.0}},
         {"pruning_table", "claims", "figures_small", "atlas", "demo"}),
    ],
)  # fmt: skip
def test_a_changed_setting_reruns_what_depends_on_it_only(made, snakemake, changes, rerun):
    arguments = with_config(made, "changed.yaml", **changes)
    plan = planned(snakemake(made, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    assert set(plan) == rerun


def test_another_reading_of_a_network_trains_and_prunes_nothing(made, snakemake):
    read = {"experiments": {"read": {"network": "small", "activations": {"pool": "grid"}}}}
    (made / "read.yaml").write_text(yaml.safe_dump(read | {"demo": ["small", "read"]}))
    arguments = [*with_config(made, "same.yaml"), str(made / "read.yaml")]
    plan = planned(snakemake(made, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    assert {"activations_read", "readout_read", "snp_read", "heads_read"} <= set(plan)
    assert not {"dataset", "train", "pooling", "silencing", "pruning_small"} & set(plan)
    assert not [rule for rule in plan if rule.endswith("_small")]


def queries_of(folder):
    with storage.read_hdf5(folder / "results/small/seed0/pooling.h5") as file:
        return {tap: file[f"{tap}/query"][:] for tap in file}


def test_no_query_sees_what_the_readout_holds_out(made, small, snakemake, tmp_path):
    """Other images there leave every query as it was to the bit; among those learned from, none."""
    queries = {"as it was": queries_of(made)}
    for name in ("held out", "learned from"):
        folder = small.copied(tmp_path / name).folder
        data, target = folder / "results/data/digits.h5", "results/small/seed0/pooling.h5"
        with h5py.File(data, "r+") as file:
            held = splits.stratified(file["train/labels"][:], 0.2)
            inputs = file["train/inputs"][:]
            changed = held if name == "held out" else ~held
            inputs[changed] = 255 - inputs[changed]
            file["train/inputs"][:] = inputs
        (folder / target).unlink()
        arguments = with_config(folder, "same.yaml")
        snakemake(folder, "--cores", "2", "--rerun-triggers", "params", *arguments, "--", target)
        queries[name] = queries_of(folder)
    for tap, query in queries["as it was"].items():
        np.testing.assert_array_equal(query, queries["held out"][tap])
        assert not np.array_equal(query, queries["learned from"][tap])


def test_a_changed_recipe_trains_again(made, snakemake):
    train = {**SMALL["experiments"]["small"]["train"], "epochs": 3}
    arguments = with_config(made, "changed.yaml", train=train)
    plan = planned(snakemake(made, "--cores", "2", "-n", *arguments, "--", "demo").stdout)
    assert {"train", "activations_small", "readout_small", "snp_small"} <= set(plan)
    assert "dataset" not in plan


def test_one_stage_by_its_file_name(made, snakemake):
    target = "results/small/seed0/snp/block1.h5"
    (made / target).unlink()
    snakemake(made, "--cores", "2", *with_config(made, "same.yaml"), "--", target)
    with storage.read_hdf5(made / target) as file:
        assert file.attrs["experiment"] == "small"
        assert snp.read(file["hidden"]).matrices().shape == (16, 10, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snp": {"threshold": 1.5}}, "experiments.small.snp.threshold: expected less than 1"),
        ({"model": {"name": "cct", "width": 16, "heads": 3}}, "3 heads do not divide the width 16"),
    ],
)
def test_a_wrong_config_stops_with_one_message(folder, snakemake, changes, message):
    arguments = with_config(folder, "wrong.yaml", **changes)
    refused = snakemake(folder, "--cores", "2", "-n", *arguments, "--", "demo", check=False)
    assert refused.returncode != 0
    assert message in refused.stdout
    assert "Traceback" not in refused.stdout
    assert len(refused.stdout.strip().splitlines()) <= 5, refused.stdout


def test_what_claims_are_not_about_has_no_sensitivity(folder, snakemake):
    target = "results/small/tables/sensitivity.csv"
    unpruned = {"pruning": {"methods": []}}
    arguments = with_config(folder, "few.yaml", activations={"sites": ["input", "q"]}, **unpruned)
    refused = snakemake(folder, "--cores", "2", "-n", *arguments, "--", target, check=False)
    assert refused.returncode != 0
    assert "small.activations.sites: none of proj, ff, out is read" in refused.stdout
    arguments = with_config(folder, "one.yaml", activations={"sites": ["input", "ff"]}, **unpruned)
    plan = planned(snakemake(folder, "--cores", "2", "-n", *arguments, "--", target).stdout)
    assert plan["sensitivity"] == 1


def test_a_gpu_is_asked_for_by_every_job_that_would_use_it(folder, snakemake):
    arguments = with_config(folder, "gpu.yaml", compute={"gpus": 1})
    output = snakemake(folder, "--cores", "2", "-n", *arguments, "--", "demo").stdout
    jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", output, re.M)
    asking = {name for name, said in jobs if re.search(r"^    resources:.*\bgpu=1\b", said, re.M)}
    used = {path.stem for path in SCRIPTS.glob("*.py") if "params.device" in path.read_text()}
    assert {"train", "pooling", "readout", "silencing", "pruning", "atlas"} < used
    assert used - {"load_checkpoint", "pruned"} == {name.removesuffix("_small") for name in asking}


@pytest.mark.parametrize("damage", ["cut", "missing label"])
def test_a_damaged_dataset_is_named_and_nothing_is_left(made, snakemake, tmp_path, damage):
    (tmp_path / "results" / "data").mkdir(parents=True)
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
        target, expected = "activations/block0.h5", "label 7 has no input"
    briefly = with_config(tmp_path, "briefly.yaml", train={"epochs": 1, "warmup_epochs": 0})
    failed = snakemake(
        tmp_path, "--cores", "2", *briefly, "--rerun-triggers", "mtime",
        "--", f"results/small/seed0/{target}", check=False,
    )  # fmt: skip
    assert failed.returncode != 0
    assert "error in rule" in failed.stdout
    assert expected in failed.stdout
    assert not (tmp_path / "results" / "small" / "seed0" / target).exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_threads_are_the_experiments_whatever_the_cores(snakemake, tmp_path):
    """A job of two threads on one core and on two: the same bytes, sums of float32 included."""
    targets = [f"results/small/seed0/{name}" for name in ("model.pt", "pooling.h5", "logits.h5")]
    targets.append("results/small/seed0/readout/block0.h5")
    found = []
    for cores in "12":
        folder = tmp_path / cores
        arguments = with_config(folder, "two.yaml", compute={"threads": 2})
        snakemake(folder, "--cores", cores, *arguments, "--", *targets)
        found.append([(folder / target).read_bytes() for target in targets])
        log = (folder / "results/logs/train/small_seed0.log").read_text()
        assert f"2 thread(s) on {cores} core(s)" in log
    assert found[0] == found[1]


def test_same_artifacts_whatever_the_cores(made, snakemake, tmp_path):
    """Two runs, one on one core and one on two, agree to the byte."""
    snakemake(tmp_path, "--cores", "1", *with_config(tmp_path, "same.yaml"), "--", "demo")
    compared = 0
    for path in sorted((made / "results" / "small").rglob("*")):
        other = tmp_path / path.relative_to(made)
        if not path.is_file():
            continue
        assert path.read_bytes() == other.read_bytes(), path
        compared += 1
    assert compared > 30
