"""Training: the recipe's parts against their definitions, the same seed twice, any interruption."""

import os
import random as stdlib_random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from nodal import augment, training
from nodal.errors import NodalError

CONFIG = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1,
          "attention_dropout": 0.1, "stochastic_depth": 0.1}  # fmt: skip
RECIPE = {"epochs": 3, "batch_size": 128, "learning_rate": 2e-3, "weight_decay": 0.05,
          "warmup_epochs": 1, "warmup_rate": 1e-6, "min_rate": 1e-5, "label_smoothing": 0.1,
          "mixup": 0.8, "cutmix": 1.0, "mix_switch": 0.5, "randaugment": 9, "erasing": 0.25,
          "flip": True, "shift": 1, "precision": "fp32", "clip_norm": 1.0, "eval_every": 2,
          "compile": False}  # fmt: skip


def train(dataset, seed=0, checkpoint=None, **changes):
    task = training.Task.from_dataset(dataset)
    model = training.initial_model(CONFIG, dataset, seed)
    history = training.fit(model, task, {**RECIPE, **changes}, seed, checkpoint)
    return model, history


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (_, a), b in pairs)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(digits):
    first, history = train(digits[1])
    assert same(first, train(digits[1])[0])
    assert not same(first, train(digits[1], seed=1)[0])
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert [np.isnan(row["test_accuracy"]) for row in history] == [True, False, False]


def test_a_run_stopped_after_an_epoch_goes_on_bit_identically(digits, tmp_path):
    whole, history = train(digits[1])

    class Stop(Exception):
        pass

    def stop(row):
        if row["epoch"] == 3:
            raise Stop

    task = training.Task.from_dataset(digits[1])
    model = training.initial_model(CONFIG, digits[1], 0)
    with pytest.raises(Stop):
        training.fit(model, task, RECIPE, 0, tmp_path / "c.pt", stop)
    resumed, again = train(digits[1], checkpoint=tmp_path / "c.pt")
    assert same(whole, resumed)
    assert [r["train_loss"] for r in again] == [r["train_loss"] for r in history]


