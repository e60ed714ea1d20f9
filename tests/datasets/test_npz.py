"""Arrays of an npz by the keys and shapes people have, and what can be wrong with them."""

import numpy as np
import pytest
from made import read
from nodal import datasets
from nodal.errors import NodalError
from nodal.pipeline import content


def arrays(random, **changes):
    content = {"x_train": random.integers(0, 256, (20, 5, 5), dtype=np.uint8),
               "y_train": np.arange(20) % 4, "y_test": np.arange(8) % 4,
               "x_test": random.integers(0, 256, (8, 5, 5), dtype=np.uint8)}  # fmt: skip
    return {k: v for k, v in {**content, **changes}.items() if v is not None}


def test_npz(tmp_path, random):
    content = arrays(random)
    np.savez(tmp_path / "a.npz", **content)
    datasets.prepare(tmp_path / "a.h5", "a", {"source": "npz"}, {"data": tmp_path / "a.npz"})
    splits, names, _ = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(splits["train"][0][..., 0], content["x_train"])
    np.testing.assert_array_equal(splits["test"][1], content["y_test"])
    assert names == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no array y_test"),
        ({"y_train": np.arange(20) % 4 + 1}, r"y_train: expected each of 0\.\.4"),
        ({"y_train": np.arange(20) % 4 - 1}, "y_train: expected a vector of integers"),
        ({"y_train": np.linspace(0, 1, 20)}, "y_train: expected a vector of integers"),
        ({"y_test": np.zeros(8, int)}, "label '1' has images in train but none in test"),
        ({"x_train": np.zeros((20, 5, 5))}, "x_train is float64 with 3 axes; expected uint8"),
        ({"x_train": np.zeros((19, 5, 5), np.uint8)}, "x_train has 19 images but y_train 20"),
        ({"x_train": np.array([None] * 20)}, "x_train"),
    ],
)
def test_what_is_wrong_in_an_npz_is_named(tmp_path, random, changes, message):
    np.savez(tmp_path / "a.npz", **arrays(random, **changes))
    with pytest.raises(NodalError, match=message) as caught:
        datasets.prepare(tmp_path / "a.h5", "a", {"source": "npz"}, {"data": tmp_path / "a.npz"})
    assert "a.npz" in str(caught.value)
    assert not (tmp_path / "a.h5").exists()


def test_no_damage_of_an_npz_ends_in_a_traceback(tmp_path, random):
    """A byte changed: taken, where nothing reads it, or one line with the file's name."""
    path, said = tmp_path / "a.npz", []
    np.savez_compressed(path, **arrays(random))
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            content.digest(path, memory=tmp_path / f"{at}.json")
            datasets.prepare(tmp_path / "a.h5", "a", {"source": "npz"}, {"data": path})
        except NodalError as error:
            said.append(str(error))
    assert all("a.npz" in line for line in said)
    assert len(said) > len(whole) / 3 / 2, "most of the damage is found"


def prepare_npz(tmp_path, said=None, settings=None, **content):
    np.savez(tmp_path / "a.npz", **content)
    said = [] if said is None else said
    settings = {"source": "npz", **(settings or {})}
    datasets.prepare(tmp_path / "a.h5", "a", settings, {"data": tmp_path / "a.npz"}, said.append)
    return read(tmp_path / "a.h5")


def test_the_keys_of_medmnist(tmp_path, random):
    content, said = {}, []
    for part, n in (("train", 12), ("val", 6), ("test", 9)):
        content[f"{part}_images"] = random.integers(0, 256, (n, 6, 6), dtype=np.uint8)
        content[f"{part}_labels"] = (np.arange(n) % 3)[:, None].astype(np.uint8)
    splits, names, _ = prepare_npz(tmp_path, said, **content)
    assert names == ["0", "1", "2"]
    np.testing.assert_array_equal(splits["train"][0][..., 0], content["train_images"])
    np.testing.assert_array_equal(splits["test"][1], content["test_labels"][:, 0])
    assert any("6 images of val are not used" in line for line in said)
    splits, *_ = prepare_npz(tmp_path, settings={"train": "trainval"}, **content)
    both = np.concatenate([content["train_images"], content["val_images"]])
    np.testing.assert_array_equal(splits["train"][0][..., 0], both)


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_of_text(tmp_path, random, kind):
    names = np.array(["bee", "007", "NA", "1e5"]).astype(kind)
    content = arrays(random, y_train=names[np.arange(20) % 4], y_test=names[np.arange(8) % 4])
    splits, found, _ = prepare_npz(tmp_path, **content)
    assert found == ["007", "1e5", "NA", "bee"]
    assert [found[i] for i in splits["test"][1][:4]] == ["bee", "007", "NA", "1e5"]


