"""Snakemake's lock on a folder: released if its holder was killed, kept if the holder lives.

Snakemake leaves the lock behind when it is killed, and does not record whose it was. So whoever
takes it signs here, and the next run looks whether that process still exists.
"""

import json
import os
import socket
from pathlib import Path

import psutil

STATE = Path(".snakemake")


def _signature(pid):
    return {"host": socket.gethostname(), "pid": pid, "started": psutil.Process(pid).create_time()}


def sign(state=STATE):
    """Note that this process holds the lock of the folder."""
    (state / "owner.json").write_text(json.dumps(_signature(os.getpid())))


def release_if_abandoned(state=STATE):
    """Remove the lock if the process that signed it is gone; returns whether it did.

    A lock that nobody signed, or that was signed on another host, is left alone.
    """
    locks = list((state / "locks").glob("*.lock"))
    try:
        owner = json.loads((state / "owner.json").read_text())
        if not locks or owner["host"] != socket.gethostname():
            return False
        if _signature(owner["pid"]) == owner:
            return False
    except psutil.NoSuchProcess:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True
