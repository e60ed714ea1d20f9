"""Masks on a network: theta found for a dilution, tuned alike, saved and loaded again."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from nodal import models, pruning, snp, sweep, training
from nodal.files import storage

SETTINGS = {"dilutions": [0.3, 0.7], "thresholds": [], "scopes": ["all"], "tuned_scopes": ["all"],
            "epochs": 1, "learning_rate": 1e-2, "split": "train"}  # fmt: skip


@pytest.fixture
def tiny(digits):
    torch.manual_seed(0)
    _, dataset = digits
    config = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 2}
    model = models.build(config, dataset.n_classes, dataset.inputs)
    return model, training.Task.from_dataset(dataset), config, dataset


def _masks(model, random):
    return {e.name: random.random(tuple(e.weight.shape[:2])) < 0.5 for e in model.edges()}


def _recipe(**changes):
    recipe = {"epochs": 1, "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 0.1,
              "warmup_epochs": 0, "warmup_rate": 0, "min_rate": 0, "label_smoothing": 0,
              "mixup": 0, "cutmix": 0, "mix_switch": 0.5, "randaugment": 0, "erasing": 0,
              "flip": False, "shift": 1, "precision": "fp32", "clip_norm": None,
              "eval_every": 1, "compile": False}  # fmt: skip
    return {**recipe, **changes}


def test_pruned_weights_stay_exactly_zero_through_fine_tuning(tiny, random):
    model, task, _, _ = tiny
    masks = _masks(model, random)
    sweep.apply_masks(model, model.edges(), masks)
    before = {e.name: e.weight.detach().clone() for e in model.edges()}
    sweep.fine_tune(model, task, _recipe(), {"epochs": 1, "learning_rate": 1e-3}, seed=0)
    sweep.make_permanent(model)
    for edge in model.edges():
        weight, mask = edge.weight.detach(), torch.from_numpy(masks[edge.name])
        assert (weight[~mask] == 0).all()
        assert (weight[mask] != before[edge.name][mask]).any()


def test_a_pruned_network_is_saved_and_loaded_again(tiny, random, tmp_path):
    model, task, config, dataset = tiny
    sweep.apply_masks(model, model.edges(), _masks(model, random))
    expected = training.predict(model, task, task.test_inputs)
    sweep.make_permanent(model)
    training.save_model(tmp_path / "pruned.pt", model, config, dataset, 0.5)
    loaded, content = training.load_model(tmp_path / "pruned.pt")
    assert content["test_accuracy"] == 0.5
    assert torch.equal(training.predict(loaded, task, task.test_inputs), expected)
    masks = sweep.masks_of(loaded)
    sweep.apply_masks(loaded, loaded.edges(), masks)
    assert torch.equal(training.predict(loaded, task, task.test_inputs), expected)


@pytest.fixture
def measured(tiny, random):
    """What readouts could say of the tiny network; the last label stands on every diagonal."""
    model, *_ = tiny
    relative, rms = {}, {}
    for edge in model.edges():
        widths = {edge.source: edge.weight.shape[1], edge.target: edge.weight.shape[0]}
        for tap, width in widths.items():
            if tap:
                relative[tap] = random.random((width, 10)).astype(np.float32)
                rms[tap] = random.random(width).astype(np.float32)
    return sweep.Measured(relative, rms)


def test_measured_diagonals_are_those_of_the_boolean_matrices(random, tmp_path):
    arrays = {site: random.normal(size=(2, 7, R, 5)).astype(np.float32)
              for site, R in (("mid", 1), ("hidden", 3))}  # fmt: skip
    with storage.write_hdf5(tmp_path / "block0.h5", {}) as file:
        for site, (means, weights) in arrays.items():
            storage.put(file, f"{site}/class_means/train", means)
            storage.put(file, f"{site}/weights", weights)
            storage.put(file, f"{site}/rms", np.arange(5.0))
    measured = sweep.read_measured([tmp_path / "block0.h5"], ["mid", "hidden", "ff"], "train")
    assert list(measured.relative) == list(measured.rms) == ["block0.mid", "block0.hidden"]
    assert all(rms.tolist() == [0, 1, 2, 3, 4] for rms in measured.rms.values())
    for site, (means, weights) in arrays.items():
        matrices = snp.field(means, weights).matrices()
        for theta in (0, 0.123456, 0.4, 0.999999):
            boolean = snp.binarize(matrices, theta)
            expected = np.array([[boolean[n, i, i] for i in range(7)] for n in range(5)])
            found = measured.diagonals(theta)[f"block0.{site}"]
            np.testing.assert_array_equal(found, expected)


def test_theta_comes_nearest_to_the_dilution(tiny, measured):
    model, *_ = tiny
    edges = [edge for edge in model.edges() if edge.target]

    def dilution(theta):
        masks = pruning.masks("andc", [(e.name, e.source, e.target, None) for e in edges],
                              measured.diagonals(theta), measured.rms, seed=0)  # fmt: skip
        return 1 - sum(m.sum() for m in masks.values()) / sum(m.size for m in masks.values())

    tried = [dilution(theta) for theta in np.linspace(0, 0.999, 200)]
    for cut in sweep.cuts(model, measured, {**SETTINGS, "dilutions": [0.05, 0.3, 0.62, 0.9]}):
        assert cut.dilution == pytest.approx(dilution(cut.threshold))
        assert abs(cut.dilution - cut.target) <= np.abs(np.array(tried) - cut.target).min()
        assert cut.reached


def test_of_two_steps_the_nearer_is_taken():
    def dilution(theta):
        return 0.2 if theta < 0.25 else 0.6 if theta < 0.5 else 0.7

    assert sweep.find_threshold(dilution, 0.35) == 0.249999
    assert sweep.find_threshold(dilution, 0.45) == 0.25
    assert sweep.find_threshold(dilution, 0.1) == 0
    assert sweep.find_threshold(dilution, 0.99) == 0.999999


def test_scopes_are_blocks_kinds_and_the_classifier(tiny, measured):
    model, *_ = tiny
    names = ["all", "blocks", "q", "k", "v", "proj", "hidden", "ff", "classifier", "conv1"]
    found = sweep.scopes(sweep.measured_edges(model, measured), names)
    assert list(found) == ["all", "block0", "block1", *names[2:-1]]
    assert [e.name for e in found["ff"]] == ["block0.hidden>block0.ff", "block1.hidden>block1.ff"]
    assert sum(len(found[kind]) for kind in names[2:-2]) == len(found["all"]) == 12
    assert [e.target for e in found["classifier"]] == [None]


def test_a_target_out_of_reach_and_one_that_coincides_are_said(tiny, measured):
    model, *_ = tiny
    always = {tap: values.copy() for tap, values in measured.relative.items()}
    for values in always.values():
        values[: len(values) // 2, 0] = 1.0
    fixed = sweep.Measured(always, measured.rms)
    targets = [0.5, 0.8, 0.9, 0.95]
    settings = {**SETTINGS, "dilutions": targets, "thresholds": [0.3], "epochs": 0}
    cuts = sweep.cuts(model, fixed, settings)
    assert [cut.reached for cut in cuts] == [True, False, False, False, True]
    same = [cut.coincides for cut in cuts]
    assert [math.isnan(one) for one in same] == [True, True, False, False, True]
    assert same[2:4] == [0.8, 0.8]
    assert math.isnan(cuts[4].target)
    assert cuts[4].threshold == 0.3
    task = tiny[1]
    rows = list(sweep.sweep(model, task, fixed, "andc", cuts, _recipe(), settings, seed=0))
    assert [math.isnan(row["accuracy_pruned"]) for row in rows] == [False, False, True, True, False]
    assert all(math.isnan(row["accuracy_tuned"]) for row in rows)
    assert len({tuple(row) for row in rows}) == 1


def _swept(tiny, measured, method, settings=SETTINGS):
    model, task, *_ = tiny
    few = task.sample(0.2, 0)
    cuts = sweep.cuts(model, measured, settings)
    return [
        sweep.prune_network(
            model, few, measured, method, cut, _recipe(batch_size=16), settings, seed=0
        )
        for cut in cuts
    ]


def test_a_swept_network_is_tuned_and_the_given_one_left_alone(tiny, measured):
    model, task, *_ = tiny
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (network, row), _ = _swept(tiny, measured, "andc")
    accuracy, _ = training.evaluate(network, task)
    assert row["accuracy_tuned"] == accuracy
    assert row["accuracy_tuned"] != row["accuracy_pruned"]
    assert not torch.equal(network.classifier.fc.weight, model.classifier.fc.weight)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    kept = sum(int(sweep.masks_of(network)[e].sum()) for e in sweep.cuts(
        model, measured, SETTINGS)[0].edges)  # fmt: skip
    assert kept == row["n_kept"]


def test_networks_are_tuned_by_the_seed_they_are_given(tiny, measured, monkeypatch):
    model, task, *_ = tiny
    seen = []
    monkeypatch.setattr(
        training, "fit", lambda *given: seen.append(given[3]) or [{"test_accuracy": 0}]
    )
    cuts = sweep.cuts(model, measured, SETTINGS)
    list(sweep.sweep(model, task, measured, "andc", cuts, _recipe(), SETTINGS, seed=7))
    sweep.dense(model, task, cuts, _recipe(), SETTINGS, seed=7)
    assert seen == [7] * (len(cuts) + 1)


@pytest.mark.parametrize("method", ["andc", "random"])
def test_a_network_is_the_same_in_a_sweep_and_alone(tiny, measured, method):
    _, (among_others, _) = _swept(tiny, measured, method)
    torch.rand(7)
    [(alone, _)] = _swept(tiny, measured, method, {**SETTINGS, "dilutions": [0.7]})
    for one, other in zip(among_others.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)


def test_random_masks_differ_at_every_target_and_keep_as_many(tiny, measured):
    settings = {**SETTINGS, "epochs": 0}
    (low, row), (high, _) = _swept(tiny, measured, "random", settings)
    (again, _), _ = _swept(tiny, measured, "random", settings)
    (andc, of_andc), _ = _swept(tiny, measured, "andc", settings)
    assert row["n_kept"] == of_andc["n_kept"]
    edges = [name for name in sweep.masks_of(low) if not name.endswith("labels")]
    masks = [sweep.masks_of(network) for network in (low, high, again, andc)]
    kept_low, kept_high, same, _ = (
        np.concatenate([m[name].ravel() for name in edges]) for m in masks
    )
    np.testing.assert_array_equal(kept_low, same)
    for name in edges:
        assert masks[0][name].sum() == masks[3][name].sum()
    nested = kept_low[kept_high].mean()
    assert abs(nested - kept_low.mean()) < 0.1, "drawn anew, not thinned"


def test_random_masks_of_two_targets_and_seeds_differ_though_they_keep_as_many(tiny, measured):
    model, task, *_ = tiny
    settings = {**SETTINGS, "epochs": 0}
    few = task.sample(0.05, 0)
    cut, *_ = sweep.cuts(model, measured, settings)

    def mask(cut, seed):
        network, _ = sweep.prune_network(
            model, few, measured, "random", cut, _recipe(), settings, seed
        )
        return np.concatenate([m.ravel() for m in sweep.masks_of(network).values()])

    one = mask(cut, 0)
    assert (mask(cut, 0) == one).all()
    for other in (
        mask(replace(cut, target=0.31), 0),
        mask(replace(cut, scope="q"), 0),
        mask(cut, 1),
    ):
        assert other.sum() == one.sum()
        assert (other != one).mean() > 0.1


def test_the_dense_network_is_the_reference_of_every_scope(tiny, measured):
    model, task, *_ = tiny
    settings = {**SETTINGS, "scopes": ["all", "q"]}
    cuts = sweep.cuts(model, measured, settings)
    recipe = _recipe(batch_size=16)
    few = task.sample(0.2, 0)
    rows = sweep.dense(model, few, cuts, recipe, settings, seed=0)
    tuned = training.fit(model, few, {**recipe, "learning_rate": 1e-2}, 0)[-1]["test_accuracy"]
    assert [(row["scope"], row["target"], row["dilution"]) for row in rows] == [
        ("all", 0, 0), ("q", 0, 0)]  # fmt: skip
    assert rows[0]["accuracy_tuned"] == tuned
    assert math.isnan(rows[1]["accuracy_tuned"])
    assert rows[0]["accuracy_pruned"] == rows[1]["accuracy_pruned"] != tuned


@pytest.mark.parametrize(("epochs", "images"), [(0.001, 128), (0.5, 674), (1.5, 1010)])
def test_a_fraction_of_an_epoch_is_a_part_of_the_images(tiny, monkeypatch, epochs, images):
    model, task, *_ = tiny
    seen = []
    monkeypatch.setattr(
        training, "fit",
        lambda model, task, *_: seen.append(len(task.train_labels)) or [{"test_accuracy": 0}],
    )  # fmt: skip
    sweep.fine_tune(model, task, _recipe(), {"epochs": epochs, "learning_rate": 1e-3}, seed=0)
    assert seen == [images]


def test_fine_tuning_is_short_and_of_the_sections_rate(tiny, monkeypatch):
    model, task, *_ = tiny
    seen = []
    monkeypatch.setattr(
        training, "fit", lambda model, task, short, seed: seen.append((short, seed)) or [
            {"test_accuracy": 0.5}, {"test_accuracy": 0.7},
        ],
    )  # fmt: skip
    long = _recipe(epochs=300, warmup_epochs=10, cooldown_epochs=10, min_rate=1e-3, compile=True)
    accuracy = sweep.fine_tune(model, task, long, {"epochs": 2, "learning_rate": 3e-4}, seed=5)
    ((short, seed),) = seen
    assert accuracy == 0.7
    assert seed == 5
    assert short == {
        **long, "epochs": 2, "warmup_epochs": 0, "cooldown_epochs": 0, "min_rate": 0.0,
        "learning_rate": 3e-4, "eval_every": 2, "compile": False,
    }  # fmt: skip
