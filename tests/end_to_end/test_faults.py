"""Kill the real workflow at random moments, fill its disk, damage its files; then start again."""

import os
import random as stdlib_random
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import h5py
import psutil
import pytest
from small import ROOT, Small

pytestmark = pytest.mark.end_to_end

KILLS = 20


def workers(process):
    """The scripts that a running Snakemake has started: {process: rule}."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            line = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if ".snakemake/scripts" in line:
            found[child] = line.rsplit(".", 2)[-2]
    return found


def started(run, options=()):
    """A Snakemake of its own process group, as a terminal starts it."""
    return subprocess.Popen(
        run.command(options=options), cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_twenty_kills_over_all_stages_change_nothing(small, tmp_path):
    chance, run = stdlib_random.Random(2), Small(tmp_path)
    expected, longest = small.artifacts(), max(9.0, small.seconds / 4)
    hit = []
    while len(hit) < KILLS:
        process = started(run)
        time.sleep(chance.uniform(2.0, longest))
        if process.poll() is not None:
            assert process.returncode == 0, "it did not recover from the last kill"
            assert not run.unlike(expected)
            shutil.rmtree(tmp_path / "results")
            continue
        running = workers(process)
        hit.append("+".join(sorted(running.values())) or "between jobs")
        if running and chance.random() < 0.5:
            with suppress(psutil.NoSuchProcess):  # it may have ended since
                chance.choice(list(running)).kill()
            process.wait(120)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print("\nkilled during:", ", ".join(hit))
    done = run.run()
    assert done.returncode == 0, done.stdout
    assert not run.unlike(expected)
    left = [p for p in tmp_path.rglob("*") if p.name.endswith((".tmp", ".part"))]
    assert not left
    assert not (tmp_path / "results/small/seed0/checkpoint.pt").exists()
    assert not list(tmp_path.glob(".snakemake/locks/*"))
    assert len(set(hit)) >= 5, "the kills met several stages"


def test_a_dump_that_a_killed_run_forgot_is_removed(small, tmp_path):
    """As if killed after the last reader of a dump and before the dump was removed."""
    expected, run = small.artifacts(), small.copied(tmp_path)
    seed = tmp_path / "results/small/seed0"
    for stage in ("readout", "extremes", "snp", "heads", "pruning"):
        shutil.rmtree(seed / stage)
    shutil.rmtree(tmp_path / "results/small/tables")
    readers = [f"results/small/seed0/readout/block{block}.h5" for block in (0, 1)]
    done = run.run(*readers, options=["--notemp"])
    assert done.returncode == 0, done.stdout
    assert len(list((seed / "activations").iterdir())) == 2
    asked = run.run(
        "results/small/seed0/activations/block1.h5", readers[0].replace("readout", "snp")
    )
    assert asked.returncode == 0, asked.stdout
    assert (seed / "activations" / "block1.h5").exists()
    done = run.run()
    assert done.returncode == 0, done.stdout
    assert not run.unlike(expected)
    assert not (seed / "activations").exists()
    until = ["--forcerun", "activations_small", "--until", "activations_small"]
    done = run.run(options=until)
    assert done.returncode == 0, done.stdout
    assert len(list((seed / "activations").iterdir())) == 2, "they were asked for"


def mount(path, *options):
    path.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "tmpfs", str(path)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting a small disk needs root")


@pytest.fixture
def small_disk(tmp_path):
    """A results folder on a disk of its own, as large as the test says."""
    path = tmp_path / "results"

    def make(*options):
        mount(path, *options)
        return Small(tmp_path)

    yield make
    subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


def resize(run, megabytes):
    options = f"remount,size={megabytes}m"
    subprocess.run(["mount", "-o", options, str(run.folder / "results")], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_half_written(small, small_disk):
    """Filled by an early stage, by a later one after room was made, and then not."""
    expected, run = small.artifacts(), small_disk("-o", "size=1m")
    for megabytes in (1, 3):
        resize(run, megabytes)
        failed = run.run()
        assert failed.returncode != 0
        assert "No space left on device" in failed.stdout, failed.stdout
        for name, content in run.artifacts().items():
            if name in expected:
                assert content == expected[name], f"{name} is half-written"
        assert not list(run.folder.rglob("*.tmp"))
    resize(run, 200)
    assert run.run().returncode == 0
    assert not run.unlike(expected)


def test_a_read_only_results_folder_is_named(small_disk):
    failed = small_disk("-o", "ro").run("results/data/digits.h5")
    assert failed.returncode != 0
    assert "results" in failed.stdout
    assert "Read-only file system" in failed.stdout


@pytest.mark.parametrize(
    ("damaged", "target"),
    [
        ("data/digits.h5", "small/seed0/model.pt"),
        ("small/seed0/model.pt", "small/seed0/heads/silencing.csv"),
        ("small/seed0/readout/block1.h5", "small/seed0/snp/block1.h5"),
        ("small/seed0/snp/block1.h5", "small/seed0/heads/block1.csv"),
    ],
)
def test_an_artifact_damaged_on_disk_is_named_when_next_read(small, tmp_path, damaged, target):
    run = small.copied(tmp_path)
    path, made = tmp_path / "results" / damaged, tmp_path / "results" / target
    whole, old, times = path.read_bytes(), made.read_bytes(), path.stat()
    content = bytearray(whole)
    content[_inside_an_array(path)] ^= 0xFF
    made.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    failed = run.run(f"results/{target}")
    assert failed.returncode != 0
    assert f"results/{damaged}: not a" in failed.stdout, failed.stdout
    assert not made.exists()
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run.run(f"results/{target}").returncode == 0
    assert made.read_bytes() == old


def _inside_an_array(path):
    """A place in the middle of the largest array stored in a file."""
    if path.suffix == ".pt":
        return path.stat().st_size // 2
    with h5py.File(path) as file:
        arrays = []
        part = file.get("heads", file)  # what the next stage reads of it
        part.visititems(lambda _, x: arrays.append(x) if isinstance(x, h5py.Dataset) else None)
        largest = max(arrays, key=lambda a: a.id.get_storage_size())
        if largest.chunks is None:
            return largest.id.get_offset() + largest.nbytes // 2
        chunk = largest.id.get_chunk_info(0)
        return chunk.byte_offset + chunk.size // 2


@pytest.mark.parametrize("options", [(), ("--no-hooks",)], ids=["", "no hooks"])
def test_a_second_start_beside_a_living_one_is_refused(tmp_path, options):
    """The lock of a living run holds, though it is stopped; a dry run beside it touches nothing."""
    run = Small(tmp_path)
    first = started(run, options)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".snakemake/locks/*.lock")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(first.pid, signal.SIGSTOP)
        locks = {p: p.stat().st_mtime_ns for p in tmp_path.glob(".snakemake/locks/*.lock")}
        plan = run.run(options=("-n",))
        assert plan.returncode == 0, plan.stdout
        second = run.run()
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout
        assert locks == {p: p.stat().st_mtime_ns for p in tmp_path.glob(".snakemake/locks/*.lock")}
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert run.run("results/data/digits.h5").returncode == 0
