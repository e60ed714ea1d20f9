"""Whose state a checkpoint is: settings at their default leave no trace, content does."""

import numpy as np
import pytest
import torch
from nodal import datasets, training
from nodal.training import checkpoint, recipe
from test_training import RECIPE, same, train


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 3},
        {"epochs": 3, "cooldown_epochs": 0},
        {"crop": 1, "epochs": 3},
        {"recipe": "basic", "checkpoint": None, "epochs": 3},
        {**recipe.DEFAULTS, "epochs": 3, "warmup_epochs": 3.0},
    ],
)
def test_a_setting_at_its_default_leaves_no_trace(settings):
    complete = training.complete(settings)
    assert training.identity(complete, 0) == {"train.epochs": 3, "seed": 0}


def test_what_else_a_training_depends_on_is_part_of_it():
    found = training.identity(training.complete({}), 4, data="abc", model={"name": "cct"})
    assert found == {"seed": 4, "data": "abc", "model": {"name": "cct"}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 1e-4}, "train.learning_rate"),
        ({"learning_rate": 0.001, "mixup": 0}, "train.learning_rate, train.mixup"),
    ],
)
def test_a_checkpoint_of_other_settings_is_named_and_kept(small, tmp_path, changes, named):
    other, _ = train(small, checkpoint=tmp_path / "checkpoint.pt", epochs=1, warmup_epochs=0)
    said = []
    task = training.Task.from_dataset(small)
    model = training.initial_model({"name": "cct", "width": 16, "heads": 2}, small, 0)
    state = checkpoint.Checkpoint(
        tmp_path / "checkpoint.pt",
        training.identity(
            training.complete({**RECIPE, "epochs": 1, "warmup_epochs": 0, **changes}), 0
        ),
        said.append,
    )
    assert state.resume(model, None, task.device) == []
    (sentence,) = said
    assert f"is of another training: other {named}; kept as checkpoint.1.pt" in sentence
    assert not (tmp_path / "checkpoint.pt").exists()
    kept = torch.load(tmp_path / "checkpoint.1.pt", weights_only=True)
    assert torch.equal(kept["model"]["classifier.fc.weight"], other.classifier.fc.weight)
    assert len(kept["history"]) == 1


def test_none_is_overwritten_by_a_third(small, tmp_path):
    path = tmp_path / "checkpoint.pt"
    for seed in range(3):
        train(small, seed=seed, checkpoint=path, epochs=1, warmup_epochs=0)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["checkpoint.1.pt", "checkpoint.2.pt", "checkpoint.pt"]


def test_an_unreadable_checkpoint_is_kept_and_said(small, tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"half of a checkpoint")
    said = []
    task, model = training.Task.from_dataset(small), None
    assert checkpoint.Checkpoint(path, {}, said.append).resume(model, None, task.device) == []
    assert "cannot be read" in said[0]
    assert (tmp_path / "checkpoint.1.pt").read_bytes() == b"half of a checkpoint"


def prepared(tmp_path, name, **changes):
    """A dataset of two labels, by npz, as the workflow prepares it."""
    random = np.random.default_rng(0)
    arrays = {
        "x_train": random.integers(0, 256, (64, 8, 8, 1), dtype=np.uint8),
        "y_train": np.arange(64) % 2,
        "x_test": random.integers(0, 256, (16, 8, 8, 1), dtype=np.uint8),
        "y_test": np.arange(16) % 2,
    }
    settings = {"source": "npz"} | {k: v for k, v in changes.items() if k in ("mean", "std")}
    arrays |= {k: v for k, v in changes.items() if k in arrays}
    np.savez(tmp_path / f"{name}.npz", **arrays)
    datasets.prepare(
        tmp_path / f"{name}.h5", name, settings, {"data": str(tmp_path / f"{name}.npz")}
    )
    return datasets.load(tmp_path / f"{name}.h5")


def test_the_digest_is_of_the_content_alone(tmp_path):
    first = prepared(tmp_path, "first")
    assert prepared(tmp_path, "moved").digest == first.digest
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    pixels[3, 2, 1] ^= 1
    others = [
        prepared(tmp_path, "mean", mean=[0.4]),
        prepared(tmp_path, "std", std=[0.4]),
        prepared(tmp_path, "labels", y_train=np.arange(64) // 32),
        prepared(tmp_path, "test", y_test=np.arange(16) // 8),
        prepared(tmp_path, "pixel", x_train=pixels),
    ]
    assert len({first.digest, *(dataset.digest for dataset in others)}) == 6


SETTINGS = {**RECIPE, "batch_size": 32, "epochs": 2, "cooldown_epochs": 0}


def fit(dataset, path=None, cut=None):
    """Two epochs, cut before epoch `cut` is kept: the model, and what was said."""
    said = []

    def on_epoch(row):
        if row["epoch"] == cut:
            raise KeyboardInterrupt

    config = {"name": "cct", "width": 16, "depth": 1, "heads": 2, "mlp_ratio": 1}
    model = training.initial_model(config, dataset, 0)
    task = training.Task.from_dataset(dataset)
    training.fit(model, task, SETTINGS, 0, path, on_epoch, said.append, data=dataset.digest)
    return model, said


@pytest.mark.parametrize("change", ["mean", "labels", "nothing"])
def test_a_training_cut_short_goes_on_only_with_the_same_data(tmp_path, change):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(prepared(tmp_path, "before"), path, cut=2)
    changes = {
        "mean": {"mean": [0.3]},
        "labels": {"y_train": np.arange(64) % 3, "y_test": np.arange(16) % 3},
        "nothing": {},
    }[change]
    after = prepared(tmp_path, "after", **changes)
    resumed, said = fit(after, path)
    assert same(resumed, fit(after)[0])
    assert ("another training: other data" in said[0]) == (change != "nothing")
    assert (tmp_path / "checkpoint.1.pt").exists() == (change != "nothing")


def test_pretrained_weights_count_by_their_content(tmp_path):
    for name, content in (("a.pt", b"1"), ("b.pt", b"1"), ("c.pt", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (training.content(tmp_path / name) for name in ("a.pt", "b.pt", "c.pt"))
    assert a == b != c
    assert training.content(None) is None
