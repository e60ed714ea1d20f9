"""The paper's trainings and their analysis, in pieces of ten minutes: call it until all is made.

A machine that is lent for minutes does it piece by piece: every call goes on where the last one was
cut, a training after its last epoch, and the analysis after its last file. What is kept lies in
--directory. Exit code 0 when all is made, 3 while something is left, else Snakemake's.

    python benchmarks/paper.py --minutes 10 --directory runs [--configfile mine.yaml] [experiments]
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from nodal.errors import NodalError
from nodal.files import storage
from nodal.pipeline import config
from nodal.training.recipe import n_epochs

ROOT = Path(__file__).parents[1]
LEFT, KILLED_AFTER = 3, 20  # an exit code; seconds
PAPER = ["cifar100", "cifar100_vgg", "flowers102"]


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="*", default=PAPER)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--directory", type=Path, default=ROOT)
    parser.add_argument("--configfile", type=Path, help="laid over the project's config")
    parser.add_argument("--cores", default=str(os.cpu_count()))
    return parser.parse_args()


def checked(path):
    """The project's config with a file laid over it, as Snakemake sees it."""
    raw = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    if path:
        merge(raw, yaml.safe_load(path.read_text()))
    return config.check(raw)["experiments"]


def merge(below, above):
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merge(below[key], value)
        else:
            below[key] = value


def run(given, targets, deadline):
    """Snakemake until the deadline; its exit code, or LEFT if it was cut."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory",
        given.directory, "--cores", given.cores, "--rerun-incomplete", "--quiet", "rules",
        "--configfile", ROOT / "config" / "config.yaml",
    ]  # fmt: skip
    command += [given.configfile.resolve()] if given.configfile else []
    process = subprocess.Popen([*map(str, command), "--", *targets], start_new_session=True)
    try:
        return process.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        end(process)
        return LEFT


def end(process):
    """Stop the whole group: jobs are children of Snakemake, and each keeps its state."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILLED_AFTER)


def progress(folder, settings):
    """`300/310 epochs, 0.7712` of a training, from its checkpoint or its end."""
    total = n_epochs(settings)
    try:
        if (folder / "history.csv").exists():
            history = storage.read_csv(folder / "history.csv").to_dict("records")
        else:
            history = storage.load_torch(folder / "checkpoint.pt")["history"]
    except NodalError:
        return f"0/{total} epochs"
    tested = [row["test_accuracy"] for row in history if row["test_accuracy"] >= 0]
    return f"{len(history)}/{total} epochs" + (f", accuracy {tested[-1]:.4f}" if tested else "")


def main():
    given = options()
    deadline = time.monotonic() + 60 * given.minutes
    given.directory.mkdir(parents=True, exist_ok=True)
    experiments = checked(given.configfile)
    seeds = [(name, seed) for name in given.experiments for seed in experiments[name]["seeds"]]
    trainings = [f"results/{name}/seed{seed}/model.pt" for name, seed in seeds]
    code = run(given, trainings, deadline)
    if code == 0:
        code = run(given, [f"results/{e}/tables/claims.csv" for e in given.experiments], deadline)
    for name, seed in seeds:
        folder = given.directory / "results" / name / f"seed{seed}"
        print(f"{name:<24} seed {seed}   {progress(folder, experiments[name]['train'])}")
    print({0: "all is made", LEFT: "not finished: call again"}.get(code, "failed"))
    return code


if __name__ == "__main__":
    sys.exit(main())
