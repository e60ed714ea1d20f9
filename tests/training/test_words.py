"""Texts on their way into a network: which words are lost, which texts stand together."""

import numpy as np
import pytest
import torch
from nodal import models, training
from nodal.datasets import Dataset, Inputs, Split
from nodal.training.words import WINDOW, Words


@pytest.fixture
def ids():
    torch.manual_seed(0)
    lengths = torch.randint(1, 30, (1000, 1))
    return torch.randint(2, 50, (1000, 29)) * (torch.arange(29) < lengths)


SETTINGS = {"word_dropout": 0, "label_smoothing": 0}


def test_ids_come_as_they_are_stored(ids):
    reader = Words(None, torch.device("cpu"))
    taken = reader.take(ids.numpy().astype(np.int32))
    assert taken.dtype == torch.int64
    assert torch.equal(reader.prepare(taken), ids)
    same, targets = reader.augment(ids[:3], torch.tensor([2, 0, 1]), 3, SETTINGS)
    assert torch.equal(same, ids[:3])
    assert torch.equal(targets, torch.eye(3)[[2, 0, 1]])


def test_logits_come_in_the_order_of_the_texts(ids):
    split = Split(ids[:40].numpy().astype(np.int32), np.arange(40) % 3)
    task = training.Task.from_dataset(
        Dataset(split, split, ["a", "b", "c"], Inputs("text", (50, 29))), torch.device("cpu")
    )
    config = {"name": "text_cct", "width": 8, "depth": 1}
    model = models.build(config, 3, Inputs("text", (50, 29))).eval()
    with torch.no_grad():
        expected = torch.cat([model(row[None]) for row in ids[:40]])
    found = training.predict(model, task, task.test_inputs, batch_size=7)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_word_dropout_takes_words_at_its_rate_and_no_padding(ids):
    reader = Words(None, torch.device("cpu"))
    torch.manual_seed(0)
    lost, targets = reader.augment(
        ids, torch.arange(1000) % 4, 4, {"word_dropout": 0.3, "label_smoothing": 0.2}
    )
    changed = lost != ids
    assert (lost[changed] == 1).all()
    assert not changed[ids == 0].any()
    assert changed[ids != 0].float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert targets[1].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_an_epoch_has_each_text_once_and_batches_of_like_length(ids):
    reader = Words(None, torch.device("cpu"))
    torch.manual_seed(0)
    order = reader.order(ids, 7)
    assert order.sort().values.tolist() == list(range(1000))
    lengths = (ids != 0).sum(1)

    def computed(order):
        """Tokens of an epoch, each batch as wide as its longest text."""
        return sum(int(lengths[b].max()) * len(b) for b in order.split(7))

    assert computed(order) < 1.15 * lengths.sum() < 0.7 * computed(torch.randperm(1000))
    assert not torch.equal(order, reader.order(ids, 7))
    firsts = lengths[order.split(7 * WINDOW)[0]][::7]
    assert (firsts.diff() < 0).any(), "short texts do not come first"


def test_a_training_of_texts_that_was_cut_ends_as_one_that_was_not(ids, tmp_path):
    inputs = Inputs("text", (50, 29))
    split = Split(ids[:200].numpy().astype(np.int32), np.arange(200) % 3)
    dataset = Dataset(split, split, ["a", "b", "c"], inputs)
    config = {"name": "text_cct", "width": 8, "depth": 1, "dropout": 0.1}
    recipe = {"epochs": 3, "batch_size": 32, "warmup_epochs": 1, "word_dropout": 0.2}

    trained = []

    def train(checkpoint, cut_after=None):
        def stop(row):
            trained.append(row["epoch"])
            if row["epoch"] == cut_after:
                raise InterruptedError

        model = training.initial_model(config, dataset, 0)
        task = training.Task.from_dataset(dataset, torch.device("cpu"))
        history = training.fit(model, task, recipe, 0, checkpoint, stop)
        return model.state_dict(), [row["train_loss"] for row in history]

    with pytest.raises(InterruptedError):
        train(tmp_path / "c.pt", cut_after=3)
    weights, losses = train(tmp_path / "c.pt")
    unbroken, expected = train(tmp_path / "other.pt")
    assert trained == [1, 2, 3, 3, 1, 2, 3]
    assert losses == expected
    assert all(torch.equal(weights[key], value) for key, value in unbroken.items())
