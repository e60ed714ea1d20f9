"""Check what `make demo` left: every artifact whole, every figure drawn, the seeds accurate.

Given a report of Snakemake, check that it has the claims, figures and atlas of each experiment.
"""

import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
import yaml
from nodal import snp
from PIL import Image

RESULTS = Path("results")
EXPECTED = {"digits": 0.97, "digits_vgg": 0.97}  # of those that train; others read theirs


def check_experiment(name, accuracy):
    seeds = sorted((RESULTS / name).glob("seed*"))
    assert len(seeds) >= 2, f"{name}: {len(seeds)} seeds"
    for seed in seeds:
        if accuracy is not None:
            check_network(seed, accuracy)
        assert not (seed / "activations").exists() or not any((seed / "activations").iterdir())
        paths = [path for stage in ("readout", "snp") for path in seed.glob(f"{stage}/block?.h5")]
        assert paths, f"{seed}: no readouts"
        for path in sorted(paths):
            check_block(path)
        leftovers = [p for p in seed.rglob("*") if p.name.endswith((".tmp", ".part"))]
        assert not leftovers, leftovers
    verdicts = set(pd.read_csv(RESULTS / name / "tables" / "claims.csv").verdict)
    assert verdicts <= {"supported", "not supported", "inconclusive", "not applicable"}
    layers = pd.read_csv(RESULTS / name / "tables" / "layers.csv")
    assert set(layers.tested_on) == {"a quarter, drawn once (450)"}
    last = layers[layers.block == layers.block.max()].groupby("part").accuracy.max()
    assert last.max() > 0.95, f"{name}: the last block's readouts reach {last.max()}"
    assert 1e5 < (RESULTS / name / "atlas.html").stat().st_size < 3e6, f"{name}: atlas.html"
    for figure in (RESULTS / name / "figures").glob("*.png"):
        shades = np.asarray(Image.open(figure).convert("L"))
        assert shades.std() > 5, f"{figure} is empty"
        assert figure.with_suffix(".svg").stat().st_size > 1000


def check_network(seed, accuracy):
    model = torch.load(seed / "model.pt", weights_only=True)
    assert model["test_accuracy"] >= accuracy, f"{seed}: accuracy {model['test_accuracy']}"
    assert len(pd.read_csv(seed / "history.csv")) > 1


def check_block(path):
    """Readouts near their optimum; SNP matrices that are the readout times the class means."""
    with h5py.File(path) as file:
        assert {"experiment", "seed", "settings", "software"} <= set(file.attrs), path
        for site, group in file.items():
            if path.parent.name == "readout":
                assert group.attrs["distance"] <= 0.02, (path, site)
                continue
            with h5py.File(path.parents[1] / "readout" / path.name) as readout:
                means = readout[f"{site}/class_means/test"][:]
                weights = readout[f"{site}/weights"][:]
            expected = np.einsum("irn,jrn->nij", means, weights)
            found = snp.read(group).matrices()
            assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max(), (path, site)


def check_report(path, demo):
    """Each experiment's claims and atlas, and every figure, byte by byte."""
    with zipfile.ZipFile(path) as archive:
        held = [archive.read(name) for name in archive.namelist() if "/data/" in name]
    for name in demo:
        folder = RESULTS / name
        figures = sorted((folder / "figures").glob("*.png"))
        for shown in (folder / "tables" / "claims.csv", folder / "atlas.html", *figures):
            assert shown.read_bytes() in held, f"{path} lacks {shown}"


def main(report=None):
    demo = yaml.safe_load(Path("config/config.yaml").read_text())["demo"]
    if report:
        check_report(report, demo)
        return
    for name in demo:
        check_experiment(name, EXPECTED.get(name))
    assert (RESULTS / "comparisons" / "digits" / "comparison.png").exists()
    print("the demo's artifacts are whole")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
