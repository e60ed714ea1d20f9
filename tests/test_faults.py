"""Kill the real workflow at random moments, fill its disk, damage its files; then start again."""

import os
import random as stdlib_random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import psutil
import pytest
import yaml

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[1]
KILLS = 20
SMALL = {
    "demo": ["small"],
    "compare": {},
    "experiments": {
        "small": {
            "dataset": "digits",
            "seeds": [0],
            "model": {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1},
            "train": {"epochs": 12, "warmup_epochs": 0, "batch_size": 64},
            "pruning": {"methods": ["andc", "random"], "thresholds": [0.3, 0.6], "epochs": 1},
        }
    },
}


def command(folder, *arguments):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    files = [str(ROOT / "config" / "config.yaml"), str(folder / "small.yaml")]
    return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores",
            "2", "--directory", str(folder), "--configfile", *files, "--",
            *(arguments or ["demo"])]  # fmt: skip


def run(folder, *arguments):
    return subprocess.run(
        command(folder, *arguments), cwd=ROOT, text=True, check=False, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def artifacts(folder):
    """{name: bytes} of every result but logs and timings."""
    results = folder / "results"
    files = (p for p in results.rglob("*") if p.is_file())
    return {
        str(p.relative_to(results)): p.read_bytes()
        for p in files
        if p.relative_to(results).parts[0] not in ("logs", "benchmarks")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run(folder)
    assert done.returncode == 0, done.stdout
    return folder


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


def test_twenty_kills_over_all_stages_change_nothing(undisturbed, tmp_path):
    chance = stdlib_random.Random(2)
    expected = artifacts(undisturbed)
    hit = []
    while len(hit) < KILLS:
        process = subprocess.Popen(
            command(tmp_path), cwd=ROOT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(2.0, 9.0))
        if process.poll() is not None:
            assert process.returncode == 0, "it did not recover from the last kill"
            assert artifacts(tmp_path) == expected
            shutil.rmtree(tmp_path / "results")
            continue
        running = workers(process)
        hit.append("+".join(sorted(running.values())) or "between jobs")
        if running and chance.random() < 0.5:
            chance.choice(list(running)).kill()
            process.wait(120)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print("\nkilled during:", ", ".join(hit))
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert artifacts(tmp_path) == expected
    left = [p for p in tmp_path.rglob("*") if p.name.endswith((".tmp", ".part"))]
    assert not left
    assert not (tmp_path / "results/small/seed0/checkpoint.pt").exists()
    assert not list(tmp_path.glob(".snakemake/locks/*"))
    assert len(set(hit)) >= 5, "the kills met several stages"


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
        return tmp_path

    yield make
    subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


@pytest.mark.parametrize("megabytes", [1, 3])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(undisturbed, small_disk, megabytes):
    folder = small_disk("-o", f"size={megabytes}m")
    failed = run(folder)
    assert failed.returncode != 0
    assert "No space left on device" in failed.stdout, failed.stdout
    expected = artifacts(undisturbed)
    for name, content in artifacts(folder).items():
        if name in expected:
            assert content == expected[name], f"{name} is half-written"
    assert not list(folder.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder / "results")], check=True)
    assert run(folder).returncode == 0
    assert artifacts(folder) == expected


def test_a_read_only_results_folder_is_named(small_disk):
    folder = small_disk("-o", "ro")
    failed = run(folder)
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
def test_an_artifact_damaged_on_disk_is_named_when_next_read(undisturbed, damaged, target):
    path = undisturbed / "results" / damaged
    whole, old = path.read_bytes(), (undisturbed / "results" / target).read_bytes()
    content = bytearray(whole)
    content[_inside_an_array(path)] ^= 0xFF
    (undisturbed / "results" / target).unlink()
    times = path.stat()
    try:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        failed = run(undisturbed, f"results/{target}")
        assert failed.returncode != 0
        assert f"results/{damaged}: not a" in failed.stdout, failed.stdout
        assert not (undisturbed / "results" / target).exists()
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(undisturbed, f"results/{target}").returncode == 0
    assert (undisturbed / "results" / target).read_bytes() == old


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


def test_a_second_start_beside_a_running_one_is_refused(tmp_path):
    """The lock of a living run holds."""
    first = subprocess.Popen(
        command(tmp_path), cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / ".snakemake" / "owner.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = run(tmp_path)
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
