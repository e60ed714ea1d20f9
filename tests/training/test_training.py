"""Training: the recipe's parts against their definitions, the same seed twice, any interruption."""

import os
import random as stdlib_random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from nodal import datasets, training
from nodal.errors import NodalError
from nodal.training import loop
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

CONFIG = {"name": "cct", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1,
          "attention_dropout": 0.1, "stochastic_depth": 0.1}  # fmt: skip
RECIPE = {"epochs": 3, "batch_size": 128, "learning_rate": 2e-3, "weight_decay": 0.05,
          "warmup_epochs": 1, "warmup_rate": 1e-6, "min_rate": 1e-5, "label_smoothing": 0.1,
          "mixup": 0.8, "cutmix": 1.0, "mix": "batch", "randaugment": 9, "erasing": 0.25,
          "crop": 0.8, "interpolation": "random", "flip": True, "shift": 1, "clip_norm": 1.0,
          "eval_every": 2}  # fmt: skip


def train(dataset, seed=0, checkpoint=None, **changes):
    task = training.Task.from_dataset(dataset)
    model = training.initial_model(CONFIG, dataset, seed)
    history = training.fit(model, task, {**RECIPE, **changes}, seed, checkpoint)
    return model, history


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (_, a), b in pairs)


@pytest.fixture(scope="module")
def whole(small):
    """A training from its first epoch to its last: model, history."""
    return train(small)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(small, whole):
    first, history = whole
    assert same(first, train(small)[0])
    assert not same(first, train(small, seed=1)[0])
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for column in ("test_accuracy", "test_loss"):
        assert [np.isnan(row[column]) for row in history] == [True, False, False]


def test_a_run_stopped_after_an_epoch_goes_on_bit_identically(small, whole, tmp_path):
    unbroken, history = whole

    class Stop(Exception):
        pass

    def stop(row):
        if row["epoch"] == 3:
            raise Stop

    task = training.Task.from_dataset(small)
    model = training.initial_model(CONFIG, small, 0)
    with pytest.raises(Stop):
        training.fit(model, task, RECIPE, 0, tmp_path / "c.pt", stop)
    resumed, again = train(small, checkpoint=tmp_path / "c.pt")
    assert same(unbroken, resumed)
    assert [r["train_loss"] for r in again] == [r["train_loss"] for r in history]


def test_a_checkpoint_of_other_data_is_not_gone_on_from(small, tmp_path):
    said = []
    for content in ("these images", "others"):
        model, task = training.initial_model(CONFIG, small, 0), training.Task.from_dataset(small)
        path = tmp_path / "c.pt"
        training.fit(model, task, {**RECIPE, "epochs": 1}, 0, path, say=said.append, data=content)
    assert len(said) == 1
    assert len(list(tmp_path.iterdir())) == 2


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
sys.path[:0] = [{tests!r}]
from test_training import train, training
from nodal import datasets
model, _ = train(datasets.load({data!r}), checkpoint={folder!r} + "/c.pt", epochs=60)
torch.save(model.state_dict(), {folder!r} + "/final.pt")
"""


def wait_for_a_checkpoint(folder, process):
    def newest():
        return max((path.stat().st_mtime_ns for path in folder.glob("c*.pt")), default=0)

    before = newest()
    while newest() == before and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.end_to_end
def test_a_process_killed_at_random_moments_ends_bit_identically(digits, tmp_path):
    """kill -9, again and again, wherever it happens to be; then left to finish.

    When is counted in checkpoints, as a fast machine is done before a time on the clock.
    """
    chance = stdlib_random.Random(0)
    script = SCRIPT.format(
        tests=os.path.dirname(__file__), data=str(digits[0]), folder=str(tmp_path)
    )
    kills = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", script])
        for _ in range(chance.randint(1, 6)):
            wait_for_a_checkpoint(tmp_path, process)
        time.sleep(chance.uniform(0, 0.15))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    subprocess.run([sys.executable, "-c", script], check=True)
    assert kills >= 4
    torch.set_num_threads(1)
    expected = train(digits[1], epochs=60)[0].state_dict()
    final = torch.load(tmp_path / "final.pt", weights_only=True)
    assert all(torch.equal(expected[key], final[key]) for key in expected)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_loss_that_is_not_finite_names_epoch_and_step(small):
    task = training.Task.from_dataset(small)
    model = training.initial_model(CONFIG, small, 0)
    calls = []

    def poison(module, inputs, output):
        calls.append(module.training)
        return output * torch.nan if sum(calls) == 5 else output

    model.register_forward_hook(poison)
    with pytest.raises(NodalError, match="the loss is nan at epoch 2, step 2"):
        training.fit(model, task, {**RECIPE, "epochs": 2}, 0)


def test_weights_that_the_last_step_breaks_are_no_success(small):
    """The loss of every step was finite."""
    task = training.Task.from_dataset(small)
    model = training.initial_model(CONFIG, small, 0)
    steps = []

    def poison(optimizer, *_):
        steps.append(optimizer)
        if len(steps) == 3:
            model.classifier.positional_emb.data[0, 0, 0] = torch.inf

    hook = register_optimizer_step_post_hook(poison)
    try:
        with pytest.raises(
            NodalError, match="positional_emb is not finite at epoch 1, after step 3"
        ):
            training.fit(model, task, {**RECIPE, "epochs": 1}, 0)
    finally:
        hook.remove()


def rate_by_hand(epoch):
    """RECIPE with a cooldown: warm-up to 1, half a cosine from 1 to 3, the lowest rate after."""
    if epoch < 1:
        return 1e-6 + (2e-3 - 1e-6) * epoch
    if epoch < 3:
        return 1e-5 + (2e-3 - 1e-5) / 2 * (1 + np.cos(np.pi * (epoch - 1) / 2))
    return 1e-5


def test_steps_follow_the_schedule_and_clip_and_decay(small):
    """What the optimizer is given at every step, not what the history says of it."""
    seen = []

    def look(optimizer, *_):
        groups = optimizer.param_groups
        weights = [p for group in groups for p in group["params"]]
        norm = torch.stack([p.grad.norm() for p in weights if p.grad is not None]).norm().item()
        decays = {
            id(p): group["weight_decay"] for group in groups for p in group["params"]
        }  # fmt: skip
        seen.append(([group["lr"] for group in groups], norm, decays))

    hook = register_optimizer_step_pre_hook(look)
    try:
        model, _ = train(small, cooldown_epochs=1, clip_norm=0.01)
    finally:
        hook.remove()
    steps = -(-len(small.train.labels) // RECIPE["batch_size"])
    assert steps > 1
    assert len(seen) == 4 * steps
    for i, (rates, norm, _) in enumerate(seen):
        assert rates == pytest.approx([rate_by_hand(i / steps)] * 2, rel=1e-6)
        assert norm <= 0.01 * (1 + 1e-4)
    decays = seen[-1][2]
    for name, parameter in model.named_parameters():
        decayed = parameter.ndim > 1 and name != "classifier.positional_emb"
        assert decays[id(parameter)] == (0.05 if decayed else 0), name


def test_a_sample_keeps_each_input_with_its_label(digits):
    task = training.Task.from_dataset(digits[1])
    known = {}
    for image, label in zip(task.train_inputs, task.train_labels, strict=True):
        known.setdefault(image.numpy().tobytes(), set()).add(int(label))
    sample = task.sample(0.3, seed=1)
    assert len(sample.train_inputs) == round(0.3 * len(task.train_labels))
    for image, label in zip(sample.train_inputs, sample.train_labels, strict=True):
        assert int(label) in known[image.numpy().tobytes()]
    assert sample.train_labels.tolist() != task.train_labels[: len(sample.train_labels)].tolist()


def test_cooldown_epochs_are_trained_at_the_lowest_rate(small):
    _, history = train(small, epochs=2, cooldown_epochs=2, eval_every=4)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["learning_rate"] for row in history[2:]] == [1e-5, 1e-5]
    assert not np.isnan(history[-1]["test_accuracy"])


def cut(dataset, n):
    """The same dataset with n training images, each label's first ones first."""
    order = np.argsort(dataset.train.labels, kind="stable")
    rank = np.concatenate([np.arange(c) for c in np.bincount(dataset.train.labels)])
    rows = order[np.argsort(rank, kind="stable")][:n]
    return replace(
        dataset, train=datasets.Split(dataset.train.inputs[rows], dataset.train.labels[rows])
    )


