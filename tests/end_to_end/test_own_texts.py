"""One's own texts, two CSV files, through the whole workflow: the same rules as for images."""

import csv
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
LABELS = ["card_lost", "card_blocked", "rate_asked", "limit_raised"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Texts of 2 to 9 words, of which one word and its neighbour tell the label."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("texts")
    filler = [f"word{i}" for i in range(30)]
    for split, n in (("train", 160), ("test", 80)):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "category", "source"])
            for i in range(n):
                words = list(random.choice(filler, random.integers(0, 8)))
                place = random.integers(len(words) + 1)
                words[place:place] = LABELS[i % 4].split("_")
                rows.writerow([" ".join(words), LABELS[i % 4], "made up"])
    return folder


def run(folder, config, target):
    """Make a target by the project's config, the texts' own and another laid over both."""
    (folder / "more.yaml").write_text(yaml.safe_dump(config))
    files = [ROOT / "config" / "config.yaml", *(folder / f"{n}.yaml" for n in ("mine", "more"))]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory",
         str(folder), "--cores", "2", "--configfile", *map(str, files), "--", target],
        cwd=ROOT, check=False, text=True, timeout=900, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def results(folder):
    config = {
        "demo": ["mine"],
        "compare": {},
        "datasets": {
            "mine": {
                "source": "text",
                "path": str(folder / "train.csv"),
                "test": str(folder / "test.csv"),
                "columns": {"text": "text", "label": "category"},
            }
        },
        "experiments": {
            "mine": {
                "dataset": "mine",
                "seeds": [0, 1],
                "model": {"name": "text_cct", "width": 16, "depth": 2, "stochastic_depth": 0},
                "train": {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "warmup_epochs": 1},
                "readout": {"penalties": [0.01]},
                "pooling": {"epochs": 5},
                "pruning": {
                    "methods": ["andc", "random"], "dilutions": [0.3, 0.6], "epochs": 0.5,
                    "scopes": ["all", "blocks"],
                },
            }
        },
    }  # fmt: skip
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    run(folder, {}, "demo")
    return folder / "results"


def test_every_stage_is_made(results):
    mine = results / "mine"
    layers = pd.read_csv(mine / "tables" / "layers.csv")
    assert set(layers.site) == {
        "input", "q", "k", "v", "heads", "proj", "mid", "hidden", "ff", "out"
    }  # fmt: skip
    assert layers[layers.site == "out"].accuracy.min() > 0.9, "two words tell the label"
    heads = pd.read_csv(mine / "tables" / "heads.csv")
    assert set(heads.label_name) == set(LABELS)
    assert set(pd.read_csv(mine / "tables" / "pruning.csv").method) == {"andc", "random"}
    verdicts = pd.read_csv(mine / "tables" / "claims.csv").set_index("claim").verdict
    assert "not applicable" not in set(verdicts[["4.dilution", "5.breaking"]])
    figures = {path.stem for path in (mine / "figures").glob("*.png")}
    assert figures == {
        "node", "layers", "clusters", "pruning", "scopes", "heads", "silencing", "training"
    }  # fmt: skip


def test_padding_is_in_no_root_mean_square(results):
    """Those of a tap, made again from each text alone."""
    import torch
    from nodal import taps, training
    from nodal.datasets import load

    model, _ = training.load_model(results / "mine" / "seed0" / "model.pt")
    squares = []
    with torch.no_grad(), taps.capture(model, ["block1.hidden"]) as captured:
        for ids in load(results / "data" / "mine.h5").train.inputs:
            model(torch.from_numpy(ids[ids != 0][None]).long())
            squares.append(captured["block1.hidden"][0].square())
    with h5py.File(results / "mine" / "seed0" / "readout" / "block1.h5") as file:
        stored = file["hidden/rms"][:]
    expected = torch.cat(squares).double().mean(0).sqrt().numpy()
    np.testing.assert_allclose(stored, expected, rtol=1e-4)


def test_given_weights_are_tested_as_the_training_that_left_them(results):
    import torch

    weights = results / "mine" / "seed0" / "model.pt"
    mine = yaml.safe_load((results.parent / "mine.yaml").read_text())["experiments"]["mine"]
    given = {k: mine[k] for k in ("dataset", "model")} | {"train": {"checkpoint": str(weights)}}
    run(results.parent, {"experiments": {"given": given}}, "results/given/seed0/model.pt")
    made = results / "given" / "seed0" / "model.pt"
    one, other = (torch.load(path, weights_only=True) for path in (weights, made))
    assert one["test_accuracy"] == other["test_accuracy"]
    assert all(torch.equal(one["state_dict"][k], v) for k, v in other["state_dict"].items())
