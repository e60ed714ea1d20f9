"""The paper's trainings and their analysis, in pieces of ten minutes: call it until all is made.

A machine that is lent for minutes does it piece by piece: every call goes on where the last one was
cut, a training after its last epoch, the analysis after its last file, all trainings first. What is
kept lies in --directory. Experiments: those of `run:`, or the ones that are named. Of jobs that use
a GPU one at once. Exit code 0 when all is made, 3 while something is left, 4 where a call finished
no epoch and no file, so that another like it would not either; else Snakemake's.

    python benchmarks/paper.py --minutes 10 --directory runs [--configfile mine.yaml] [experiments]
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from nodal.errors import NodalError
from nodal.files import storage
from nodal.pipeline import command, config
from nodal.training.recipe import n_epochs

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config" / "config.yaml"
LEFT, NOTHING = 3, 4  # exit codes
ENDING = 40  # seconds at most of a call's minutes in which jobs may end


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="*")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--directory", type=Path, default=ROOT)
    parser.add_argument("--configfile", type=Path, help="laid over the project's config")
    parser.add_argument("--cores", default=str(os.cpu_count()))
    return parser.parse_args()


def checked(given):
    """The experiments to make, by name, as Snakemake sees them."""
    files = [CONFIG, *([given.configfile] if given.configfile else [])]
    laid = config.check(command.merged(map(command.read_config, files)))
    for name in given.experiments:
        if name not in laid["experiments"]:
            raise NodalError(f"{name}: no experiment of {', '.join(map(str, files))}")
    return {name: laid["experiments"][name] for name in given.experiments or laid["run"]}


def has_gpu():
    listing = shutil.which("nvidia-smi")
    if not listing:
        return False
    found = subprocess.run([listing, "-L"], capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.startswith("GPU ")


def run(given, names, targets, deadline):
    """Snakemake until the deadline; its exit code, or LEFT if it was cut. No targets: all."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
            "--directory", str(given.directory), "--cores", given.cores, "--rerun-incomplete",
            "--quiet", "rules", *(["--resources", "gpu=1"] if has_gpu() else []),
            "--configfile", str(CONFIG),
            *([str(given.configfile.resolve())] if given.configfile else []),
            "--config", f"run=[{', '.join(names)}]", "--", *targets,
        ],
        start_new_session=True,
    )  # fmt: skip
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
            process.wait(ENDING / 2)


def state(folder):
    """What would change if an epoch or a file were finished."""
    files = (path for path in (folder / "results").rglob("*") if path.is_file())
    return {
        path: path.stat().st_mtime_ns
        for path in files
        if path.relative_to(folder / "results").parts[0] not in ("logs", "benchmarks")
        and path.suffix != ".tmp"
    }


def progress(folder, settings):
    """`300/310 epochs, accuracy 0.7712` of a training, from its checkpoint or its end."""
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
    given, started = options(), time.monotonic()
    experiments = checked(given)
    deadline = started + 60 * given.minutes - min(ENDING, 6 * given.minutes)
    given.directory.mkdir(parents=True, exist_ok=True)
    before = state(given.directory)
    trained = {own.get("network") or name: own for name, own in experiments.items()}
    seeds = [(name, seed) for name, own in trained.items() for seed in own["seeds"]]
    trainings = [f"results/{name}/seed{seed}/model.pt" for name, seed in seeds]
    code = run(given, experiments, trainings, deadline) if trainings else 0
    if code == 0:
        code = run(given, experiments, [], deadline)
    for name, seed in seeds:
        folder = given.directory / "results" / name / f"seed{seed}"
        print(f"{name:<24} seed {seed}   {progress(folder, trained[name]['train'])}")
    if code == LEFT and state(given.directory) == before:
        code = NOTHING
    print({
        0: "all is made", LEFT: "not finished: call again",
        NOTHING: "no epoch and no file was finished: call again with more minutes",
    }.get(code, "failed"))  # fmt: skip
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NodalError as error:
        sys.exit(f"error: {error}")
