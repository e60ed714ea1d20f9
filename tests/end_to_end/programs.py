"""Debian's own packages for a test that needs a program, by one process of the tests at a time."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def why_not(names, packages):
    """Why programs of these names cannot be had here; None if they are there or just installed."""
    if all(map(shutil.which, names)):
        return None
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"no {names[0]}, and no permission to install the system's packages"
    with Path(tempfile.gettempdir(), "nodal-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return None if all(map(shutil.which, names)) else _install(packages)


def _install(packages):
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}"
    return None
