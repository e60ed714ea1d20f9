"""Time and peak memory of each stage as images, nodes, labels and blocks grow; a table and a plot.

`python benchmarks/growth.py` measures every stage at every size in a process of its own and writes
docs/performance/growth.csv and growth.png. Memory is the process's peak above what its imports and,
for stages that take arrays, its arrays need. The readout's cap on memory is lowered so that its
largest sizes stream from disk, as they would at the default cap with more images.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASE = {"images": 4000, "nodes": 128, "labels": 20, "blocks": 2}
SIZES = {
    "images": (2000, 4000, 8000, 16000),
    "nodes": (64, 128, 256, 512),
    "labels": (10, 30, 100, 300, 1000),
    "blocks": (1, 2, 4, 8),
}
GROWS_WITH = {
    "dump": ("images", "nodes", "labels", "blocks"),
    "readout": ("images", "nodes", "labels"),
    "snp": ("nodes", "labels"),
    "clusters": ("nodes", "labels"),
    "heads": ("nodes", "labels"),
}
CAP = 2**24  # bytes of features a readout may hold here
OUT = Path(__file__).parents[1] / "docs" / "performance"


def prepare(stage, size, folder):
    """What a stage reads -> a function without arguments that runs it."""
    import numpy as np
    from nodal import heads, snp

    random, C, D = np.random.default_rng(0), size["labels"], size["nodes"]
    labels = np.arange(max(size["images"], C)) % C
    if stage in ("dump", "readout"):
        return (_dump if stage == "dump" else _readout)(size, folder, random, labels)
    means, weights = random.normal(size=(2, C, 4, D)).astype("f4")
    if stage == "snp":
        return lambda: snp.field(means, weights)
    boolean = snp.binarize(snp.snp_matrices(means, weights), 0.3)
    if stage == "clusters":
        return lambda: snp.clusters(boolean)
    diagonal = np.diagonal(boolean, axis1=1, axis2=2)
    return lambda: heads.symmetry_breaking(diagonal, 4, 1000, 0)


def _dump(size, folder, random, labels):
    import h5py
    from nodal import activations, models, training
    from nodal.datasets import Dataset, Split
    from nodal.pooling import Grid

    C, n = size["labels"], len(labels)
    with h5py.File(folder / "images.h5", "w") as file:
        data = file.create_dataset("x", (n, 32, 32, 3), "u1", chunks=(256, 32, 32, 3))
        for start in range(0, n, 256):
            data[start : start + 256] = random.integers(
                0, 256, data[start : start + 256].shape, "u1"
            )
    config = {"name": "cct/3x2", "width": size["nodes"], "depth": size["blocks"], "heads": 4}
    model = models.build(config, C, (3, 32, 32))
    paths = {f"block{b}": folder / f"{b}.h5" for b in range(size["blocks"])}
    settings = {"grid": 2, "sites": ["heads", "proj", "hidden", "ff"], "batch_size": 256}

    def run():
        with h5py.File(folder / "images.h5") as file:
            few = Split(file["x"][:C], labels[:C])
            names = [str(c) for c in range(C)]
            images = Dataset(Split(file["x"], labels), few, names, [0.5] * 3, [0.25] * 3)
            task = training.Task.streamed(images)
            activations.dump(model, task, Grid(2), settings, "fp32", activations.Targets(paths), {})

    return run


def _readout(size, folder, random, labels):
    import h5py
    import torch
    from nodal import readout

    C, D, n = size["labels"], size["nodes"], len(labels)
    readout.IN_MEMORY = CAP
    centres = random.normal(size=(C, 4, D)).astype("f4")
    with h5py.File(folder / "a.h5", "w") as file:
        data = file.create_dataset("a", (n, 4, D), "f2", chunks=(256, 4, D))
        for start in range(0, n, 256):
            part = labels[start : start + 256]
            noise = 3 * random.normal(size=(len(part), 4, D))
            data[start : start + len(part)] = centres[part] + noise
    y = torch.from_numpy(labels)

    def run():
        with h5py.File(folder / "a.h5") as file:
            problem = readout.Problem(readout.Features(file["a"]), y, C)
            readout.minimise(problem, 1e-2, 1e-9, 30)

    return run


def one(stage, size):
    """Measure in this process; print seconds and megabytes above the start."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(stage, size, Path(folder))
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = _memory("VmRSS")
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "megabytes": _memory("VmHWM") - before}))


def _memory(field):
    """A field of the process's status in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure(stages):
    import pandas as pd

    rows = []
    for stage in stages:
        for axis in GROWS_WITH[stage]:
            for value in SIZES[axis]:
                size = {**BASE, axis: value}
                done = subprocess.run(
                    [sys.executable, __file__, "--one", stage, json.dumps(size)],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                rows.append(
                    {"stage": stage, "axis": axis, "size": value, **json.loads(done.stdout)}
                )
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def exponents(table):
    """Slope of log time against log size over the upper half of each axis's sizes."""
    import numpy as np

    for (stage, axis), rows in table.groupby(["stage", "axis"], sort=False):
        upper = rows.tail(3)
        slope = np.polyfit(np.log(upper["size"]), np.log(upper.seconds), 1)[0]
        yield stage, axis, slope, rows.megabytes.iloc[0], rows.megabytes.iloc[-1]


def plot(table, path):
    from nodal.figures.style import BLUE, COLUMN, GREEN, ORANGE, PURPLE, VERMILION, paper, plt

    colours = dict(zip(GROWS_WITH, (BLUE, VERMILION, GREEN, PURPLE, ORANGE), strict=True))
    markers = dict(zip(GROWS_WITH, "os^Dv", strict=True))
    with paper():
        figure, axes = plt.subplots(2, 4, figsize=(2.2 * COLUMN, 1.2 * COLUMN), sharey="row")
        for column, axis in enumerate(SIZES):
            for stage, rows in table[table.axis == axis].groupby("stage", sort=False):
                style = {"color": colours[stage], "marker": markers[stage], "label": stage}
                axes[0, column].loglog(rows["size"], rows.seconds, **style)
                axes[1, column].semilogx(rows["size"], rows.megabytes, **style)
            for panel in axes[:, column]:
                panel.set_xticks(SIZES[axis], [f"{s:,}" for s in SIZES[axis]], rotation=45)
                panel.minorticks_off()
            axes[1, column].set_xlabel(axis)
        axes[0, 0].set_ylabel("time (s)")
        axes[1, 0].set_ylabel("peak memory (MB)")
        handles, labels = axes[0, 1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
        figure.savefig(path, dpi=200)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("STAGE", "SIZE"))
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="only these, others as they are")
    options = parser.parse_args()
    if options.one:
        one(options.one[0], json.loads(options.one[1]))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    table = measure(options.stages or GROWS_WITH)
    if options.stages:
        import pandas as pd

        old = pd.read_csv(OUT / "growth.csv")
        table = pd.concat([table, old[~old.stage.isin(options.stages)]])
    table.to_csv(OUT / "growth.csv", index=False, float_format="%.4g")
    plot(table, OUT / "growth.png")
    print(f"\n{'stage':<10}{'axis':<10}{'exponent':>9}   peak memory, smallest and largest size")
    for stage, axis, slope, low, high in exponents(table):
        print(f"{stage:<10}{axis:<10}{slope:>9.2f}   {low:7.0f} MB {high:7.0f} MB")


if __name__ == "__main__":
    main()
