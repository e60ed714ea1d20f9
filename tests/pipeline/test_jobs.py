"""What every script shares: its threads, its log, and how it fails."""

from types import SimpleNamespace

import pytest
import torch
from nodal import progress
from nodal.errors import NodalError
from nodal.pipeline import jobs
from threadpoolctl import threadpool_info


@pytest.fixture
def snakemake(tmp_path):
    """A job that asked for three threads and was given one core."""
    return SimpleNamespace(
        rule="train", wildcards={"seed": "0"}, threads=1, params={"cores": 3},
        log=[tmp_path / "logs" / "train.log"],
    )  # fmt: skip


@pytest.mark.parametrize(("params", "threads"), [({"cores": 3}, 3), ({}, 1)])
def test_a_job_works_with_the_threads_it_asked_for_on_however_few_cores(snakemake, params, threads):
    """They decide how sums are rounded, so the number of cores must not."""
    snakemake.params, before = params, torch.get_num_threads()
    try:
        with jobs.job(snakemake):
            assert torch.get_num_threads() == threads
            assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
    finally:
        torch.set_num_threads(before)
    assert f"{threads} thread(s) on 1 core(s)" in snakemake.log[0].read_text()


def test_a_mistake_is_one_line_and_anything_else_leaves_its_traceback(snakemake, capsys):
    with pytest.raises(SystemExit, match="1"), jobs.job(snakemake):
        raise NodalError("w.pt: truncated")
    assert capsys.readouterr().err == "error in rule train: w.pt: truncated\n"
    assert "Traceback" not in snakemake.log[0].read_text()
    with pytest.raises(ZeroDivisionError), jobs.job(snakemake):
        _ = 1 / 0
    said = snakemake.log[0].read_text()
    assert "core(s)\nTraceback" in said
    assert "done" not in said


def test_a_long_job_says_how_far_it_is_after_a_silence_and_only_then(snakemake, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with jobs.job(snakemake) as log:
        for _ in progress.told(iter(range(5)), "batches", 5):
            clock[0] += 0.7 * progress.EVERY
        log("another line")
        assert list(progress.told([7, 8], "others")) == [7, 8]
    list(progress.told(range(3), "after its end"))
    lines = [line.split(" s  ")[1] for line in snakemake.log[0].read_text().splitlines()[1:]]
    assert lines == ["batches: 2 of 5", "batches: 4 of 5", "another line", "done"]


def test_a_job_that_asked_for_a_gpu_and_has_none_says_so():
    assert "compute.gpus: 2, but no GPU is visible" in jobs.missing_gpu(torch.device("cpu"), 2)
    assert jobs.missing_gpu(torch.device("cpu"), 0) is None
    assert jobs.missing_gpu(torch.device("cuda"), 2) is None
