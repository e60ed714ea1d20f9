"""A pruned network is asked for by its file name, and stands on its own."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from nodal import datasets, sweep, training

pytestmark = pytest.mark.end_to_end

SMALL = {
    "experiments": {
        "small": {
            "dataset": "digits",
            "seeds": [0],
            "model": {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1},
            "train": {"epochs": 4, "warmup_epochs": 0, "batch_size": 64, "learning_rate": 0.003},
            "pruning": {"methods": ["andc", "random"], "dilutions": [0.25, 0.5], "epochs": 0.5,
                        "scopes": ["all", "blocks", "q", "classifier"]},
            "readout": {"penalties": [0.01]},
        }
    }
}  # fmt: skip
FILES = ("andc_50", "random_50", "wanda_12.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


@pytest.fixture
def made(folder, snakemake):
    """The sweep's table, and three networks to take away; one at a dilution of no sweep."""
    targets = ["results/small/tables/pruning.csv"]
    targets += [f"results/small/seed0/pruned/{name}.pt" for name in FILES]
    snakemake(
        folder, "--cores", "2", "--configfile", str(folder / "small.yaml"), "--", *targets
    )  # fmt: skip
    return folder / "results"


def test_a_pruned_network_is_that_of_the_sweep_and_loads_elsewhere(made, tmp_path):
    table = pd.read_csv(made / "small" / "tables" / "pruning.csv")
    dataset = datasets.load(made / "data" / "digits.h5")
    task = training.Task.from_dataset(dataset)
    for name in FILES:
        path = tmp_path / "mine.pt"
        shutil.copy(made / "small" / "seed0" / "pruned" / f"{name}.pt", path)
        model, content = training.load_model(path)
        accuracy, _ = training.evaluate(model, task)
        assert accuracy == content["test_accuracy"]
        masks = {k: v for k, v in sweep.masks_of(model).items() if not k.endswith("labels")}
        assert sum(int(mask.sum()) for mask in masks.values()) == content["n_kept"]
        assert sum(mask.size for mask in masks.values()) == content["n_weights"]
        assert content["dilution"] == 1 - content["n_kept"] / content["n_weights"]
        method, _, percent = name.rpartition("_")
        assert abs(content["dilution"] - float(percent) / 100) < 0.01
        swept = table[(table.method == method) & (table.scope == "all") & (table.target == 0.5)]
        for row in swept.itertuples():
            np.testing.assert_allclose(accuracy, row.accuracy_tuned, rtol=1e-6)
            assert row.n_kept == content["n_kept"]
        assert len(swept) == (percent == "50")


@pytest.mark.parametrize("percent", ["0", "100", "250"])
def test_a_dilution_that_is_none_is_refused_in_the_plan(folder, snakemake, percent):
    refused = snakemake(
        folder, "--cores", "1", "-n", "--configfile", str(folder / "small.yaml"), "--",
        f"results/small/seed0/pruned/andc_{percent}.pt", check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert f"pruned/andc_{percent}.pt: a dilution of {float(percent) / 100:g}" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_without_methods_nothing_is_pruned(folder, snakemake):
    config = yaml.safe_load(yaml.safe_dump(SMALL))
    config["experiments"]["small"]["pruning"] = {"methods": []}
    config["demo"] = ["small"]
    (folder / "none.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake(folder, "--cores", "1", "-n", "--configfile", str(folder / "none.yaml"),
                     "--", "demo").stdout  # fmt: skip
    assert "pruning" not in plan
    assert "claims" in plan