@pytest.mark.parametrize("n", [10, 33], ids=["one image per label", "one image left over"])
def test_a_network_with_batch_norm_takes_any_number_of_images(digits, n):
    """At the last stage an image is one pixel: batch norm refuses one image alone."""
    dataset = cut(digits[1], n)
    assert len(set(dataset.train.labels)) == 10
    task = training.Task.from_dataset(dataset)
    config = {"name": "vgg11", "width": 4, "stages": [1, 1, 1, 1]}
    model = training.initial_model(config, dataset, 0)
    history = training.fit(model, task, {**RECIPE, "epochs": 2, "batch_size": 32}, 0)
    assert np.isfinite(history[-1]["test_loss"])
    sampled = task.sample(0.001, 0)
    assert len(sampled.train_labels) == 2


@pytest.mark.parametrize(
    ("n", "size", "model", "expected"),
    [(9, 4, torch.nn.BatchNorm1d(2), [4, 5]), (9, 4, torch.nn.Linear(2, 2), [4, 4, 1]),
     (8, 4, torch.nn.BatchNorm1d(2), [4, 4]), (3, 4, torch.nn.BatchNorm1d(2), [3])],
)  # fmt: skip
def test_one_image_left_over_joins_the_batch_before(n, size, model, expected):
    order = torch.randperm(n)
    batches = loop.batches_of(order, size, torch.nn.Sequential(model))
    assert [len(batch) for batch in batches] == expected
    assert torch.equal(torch.cat(batches), order)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NodalError, match=r"compute\.device: cuda asked for"):
        training.pick_device("cuda")
    assert training.pick_device("auto").type == "cpu"


@pytest.mark.parametrize(
    ("device", "precision", "processor", "slow"),
    [
        ("cpu", "bf16", "AVX2", True),
        ("cpu", "bf16", "AVX512", False),
        ("cpu", "fp32", "AVX2", False),
        ("cuda", "bf16", "AVX2", False),
    ],
)
def test_bf16_without_instructions_for_it_is_said(monkeypatch, device, precision, processor, slow):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    said = training.slow_precision(torch.device(device), precision)
    assert bool(said) == slow


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_take_channels_last_whatever_their_number(small, channels):
    reader = training.Task.from_dataset(small).reader
    images = torch.randint(0, 256, (2, channels, 8, 8), dtype=torch.uint8)
    made = torch.nn.Conv2d(channels, 4, 3, padding=1)(reader.prepare(images))
    assert made.is_contiguous(memory_format=torch.channels_last)
