"""Check what `make demo` left: every artifact whole, every figure drawn, the seeds accurate."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image

RESULTS = Path("results")
EXPECTED = {"digits": 0.97, "digits_vgg": 0.97}


def check_experiment(name, accuracy):
    seeds = sorted((RESULTS / name).glob("seed*"))
    assert len(seeds) >= 2, f"{name}: {len(seeds)} seeds"
    for seed in seeds:
        model = torch.load(seed / "model.pt", weights_only=True)
        assert model["test_accuracy"] >= accuracy, f"{seed}: accuracy {model['test_accuracy']}"
        assert len(pd.read_csv(seed / "history.csv")) > 1
        assert not (seed / "activations").exists() or not any((seed / "activations").iterdir())
        for path in sorted(seed.glob("*/block?.h5")):
            check_block(path)
        leftovers = [p for p in seed.rglob("*") if p.name.endswith((".tmp", ".part"))]
        assert not leftovers, leftovers
    verdicts = set(pd.read_csv(RESULTS / name / "tables" / "claims.csv").verdict)
    assert verdicts <= {"supported", "not supported", "inconclusive", "not applicable"}
    for figure in (RESULTS / name / "figures").glob("*.png"):
        shades = np.asarray(Image.open(figure).convert("L"))
        assert shades.std() > 5, f"{figure} is empty"
        assert figure.with_suffix(".svg").stat().st_size > 1000


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
            found = group["snp"][:].astype(float) * group["scale"][:][:, None, None]
            assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max(), (path, site)


def main():
    demo = yaml.safe_load(Path("config/config.yaml").read_text())["demo"]
    for name in demo:
        check_experiment(name, EXPECTED[name])
    assert (RESULTS / "comparisons" / "digits" / "comparison.png").exists()
    print("the demo's artifacts are whole")


if __name__ == "__main__":
    sys.exit(main())
