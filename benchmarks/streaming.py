"""An epoch of training from the disk, a tenth of the images allowed in memory, against memory.

On the clock, which sees the waiting for the disk; the file is put out of the system's memory first.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import HEADER, row, threads, times
from nodal import datasets, training

MODELS = {
    "CCT-2 on 32 x 32": (32, {"name": "cct_2/3x2"}),
    "VGG-11 of width 16 on 64 x 64": (64, {"name": "vgg11", "width": 16}),
}
RECIPE = {"batch_size": 128, "eval_every": 100, "crop": 0.8, "flip": True}


def dataset(folder, side, n):
    """Random images of ten labels, prepared as the workflow prepares them."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, size in (("train", n), ("test", 10)):
        arrays[f"x_{split}"] = random.integers(0, 256, (size, side, side, 3), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(size) % 10
    np.savez(folder / "images.npz", **arrays)
    defaults = {"source": "npz", "train": "train", "test": None, "tokenizer": None}
    datasets.prepare(folder / "images.h5", "random", defaults, {"data": str(folder / "images.npz")})
    return folder / "images.h5"


def forget(path):
    """Have the system read a file from the disk again."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def epoch(opened, config, memory, path=None):
    kept = None if path else training.Task.bounded(opened, memory=memory)

    def run():
        if path:
            forget(path)  # which does not reach what is mapped, so each time it is mapped anew
        task = kept or training.Task.bounded(opened, memory=memory)
        model = training.initial_model(config, opened, 0)
        settings = training.complete({**RECIPE, "epochs": 1, "warmup_epochs": 0})
        optimizer = torch.optim.AdamW(training.parameter_groups(model, 0.05), lr=1e-3, fused=True)
        torch.manual_seed(0)
        return training.run_epoch(model, model, optimizer, task, settings, 0)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"cpu, {threads()} threads\n{HEADER}")
    for name, (side, config) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = dataset(Path(folder), side, options.images)
            with datasets.opened(path) as opened:
                size = training.n_bytes(opened.train.inputs)
                runs = {"disk": epoch(opened, config, size // 10, path),
                        "memory": epoch(opened, config, size)}  # fmt: skip
                assert runs["disk"]() == runs["memory"](), "the same loss to the bit"
                measured = times(runs, options.repeats, time.perf_counter)
                print(row(f"epoch from disk, {name}", measured["disk"], measured["memory"]))
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB")


if __name__ == "__main__":
    main()
