"""The profile on real Slurm daemons: equal artifacts, stated resources, retries, refusals."""

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from submit import ROOT, jobs, project, run, through_slurm

pytestmark = pytest.mark.end_to_end

DIGITS = {  # every stage of the demo's transformer, less long
    "demo": ["digits"],
    "compare": {},
    "experiments": {
        "digits": {
            "seeds": [0, 1],
            "train": {"epochs": 6, "warmup_epochs": 1},
            "readout": {"penalties": [0.01]},
            "pruning": {"dilutions": [0.5, 0.9], "scopes": ["all"]},
        }
    },
}
RATIO, POLLING = 1.5, 60  # of a local run's time, and seconds that the daemons are waited for
NOISE = 1.3
LONG = {  # a training that is seen in its middle on any machine
    "demo": ["long"],
    "compare": {},
    "experiments": {
        "long": {
            "dataset": "digits",
            "seeds": [0, 1],
            "model": {"name": "cct", "width": 32, "depth": 2, "heads": 4, "mlp_ratio": 1},
            "train": {"epochs": 60, "batch_size": 64, "eval_every": 50},
        }
    },
}
SMALL = {
    "demo": ["small"],
    "compare": {},
    "experiments": {
        "small": {
            "dataset": "digits",
            "model": {"name": "cct", "width": 16, "depth": 2, "heads": 2},
            "train": {"epochs": 1, "warmup_epochs": 0},
        }
    },
}
MODEL = "results/small/seed0/model.pt"


def same(one, other):
    return one.read_bytes() == other.read_bytes()


def artifacts(folder):
    skipped = ("logs", "benchmarks")
    files = (p for p in (folder / "results").rglob("*") if p.is_file())
    return sorted(
        p.relative_to(folder) for p in files if p.relative_to(folder).parts[1] not in skipped
    )


def test_the_digits_experiment_is_what_a_local_run_makes(slurm, tmp_path):
    started = time.monotonic()
    local = run([*project(tmp_path / "local", DIGITS), "--cores", "2", "--", "demo"])
    local_seconds = time.monotonic() - started
    assert local.returncode == 0, local.stdout
    before = {job["id"] for job in jobs(slurm)}
    started = time.monotonic()
    remote = run([*project(tmp_path / "slurm", DIGITS), *through_slurm("--", "demo")], slurm)
    slurm_seconds = time.monotonic() - started
    assert remote.returncode == 0, remote.stdout
    own = [job for job in jobs(slurm) if job["id"] not in before]
    print(
        f"\n{len(own)} Slurm jobs, {slurm_seconds:.0f} s; local run {local_seconds:.0f} s, "
        f"ratio {slurm_seconds / local_seconds:.2f}"
    )
    assert slurm_seconds < NOISE * RATIO * local_seconds + POLLING

    files = artifacts(tmp_path / "local")
    assert files == artifacts(tmp_path / "slurm")
    different = [f for f in files if not same(tmp_path / "local" / f, tmp_path / "slurm" / f)]
    assert not different
    assert len(files) > 60

    assert {job["state"] for job in own} == {"COMPLETED"}
    asked = {job["comment"]: (job["cpus"], job["memory"]) for job in own}
    assert asked["rule_dataset_wildcards_digits"] == ("2", "2000M")
    assert asked["rule_train_wildcards_digits_0"] == ("1", "2000M")
    local_rules = ("layers_table", "claims", "figures_digits", "download")
    assert not [c for c in asked if any(rule in c for rule in local_rules)]
    assert len(own) == 2 + 2 * 5, "of a seed one to train, silence, read, measure and prune"


