"""SNP matrices, clusters and the dump against the published procedure and the bare forward pass."""

import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import published
import torch
from common import HEADER, row, threads, times
from nodal import activations, models, snp, taps, training
from nodal.pooling import Grid, Sequence
from nodal.training.pixels import Pixels


def snp_rows():
    """10,000 images, 256 nodes, 16 positions, 100 labels, activations in memory."""
    torch.manual_seed(0)
    N, R, D, C = 10_000, 16, 256, 100
    a, weights = torch.randn(N, R, D), torch.randn(C, R, D)
    labels = torch.arange(N) % C
    means = snp.class_means(a, labels, C)
    measured = times({"ours": lambda: snp.snp_matrices(snp.class_means(a, labels, C), weights),
                      "streamed": lambda: snp.snp_matrices(means, weights)})  # fmt: skip
    reference = times({"x": lambda: published.snp_matrices(a, labels, weights, C)}, repeats=1)["x"]
    ours, theirs = snp.snp_matrices(means, weights), published.snp_matrices(a, labels, weights, C)
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    yield row("SNP, 10,000 images x 256 nodes", measured["ours"], reference)
    yield row("SNP, class means added up in the dump", measured["streamed"], reference)
    yield f"{'  largest relative difference':<44} {error:10.1e}"


def position_rows():
    """Fields, clusters and nulls of 256 nodes, 100 labels: one position against four."""
    random = np.random.default_rng(0)
    four = random.normal(size=(2, 100, 4, 256)).astype("f4")

    def described(means, weights):
        return snp.describe(snp.field(means, weights), 0.3, 20, 0)

    measured = times({"one": lambda: described(*four[:, :, :1]), "four": lambda: described(*four)})
    yield row("SNP and null of 256 nodes, R = 1 (and R = 4)", measured["one"], measured["four"])


def cluster_rows():
    """512 nodes, 100 labels: matrices like real ones, and nearly all labels on the diagonal."""
    random = np.random.default_rng(0)
    means, weights = random.normal(size=(2, 100, 4, 512))
    real = snp.binarize(snp.snp_matrices(means, weights), 0.3)
    dense = random.random((512, 100, 100)) < 0.9
    dense[:, range(100), range(100)] = random.random((512, 100)) < 0.98
    for name, boolean in (("rank 4", real), ("nearly all diagonal", dense)):
        part = torch.from_numpy(boolean[:16])
        ours = times({"x": lambda b=boolean: snp.clusters(b)})["x"]
        reference = times({"x": lambda p=part: published.clusters(p)}, repeats=1)["x"]
        assert (snp.clusters(boolean[:16]) == published.clusters(part).numpy()).all()
        yield row(f"clusters of 512 nodes, {name}", ours, [32 * t for t in reference])
    large = random.random((512, 1000, 1000)) < 0.9
    seconds = times({"x": lambda: snp.clusters(large)}, repeats=1)["x"]
    yield f"{'clusters of 512 nodes, 1,000 labels':<44} {seconds[0]:10.4f} s"


def dump_rows():
    """All taps to disk against the bare forward pass: the paper's model, and a far smaller one."""
    for name, n_images in (("cct_7/3x1", 256), ("cct_4/3x2", 4096)):
        yield from _dump_rows({"name": name}, n_images)


def _dump_rows(config, n_images, n_classes=10):
    torch.manual_seed(0)
    model = models.build(config, n_classes, (3, 32, 32)).eval()
    blocks = models.describe(config).blocks
    images = torch.randint(0, 256, (n_images, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(n_images) % n_classes
    reader = Pixels(SimpleNamespace(mean=[0.5] * 3, std=[0.25] * 3), "cpu")
    few = slice(0, n_classes)
    task = training.Task(images, labels, images[few], labels[few], reader, n_classes)
    with torch.no_grad(), taps.capture(model) as captured:
        model(task.prepared(images[:1]))
    queries = {
        tap: (torch.randn(x.shape[2]), torch.ones(x.shape[2])) for tap, x in captured.items()
    }
    forms = {"sequence": Sequence(queries), "grid 1": Grid(1), "grid 2": Grid(2)}
    settings = {"sites": None, "batch_size": 64}
    with tempfile.TemporaryDirectory() as folder:
        targets = activations.Targets(
            {f"block{b}": Path(folder) / f"{b}.h5" for b in range(blocks)}
        )

        def dump(form):
            activations.dump(model, task, form, settings, "fp32", targets, {})

        measured = times(
            {"bare": lambda: training.predict(model, task, images, batch_size=64),
             **{name: partial(dump, form) for name, form in forms.items()}},
            repeats=5,
        )  # fmt: skip
    for name in forms:
        what = f"dump of {len(queries)} taps, {config['name']}, {name}"
        yield row(what, measured[name], measured["bare"])


def main():
    print(f"cpu, {threads()} threads\n{HEADER}")
    for rows in (snp_rows, position_rows, cluster_rows, dump_rows):
        for line in rows():
            print(line, flush=True)


if __name__ == "__main__":
    main()
