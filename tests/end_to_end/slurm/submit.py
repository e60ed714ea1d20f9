"""Snakemake through the profile of the project, and what Slurm says of its jobs."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
PROFILE = ROOT / "profiles" / "slurm"
POLL = 2  # seconds between questions to Slurm


def project(folder, config):
    """A folder whose config is the project's with these changes; returns Snakemake's arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "changes.yaml").write_text(yaml.safe_dump(config))
    files = [str(ROOT / "config" / "config.yaml"), str(folder / "changes.yaml")]
    return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
            "--directory", str(folder), "--configfile", *files]  # fmt: skip


def through_slurm(*arguments):
    """Arguments that submit through the profile of the project."""
    return ["--profile", str(PROFILE), "--slurm-status-command", "squeue",
            "--slurm-init-seconds-before-status-checks", str(POLL), *arguments]  # fmt: skip


def run(command, environment=None, timeout=600):
    return subprocess.run(
        command, env=environment, cwd=ROOT, timeout=timeout, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def jobs(environment, *, state="all"):
    """What Slurm knows: [{"id", "comment", "state", "cpus", "memory", "limit"}]."""
    columns = {"id": "%i", "comment": "%k", "state": "%T", "cpus": "%C", "memory": "%m",
               "limit": "%l"}  # fmt: skip
    done = run(["squeue", "-h", "-a", "-t", state, "-o", "|".join(columns.values())], environment)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return [dict(zip(columns, row, strict=True)) for row in rows]
