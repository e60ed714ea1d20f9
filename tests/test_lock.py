"""A lock is released exactly if the process that signed it is gone."""

import json
import os
import subprocess

import pytest
from nodal import lock


@pytest.fixture
def state(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    return tmp_path


def test_a_living_holder_keeps_it(state):
    lock.sign(state)
    assert not lock.release_if_abandoned(state)
    assert list((state / "locks").iterdir())


def test_a_dead_holder_loses_it(state):
    process = subprocess.Popen(["sleep", "60"])
    (state / "owner.json").write_text(json.dumps(lock._signature(process.pid)))
    assert not lock.release_if_abandoned(state)
    process.kill()
    process.wait()
    assert lock.release_if_abandoned(state)
    assert not list((state / "locks").iterdir())
    assert not lock.release_if_abandoned(state)


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere", "pid": 0}, {"pid": "x"}, None], ids=["host", "broken", "none"]
)
def test_a_lock_of_unknown_holder_is_left_alone(state, change):
    lock.sign(state)
    owner = json.loads((state / "owner.json").read_text())
    text = json.dumps({"host": owner["host"], **change} if change else owner)
    (state / "owner.json").write_text(text if change else "{")
    assert not lock.release_if_abandoned(state)
    assert list((state / "locks").iterdir())


def test_another_process_of_the_same_number_is_not_the_holder(state):
    lock.sign(state)
    owner = json.loads((state / "owner.json").read_text())
    assert owner["pid"] == os.getpid()
    (state / "owner.json").write_text(json.dumps({**owner, "started": owner["started"] - 100}))
    assert lock.release_if_abandoned(state)
