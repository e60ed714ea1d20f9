"""A network the user already has, through the whole workflow: torchvision's, and a ViT of timm."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from nodal import training

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, random):
    """Colour images of 4 labels that differ in brightness, and weights to start from."""
    from torchvision.models import get_model

    arrays = {}
    for split, n in (("train", 80), ("test", 40)):
        labels = np.arange(n) % 4
        images = random.integers(0, 60, (n, 32, 32, 3)) + 60 * labels[:, None, None, None]
        arrays |= {f"x_{split}": images.astype(np.uint8), f"y_{split}": labels}
    np.savez(tmp_path / "mine.npz", **arrays)
    torch.manual_seed(0)
    torch.save(get_model("resnet18", num_classes=4).state_dict(), tmp_path / "weights.pt")
    return tmp_path


def run(snakemake, folder, model, train):
    config = {
        "demo": ["mine"],
        "compare": {},
        "datasets": {"mine": {"source": "npz", "path": str(folder / "mine.npz")}},
        "experiments": {
            "mine": {
                "dataset": "mine",
                "model": model,
                "train": train,
                "readout": {"penalties": [0.01]},
                "pruning": {"methods": ["andc"], "dilutions": [], "thresholds": [0.3], "epochs": 0},
            }
        },
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    files = [str(ROOT / "config" / "config.yaml"), str(folder / "mine.yaml")]
    snakemake(folder, "--cores", "2", "--configfile", *files, "--", "demo")
    return folder / "results" / "mine"


def test_a_torchvision_network_is_measured_as_it_is(snakemake, folder):
    model = {"source": "torchvision", "name": "resnet18", "taps": ["layer1", "layer3", "avgpool"],
             "pretrained": str(folder / "weights.pt")}  # fmt: skip
    results = run(snakemake, folder, model, {"epochs": 0})
    loaded, _ = training.load_model(results / "seed0" / "model.pt")
    given = torch.load(folder / "weights.pt", weights_only=True)
    assert torch.equal(loaded.network.layer1[0].conv1.weight, given["layer1.0.conv1.weight"])
    layers = pd.read_csv(results / "tables" / "layers.csv")
    assert (layers.accuracy > 0.9).all(), "brightness shows everywhere"
    assert (layers.p_chance < 1e-6).all()
    assert not (results / "tables" / "pruning.csv").exists()
    claims = pd.read_csv(results / "tables" / "claims.csv").set_index("claim").verdict
    assert claims["4.dilution"] == claims["5.breaking"] == "not applicable"
    assert claims["3.stage.snr"] != "not applicable"
    assert (results / "figures" / "layers.png").exists()
    assert not (results / "figures" / "heads.png").exists()


def test_a_vit_of_timm_goes_through_every_stage(snakemake, folder):
    pytest.importorskip("timm")
    model = {"source": "timm", "name": "test_vit"}
    results = run(snakemake, folder, model, {"epochs": 1, "batch_size": 16, "warmup_epochs": 0})
    layers = pd.read_csv(results / "tables" / "layers.csv")
    assert set(layers.part) == {"MHA", "FF", "out"}
    heads = pd.read_csv(results / "tables" / "heads.csv")
    assert heads["head"].nunique() == 2
    assert len(pd.read_csv(results / "tables" / "pruning.csv")) > 2
    assert (results / "figures" / "heads.png").exists()
