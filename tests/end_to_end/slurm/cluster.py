"""Real Slurm daemons on this one machine, in a folder of their own: munged, slurmctld, slurmd.

As a program: `python tests/end_to_end/slurm/cluster.py FOLDER` installs what is missing (as root,
with apt), starts the daemons, prints the line that points a shell at them, and takes them down on
Ctrl-C.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import programs

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
PACKAGES = ("slurm-wlm", "munge")
CLIENTS = (
    "sbatch",
    "srun",
    "squeue",
    "scancel",
    "sinfo",
    "scontrol",
    "sacct",
    "sacctmgr",
    "sshare",
)
SBIN = os.pathsep.join(["/usr/sbin", "/sbin"])

CONF = """\
ClusterName=nodal
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
KillWait=2
ReturnToService=2
SchedulerParameters=sched_interval=2,batch_sched_delay=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Why Slurm cannot be had here; None if it is there or was installed just now."""
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], SBIN])
    if os.geteuid() != 0:
        return "the Slurm daemons need root"
    return programs.why_not(DAEMONS, PACKAGES)


def _free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _configure(folder):
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    ports = _free_ports(2)
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    text = CONF.format(
        folder=folder,
        host=socket.gethostname().partition(".")[0],
        controller_port=ports[0],
        node_port=ports[1],
        cpus=os.cpu_count(),
        memory=int(0.95 * megabytes),
    )
    (folder / "slurm.conf").write_text(text)
    _wrap_clients(folder)


def _wrap_clients(folder):
    """Commands that find this cluster by themselves: a job step drops SLURM_CONF on its way."""
    (folder / "bin").mkdir()
    for name in CLIENTS:
        wrapper = folder / "bin" / name
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(name)} "$@"\n'
        )
        wrapper.chmod(0o755)


def _commands(folder):
    munge = ["munged", "--foreground", "--force", "--num-threads=2"]
    for option, name in (("key-file", "munge.key"), ("socket", "munge.socket"),
                         ("pid-file", "munged.pid"), ("log-file", "munged.log"),
                         ("seed-file", "munged.seed")):  # fmt: skip
        munge.append(f"--{option}={folder / name}")
    yield munge
    yield ["slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf")]
    yield ["slurmd", "-D", "-c", "-f", str(folder / "slurm.conf")]


@contextlib.contextmanager
def running(folder, timeout=60):
    """Start the daemons; yield the environment for Slurm's commands; stop them and their jobs.

    Raises RuntimeError with the end of the logs if the node is not idle within `timeout` seconds.
    """
    folder = Path(folder).resolve()
    _configure(folder)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    daemons = []
    try:
        for command in _commands(folder):
            with open(folder / f"{command[0]}.out", "w") as log:
                options = {"stdout": log, "stderr": log, "start_new_session": True}
                daemons.append(subprocess.Popen(command, env=environment, **options))
            time.sleep(1)
        _wait_until_idle(folder, environment, timeout)
        yield environment
    finally:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "-u", "root"], env=environment, check=False, timeout=10)
            time.sleep(3)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _wait_until_idle(folder, environment, timeout):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = [f"{p.name}: {p.read_text()[-1500:]}" for p in folder.iterdir()
            if p.suffix in (".log", ".out")]  # fmt: skip
    raise RuntimeError("the Slurm node did not become idle\n" + "\n".join(logs))


if __name__ == "__main__":
    reason = why_not()
    if reason:
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with running(sys.argv[1]) as env, contextlib.suppress(KeyboardInterrupt):
        print(f"export PATH={env['PATH']}", flush=True)
        while True:
            time.sleep(3600)
