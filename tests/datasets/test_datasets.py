"""Published datasets in their genuine formats, made small here."""

import csv
import hashlib
import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made import add, colour, png, read
from nodal import datasets
from nodal.datasets import flowers102
from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError


@pytest.fixture
def cifar(tmp_path, random):
    """A CIFAR-100 binary archive with 3 labels; returns (path, {split: (images, labels)})."""
    truth, members = {}, {"fine_label_names.txt": b"apple\nbear\ncan\n"}
    for split, n in (("train", 9), ("test", 6)):
        images = random.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 3
        records = np.column_stack(
            [labels * 0 + 7, labels, images.transpose(0, 3, 1, 2).reshape(n, -1)]
        )
        members[f"{split}.bin"] = records.astype(np.uint8).tobytes()
        truth[split] = (images, labels)
    path = tmp_path / "cifar-100-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            add(tar, f"cifar-100-binary/{name}", content)
    return path, truth


def test_cifar100_is_read_from_the_binary_archive(cifar, tmp_path):
    path, truth = cifar
    datasets.prepare(tmp_path / "c.h5", "c", {"source": "cifar100"}, {path.name: path})
    splits, names, attributes = read(tmp_path / "c.h5")
    assert names == ["apple", "bear", "can"]
    for split, (images, labels) in truth.items():
        np.testing.assert_array_equal(splits[split][0], images)
        np.testing.assert_array_equal(splits[split][1], labels)
    pixels = truth["train"][0] / 255
    np.testing.assert_allclose(attributes["mean"], pixels.mean((0, 1, 2)))
    np.testing.assert_allclose(attributes["std"], pixels.std((0, 1, 2)))


def test_a_cut_cifar_archive_is_named(cifar, tmp_path):
    path, _ = cifar
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(NodalError, match=r"cifar-100-binary\.tar\.gz"):
        datasets.prepare(tmp_path / "c.h5", "c", {"source": "cifar100"}, {path.name: path})
    assert not list(tmp_path.glob("*.h5")) + list(tmp_path.glob(".*.tmp"))


@pytest.fixture
def flowers(tmp_path):
    """Flowers-102's three files with 12 images of 3 labels: image i is grey of value 10 i."""
    from scipy.io import savemat

    labels = np.array([1, 2, 3] * 4)
    savemat(tmp_path / "imagelabels.mat", {"labels": labels[None]})
    ids = {"trnid": [[1, 2, 3]], "valid": [[4, 5, 6]], "tstid": [[7, 8, 9, 10, 11, 12]]}
    savemat(tmp_path / "setid.mat", ids)
    with tarfile.open(tmp_path / "102flowers.tgz", "w:gz") as tar:
        for i in range(1, 13):
            image = colour((10 * i,) * 3, (40, 30))
            add(tar, f"jpg/image_{i:05d}.jpg", png(image, format="JPEG", quality=95))
    files = ("imagelabels.mat", "setid.mat", "102flowers.tgz")
    return {name: tmp_path / name for name in files}


@pytest.mark.parametrize(("train", "n"), [("trainval", 6), ("train", 3)])
def test_flowers102_follows_the_published_split(flowers, tmp_path, train, n):
    settings = {"source": "flowers102", "size": 16, "channels": 3, "train": train}
    datasets.prepare(tmp_path / "f.h5", "f", settings, flowers)
    splits, names, _ = read(tmp_path / "f.h5")
    assert len(names) == 3
    images, labels = splits["train"]
    assert images.shape == (n, 16, 16, 3)
    assert (np.abs(images[:, 8, 8, 0].astype(int) - 10 * np.arange(1, n + 1)) <= 2).all()
    assert labels.tolist() == ([0, 1, 2] * 2)[:n]
    assert len(splits["test"][1]) == 6


def test_with_the_validation_part_of_flowers102_as_the_test_it_is_not_trained_on(flowers, tmp_path):
    settings = {"source": "flowers102", "size": 16, "channels": 3, "train": None, "test": "val"}
    datasets.prepare(tmp_path / "f.h5", "f", settings, flowers)
    with datasets.opened(tmp_path / "f.h5") as dataset:
        found = str(dataset.train), str(dataset.test)
    assert found == ("official train (3)", "official val (3)")


def test_digits_are_stratified_and_fixed(digits):
    _, dataset = digits
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (1347, 450)
    assert dataset.inputs == Inputs("image", (1, 8, 8))
    share = np.bincount(dataset.test.labels) / 450
    overall = np.bincount(np.concatenate([dataset.test.labels, dataset.train.labels])) / 1797
    assert np.abs(share - overall).max() < 0.003
    both = {i.tobytes() for i in dataset.train.inputs} & {i.tobytes() for i in dataset.test.inputs}
    assert not both


def test_kaggles_split_of_flowers102_is_the_published_one():
    parts = flowers102.kaggle()
    assert Counter(parts) == {"train": 6552, "val": 818, "test": 819}
    # Of the column `split` of the published list, in the order of its image numbers.
    digest = "0ebdbfb92c1c44b22f1849007ec8733c36678fe47c98b0545a628c92b6bffab8"
    assert hashlib.sha256("\n".join(parts).encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("choice", "train", "test"),
    [
        ({}, [1, 2, 3, 7], [6, 5, 4]),
        ({"test": "val"}, [1, 2, 3, 7], [8, 9, 10]),
        ({"train": "trainval"}, [1, 2, 3, 7, 8, 9, 10], [4, 5, 6]),
    ],
)
def test_flowers102_by_another_split(flowers, tmp_path, monkeypatch, choice, train, test):
    parts = ["train"] * 3 + ["test"] * 3 + ["train"] + ["val"] * 3 + [None] * 2
    monkeypatch.setattr(flowers102, "kaggle", lambda: parts)
    settings = {"source": "flowers102", "size": 16, "channels": 3, "split": "kaggle", **choice}
    datasets.prepare(tmp_path / "f.h5", "f", settings, flowers)
    for split, expected in (("train", train), ("test", test)):
        images, labels = read(tmp_path / "f.h5")[0][split]
        assert [round(grey / 10) for grey in images[:, 8, 8, 0]] == sorted(expected)
        assert labels.tolist() == [(i - 1) % 3 for i in sorted(expected)]
    with datasets.opened(tmp_path / "f.h5") as dataset:
        assert dataset.test.origin == f"kaggle {choice.get('test', 'test')}"


PUBLISHED = Path(os.environ.get("NODAL_DATA", "/nowhere")) / "flowers102_kaggle.csv"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs the published list, in $NODAL_DATA")
def test_kaggles_split_is_the_published_one():
    with open(PUBLISHED) as file:
        listed = {row["file"][-10:-5]: row["split"] for row in csv.DictReader(file)}
    assert [listed[f"{i:05d}"] for i in range(1, 8190)] == flowers102.kaggle()
