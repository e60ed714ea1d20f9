"""Snakemake's lock on a folder: released if no run lives in it, kept while one does.

Snakemake leaves its lock behind when it is killed, and does not record whose it was. So every run
also holds a lock of the operating system on `.snakemake/running` for as long as it lives, which
ends with the process however that ends. Runs share it; only one that finds itself alone may release
what another left behind, and it holds its share before Snakemake takes the folder.
"""

import fcntl
import socket
from pathlib import Path

STATE = Path(".snakemake")
_held = {}  # state folder -> the file whose lock this process holds


def enter(state=STATE):
    """Hold this folder as one of its living runs, and release the lock that a dead one left.

    Returns whether there was one. A lock is left alone if a run lives, if the folder was last used
    from another host, or if the file system has no locks: then `snakemake --unlock` is the user's.
    """
    state = Path(state).absolute()
    if state in _held:
        return False
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = open(state / "running", "a+")  # noqa: SIM115  held until the process ends
    except OSError:
        return False  # a folder that cannot be written is named by whoever has to
    _held[state] = file
    alone = _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    released = alone and _release(state, file)
    _lock(file, fcntl.LOCK_SH)
    return released


def _lock(file, kind):
    try:
        fcntl.flock(file, kind)
    except OSError:
        return False
    return True


def _release(state, file):
    """Remove Snakemake's locks if they are of this host; nobody else lives here."""
    locks = list((state / "locks").glob("*.lock"))
    file.seek(0)
    host = file.read()
    if locks and host != socket.gethostname():
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    file.truncate(0)
    file.write(socket.gethostname())
    file.flush()
    return bool(locks)
