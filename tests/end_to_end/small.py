"""A small experiment that several tests make, damage and change."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SMALL = {
    "demo": ["small"],
    "compare": {},
    "experiments": {
        "small": {
            "dataset": "digits",
            "seeds": [0],
            "model": {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1},
            "train": {"epochs": 6, "warmup_epochs": 0, "batch_size": 64},
            "pooling": {"epochs": 5},
            "readout": {"penalties": [0.01]},
            "pruning": {
                "methods": ["andc", "random"], "dilutions": [0.5], "epochs": 0.5, "scopes": ["all"],
            },
        }
    },
}  # fmt: skip


@dataclass
class Small:
    """The experiment `small` in a folder of its own."""

    folder: Path
    seconds: float = 0.0  # that its run took from nothing to its end

    def write(self, name="small.yaml", **changes):
        """A config file of the experiment with some of its settings changed: its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load(yaml.safe_dump(SMALL))
        config["experiments"]["small"].update(changes)
        (self.folder / name).write_text(yaml.safe_dump(config))
        return self.folder / name

    def command(self, *targets, options=()):
        files = [str(ROOT / "config" / "config.yaml"), str(self.write())]
        return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
                "--directory", str(self.folder), "--cores", "2", *options,
                "--configfile", *files, "--", *(targets or ["demo"])]  # fmt: skip

    def run(self, *targets, options=()):
        return subprocess.run(
            self.command(*targets, options=options), cwd=ROOT, text=True, check=False, timeout=900,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def artifacts(self):
        """{name: bytes} of every result but logs and timings."""
        results = self.folder / "results"
        files = (p for p in results.rglob("*") if p.is_file())
        return {
            str(p.relative_to(results)): p.read_bytes()
            for p in files
            if p.relative_to(results).parts[0] not in ("logs", "benchmarks")
        }

    def unlike(self, expected):
        """The names of results that are not there, or extra, or not byte for byte the expected."""
        made = self.artifacts()
        return sorted(n for n in made.keys() | expected if made.get(n) != expected.get(n))

    def copied(self, folder):
        """The same in another folder, with the times of all files: nothing is left to do there."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, symlinks=True)
        return Small(Path(folder), self.seconds)