def _wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def _trained_by(job):
    """The process that trains within a Slurm job."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            if (
                b".train.py" in words
                and f"SLURM_JOB_ID={job}\0".encode() in (path / "environ").read_bytes()
            ):
                return int(path.name)
        except OSError:  # it ended meanwhile
            continue
    return None


def _interrupt(slurm, folder, seed, how):
    """Once the training of a seed has a checkpoint: how(number of its Slurm job)."""
    _wait((folder / f"results/long/seed{seed}/checkpoint.pt").exists, 300)
    (job,) = [j for j in jobs(slurm, state="running") if f"long_{seed}" in j["comment"]]
    how(job["id"])


def test_a_training_that_is_cancelled_or_out_of_time_goes_on(slurm, tmp_path):
    """One is cancelled, the other stands still until its time is up, however fast the machine."""

    def cancel(job):
        run(["scancel", job], slurm)

    def time_out(job):
        os.kill(_wait(lambda: _trained_by(job), 10), signal.SIGSTOP)
        run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], slurm)

    targets = [f"results/long/seed{seed}/model.pt" for seed in (0, 1)]
    before = {job["id"] for job in jobs(slurm)}
    command = [*project(tmp_path / "slurm", LONG), *through_slurm("--", *targets)]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            command, env=slurm, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        with ThreadPoolExecutor() as both:
            for done in [both.submit(_interrupt, slurm, tmp_path / "slurm", seed, how)
                         for seed, how in ((0, cancel), (1, time_out))]:  # fmt: skip
                done.result()
        assert process.wait(900) == 0, (tmp_path / "out").read_text()
    finally:
        process.terminate()
    own = [job for job in jobs(slurm) if job["id"] not in before]
    assert "CANCELLED" in {job["state"] for job in own if "long_0" in job["comment"]}
    assert "TIMEOUT" in {job["state"] for job in own if "long_1" in job["comment"]}
    uninterrupted = run([*project(tmp_path / "local", LONG), "--cores", "2", "--", *targets])
    assert uninterrupted.returncode == 0, uninterrupted.stdout
    for seed, target in enumerate(targets):
        log = (tmp_path / "slurm/results/logs/train" / f"long_seed{seed}.log").read_text()
        assert re.search(r"goes on after epoch \d+", log)
        assert same(tmp_path / "slurm" / target, tmp_path / "local" / target)
        history = target.replace("model.pt", "history.csv")
        assert same(tmp_path / "slurm" / history, tmp_path / "local" / history)


def refused(slurm, tmp_path, *arguments, config=SMALL, seconds=60):
    started = time.monotonic()
    command = [*project(tmp_path, config), *through_slurm("--retries", "0", *arguments)]
    done = run([*command, "--", MODEL], slurm, timeout=3 * seconds)
    assert done.returncode != 0, done.stdout
    assert time.monotonic() - started < seconds, done.stdout
    assert not (tmp_path / MODEL).exists()
    assert not list(tmp_path.rglob("*.tmp"))
    return done.stdout


def test_a_job_beyond_its_memory_limit_is_reported(slurm, tmp_path):
    config = {**SMALL, "experiments": {"small": dict(SMALL["experiments"]["small"])}}
    config["experiments"]["small"]["compute"] = {"memory_mb": 500}
    said = refused(slurm, tmp_path, config=config, seconds=180)  # it is made to run first
    logs = "".join(p.read_text() for p in tmp_path.glob(".snakemake/slurm_logs/**/*.log"))
    assert "train" in said
    assert re.search(r"(?i)memory", said + logs), said + logs


def test_a_partition_that_does_not_exist_is_named(slurm, tmp_path):
    said = refused(slurm, tmp_path, "--default-resources", "slurm_partition=nowhere", seconds=30)
    assert re.search(r"(?i)invalid partition", said), said


def test_a_gpu_where_there_is_none_is_refused(slurm, tmp_path):
    config = {**SMALL, "experiments": {"small": dict(SMALL["experiments"]["small"])}}
    config["experiments"]["small"]["compute"] = {"gpus": 1}
    said = refused(slurm, tmp_path, config=config, seconds=60)
    assert re.search(r"(?i)gpu|gres|node configuration is not available", said), said


def test_without_slurm_it_says_so(slurm, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    environment = {**os.environ, "PATH": str(empty)}
    said = refused(environment, tmp_path, seconds=30)
    assert re.search(r"(?i)slurm|sbatch", said), said


def test_nothing_is_left_running(slurm):
    assert not jobs(slurm, state="pending,running,completing")