@pytest.mark.parametrize(
    ("shape", "channels_first"),
    [
        ((3, 8, 8), True), ((1, 9, 7), True), ((3, 4, 4), True), ((13, 8, 8), True),
        ((8, 8, 3), False), ((9, 7, 1), False), ((4, 4, 3), False), ((8, 8, 13), False),
        ((8, 8, 4), False),
    ],
)  # fmt: skip
def test_channels_first_where_that_is_the_only_reading(tmp_path, random, shape, channels_first):
    x = {f"x_{s}": random.integers(0, 256, (n, *shape), dtype=np.uint8)
         for s, n in (("train", 20), ("test", 8))}  # fmt: skip
    splits, *_ = prepare_npz(tmp_path, **arrays(random, **x))
    for split, (images, _) in splits.items():
        expected = x[f"x_{split}"]
        expected = expected.transpose(0, 2, 3, 1) if channels_first else expected
        np.testing.assert_array_equal(images, expected)


def test_a_share_of_an_npz(tmp_path, random):
    content = arrays(random, x_test=None, y_test=None)
    settings = {"test_share": 0.4, "test_seed": 0}
    splits, *_ = prepare_npz(tmp_path, settings=settings, **content)
    assert np.bincount(splits["test"][1]).tolist() == [2] * 4
    label = {
        image.tobytes(): y for image, y in zip(content["x_train"], content["y_train"], strict=True)
    }
    for images, labels in splits.values():
        assert [label.pop(image[..., 0].tobytes()) for image in images] == labels.tolist()
    assert not label


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.zeros((20, 14), int)}, "y_train has 14 values for an image; multi-label"),
        ({"y_train": np.zeros((1, 20), int)}, r"y_train has 20 values .* expected one .*\(1, 20\)"),
        ({"y_train": np.zeros((20, 0), int)}, "y_train has 0 values for an image"),
        ({"y_train": np.array(["a", "b"] * 10, object)}, "y_train holds Python objects, which"),
        ({"y_train": np.array(["a", ""] * 10)}, "y_train: an empty label"),
        ({"x_train": np.zeros((20, 3, 8, 3), np.uint8)}, "may have its channels first or last"),
        ({"x_train": np.zeros((20, 9, 8, 7), np.uint8)}, "may have its channels first or last"),
        ({"x_test": np.zeros((8, 6, 6), np.uint8)}, "images of two sizes: train 5x5x1, test 6x6x1"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(tmp_path, random, changes, message):
    with pytest.raises(NodalError, match=message):
        prepare_npz(tmp_path, **arrays(random, **changes))


def test_a_validation_part_of_another_size_is_named(tmp_path, random):
    content = arrays(random, x_val=np.zeros((4, 9, 9), np.uint8), y_val=np.arange(4))
    with pytest.raises(NodalError, match=r"images of two sizes: train 5x5x1, train.* 9x9x1"):
        prepare_npz(tmp_path, settings={"train": "trainval"}, **content)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_moments_are_one_for_each_channel(tmp_path, random, key):
    with pytest.raises(NodalError, match=f"dataset.{key}: 3 values for images of 1 channel"):
        prepare_npz(tmp_path, settings={key: [0.5, 0.4, 0.3]}, **arrays(random))


def test_large_images_come_in_small_batches(tmp_path):
    images = np.zeros((9, 1500, 1500, 3), np.uint8)  # 6.75 MB each
    np.savez(tmp_path / "a.npz", x_train=images, y_train=[0, 1, 0] * 3)
    settings = {"source": "npz", "test_share": 0.4}
    opened = datasets.open_source(settings, {"data": tmp_path / "a.npz"}, lambda line: None)
    sizes = [batch.nbytes for batch, _ in opened.splits["train"]]
    assert sum(sizes) == images.nbytes // 9 * 6
    assert max(sizes) <= 2**24


def test_five_thousand_labels_with_long_names(tmp_path, random):
    """More than an attribute of HDF5 can hold."""
    labels = np.array([f"label {i} {'é' * 20}" for i in range(5000)])
    content = {"x_train": random.integers(0, 256, (5000, 2, 2), dtype=np.uint8),
               "x_test": random.integers(0, 256, (5000, 2, 2), dtype=np.uint8),
               "y_train": labels, "y_test": labels}  # fmt: skip
    splits, names, _ = prepare_npz(tmp_path, **content)
    assert len(names) == 5000
    assert [names[i] for i in splits["train"][1]] == labels.tolist()
