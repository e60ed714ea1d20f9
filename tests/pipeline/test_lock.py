"""A lock is released exactly if no run of the folder lives."""

import signal
import subprocess
import sys

import pytest
from nodal.pipeline import lock

ENTER = """
import sys, time
from nodal.pipeline import lock
print(lock.enter(sys.argv[1]), flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that enters the folder; returns it and whether it released a lock."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", ENTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline().strip() == "True"

    yield start
    for process in started:
        process.kill()
        process.wait()


def take(folder):
    """What Snakemake does when it takes a folder."""
    (folder / "locks").mkdir(exist_ok=True)
    path = folder / "locks" / "0.input.lock"
    path.touch()
    return path


def test_a_lock_goes_with_its_holder_and_not_before(tmp_path, start):
    first, released = start()
    assert not released
    held = take(tmp_path)
    first.send_signal(signal.SIGSTOP)
    assert not lock.enter(tmp_path)
    assert held.exists()
    lock._held.pop(tmp_path).close()
    first.kill()
    first.wait()
    assert lock.enter(tmp_path)
    assert not held.exists()
    lock._held.pop(tmp_path).close()


def test_whoever_lives_protects_it_though_it_came_second(tmp_path, start):
    """The first run ends without the lock, the second holds it: a third must see the second."""
    first, _ = start()
    _, released = start()
    assert not released
    first.kill()
    first.wait()
    held = take(tmp_path)
    assert not start()[1]
    assert held.exists()


def test_a_lock_of_another_host_is_left_alone(tmp_path):
    held = take(tmp_path)
    (tmp_path / "running").write_text("elsewhere")
    assert not lock.enter(tmp_path)
    assert held.exists()
    assert (tmp_path / "running").read_text() == "elsewhere"
    lock._held.pop(tmp_path).close()


def test_a_file_system_without_locks_keeps_it(tmp_path, monkeypatch):
    held = take(tmp_path)

    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    assert not lock.enter(tmp_path)
    assert held.exists()
    lock._held.pop(tmp_path).close()


def test_a_second_look_of_the_same_process_changes_nothing(tmp_path):
    assert not lock.enter(tmp_path)
    held = take(tmp_path)
    assert not lock.enter(tmp_path)
    assert held.exists()
    lock._held.pop(tmp_path).close()