def test_a_checkpoint_of_other_settings_is_not_used(digits, tmp_path):
    train(digits[1], checkpoint=tmp_path / "c.pt", learning_rate=1e-4)
    assert same(train(digits[1])[0], train(digits[1], checkpoint=tmp_path / "c.pt")[0])


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
sys.path[:0] = [{tests!r}]
from test_training import train, training
from nodal import datasets
model, _ = train(datasets.load({data!r}), checkpoint={folder!r} + "/c.pt", epochs=60)
torch.save(model.state_dict(), {folder!r} + "/final.pt")
"""


@pytest.mark.end_to_end
def test_a_process_killed_at_random_moments_ends_bit_identically(digits, tmp_path):
    """kill -9, again and again, wherever it happens to be; then left to finish."""
    chance = stdlib_random.Random(0)
    script = SCRIPT.format(
        tests=os.path.dirname(__file__), data=str(digits[0]), folder=str(tmp_path)
    )
    kills = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", script])
        time.sleep(chance.uniform(3.0, 8.0))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    subprocess.run([sys.executable, "-c", script], check=True)
    assert kills >= 2
    torch.set_num_threads(1)
    expected = train(digits[1], epochs=60)[0].state_dict()
    final = torch.load(tmp_path / "final.pt", weights_only=True)
    assert all(torch.equal(expected[key], final[key]) for key in expected)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_loss_that_is_not_finite_names_epoch_and_step(digits):
    dataset = digits[1]
    task = training.Task.from_dataset(dataset)
    model = training.initial_model(CONFIG, dataset, 0)
    calls = []

    def poison(module, inputs, output):
        calls.append(module.training)
        return output * torch.nan if sum(calls) == 15 else output

    model.register_forward_hook(poison)
    with pytest.raises(NodalError, match="the loss is nan at epoch 2, step 4"):
        training.fit(model, task, {**RECIPE, "epochs": 2}, 0)


def test_learning_rate_warms_up_and_follows_half_a_cosine():
    recipe = {**RECIPE, "epochs": 300, "warmup_epochs": 10, "learning_rate": 6e-4, "min_rate": 1e-5}
    assert training.learning_rate(0, recipe) == pytest.approx(1e-6)
    assert training.learning_rate(5, recipe) == pytest.approx((1e-6 + 6e-4) / 2)
    assert training.learning_rate(10, recipe) == pytest.approx(6e-4)
    assert training.learning_rate(155, recipe) == pytest.approx((6e-4 + 1e-5) / 2)
    assert training.learning_rate(300, recipe) == pytest.approx(1e-5)


def test_norms_biases_and_positions_are_not_decayed(digits):
    model = training.initial_model(CONFIG, digits[1], 0)
    decayed, plain = training.parameter_groups(model, 0.1)
    names = {id(p): n for n, p in model.named_parameters()}
    assert decayed["weight_decay"] == 0.1
    assert plain["weight_decay"] == 0
    assert all(names[id(p)].endswith("weight") and "norm" not in names[id(p)]
               for p in decayed["params"])  # fmt: skip
    assert {names[id(p)] for p in plain["params"]} >= {"classifier.positional_emb"}
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(64, 3, 16, 16)


def test_shift_moves_each_image_by_its_own_offset(images):
    shifted = augment.shift(images, 4)
    padded = torch.nn.functional.pad(images, [4] * 4, mode="reflect")
    offsets = set()
    for image, source in zip(shifted, padded, strict=True):
        found = [(i, j) for i in range(9) for j in range(9)
                 if torch.equal(image, source[:, i : i + 16, j : j + 16])]  # fmt: skip
        assert len(found) == 1
        offsets.add(found[0])
    assert len(offsets) > 20


def test_flip_mirrors_about_half_of_the_images(images):
    flipped = augment.flip(images)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, images, strict=True)]
    untouched = [torch.equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, untouched, strict=True))
    assert 16 < sum(mirrored) < 48


@pytest.mark.parametrize("name", ["autocontrast", "equalize", "posterize", "solarize", "invert"])
def test_colour_operations_are_pils(images, name):
    from PIL import Image, ImageOps

    eight = (images * 255).round().to(torch.uint8)
    level = torch.full((64, 1, 1, 1), 0.5)
    found = getattr(augment, f"_{name}")(eight.float() / 255, level, 0)
    arguments = {"posterize": (2,), "solarize": (128,)}.get(name, ())
    for image, result in zip(eight, found, strict=True):
        pil = Image.fromarray(image.permute(1, 2, 0).numpy())
        expected = np.asarray(getattr(ImageOps, name)(pil, *arguments)).astype(int)
        difference = (result.permute(1, 2, 0) * 255).numpy() - expected
        assert np.abs(difference).max() <= 1.01, name


def test_rand_augment_changes_images_differently_and_stays_in_range(images):
    same_image = images[:1].expand(64, -1, -1, -1).clone()
    out = augment.rand_augment(same_image, 9, torch.full((1, 3, 1, 1), 0.5))
    assert out.min() >= -1e-5
    assert out.max() <= 1 + 1e-5
    assert len({image.numpy().tobytes() for image in out}) > 30


def test_erasing_covers_the_published_areas(images):
    erased = augment.erase(images.expand(64, 3, 16, 16), 1.0)
    area = (erased != images).any(1).float().mean((1, 2))
    assert area.min() > 0
    assert 0.1 < area.mean() < 0.25
    assert area.max() < 0.45
    assert torch.equal(augment.erase(images, 0.0), images)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0), (0, 1.0), (0.8, 1.0)])
def test_mixed_targets_are_the_shares_of_the_pixels(mixup, cutmix):
    """Image i is i everywhere, so its mean after mixing says whose pixels it holds."""
    torch.manual_seed(0)
    values = torch.arange(32.0)
    images = values.view(-1, 1, 1, 1).expand(32, 1, 16, 16)
    mixed, targets = augment.mix(images, torch.eye(32), mixup, cutmix, 0.5)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ values, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(targets.sum(1), torch.ones(32))
    assert (targets.diagonal() < 0.999).sum() > 20


def test_targets_are_smoothed():
    recipe = {**RECIPE, "mixup": 0, "cutmix": 0, "randaugment": 0, "erasing": 0, "flip": False,
              "shift": 0}  # fmt: skip
    images = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8)
    mean, std = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.25)
    out, targets = augment.augment(images, torch.arange(5), 5, mean, std, recipe)
    torch.testing.assert_close(targets, 0.9 * torch.eye(5) + 0.02)
    torch.testing.assert_close(out, (images.float() / 255 - 0.5) / 0.25)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NodalError, match=r"compute\.device: cuda asked for"):
        training.pick_device("cuda")
    assert training.pick_device("auto").type == "cpu"
