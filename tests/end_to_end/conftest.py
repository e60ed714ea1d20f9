"""One small experiment, made once and shared: a run costs minutes, a copy of it nothing."""

import fcntl
import time

import pytest
from small import Small


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """`small` made to its end by the first process of the tests that asks; copied to be changed."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    made, done = Small(base / "small"), base / "small.seconds"
    with (base / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            started = time.monotonic()
            run = made.run()
            assert run.returncode == 0, run.stdout
            done.write_text(str(time.monotonic() - started))
    return Small(made.folder, float(done.read_text()))
