"""Datasets in their genuine formats, made small here, and what can be wrong with them."""

import io
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from nodal import datasets
from nodal.errors import NodalError
from PIL import Image

FOLDER = {"source": "folder", "size": 12, "channels": 3}


def read(path):
    with h5py.File(path) as file:
        splits = {s: (file[s]["images"][:], file[s]["labels"][:]) for s in ("train", "test")}
        return splits, list(file.attrs["label_names"]), dict(file.attrs)


def png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


def colour(value, size=(12, 12)):
    return Image.new("RGB", size, value)


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


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


LABELS = {"ant": (200, 0, 0), "bee": (0, 200, 0)}


def tree():
    """{name: bytes} of a folder dataset."""
    return {
        f"set/{split}/{label}/{i}.png": png(colour(value))
        for split in ("train", "test")
        for label, value in LABELS.items()
        for i in range(2)
    }


def noise():
    return png(Image.effect_noise((30, 30), 80))


def write_tree(path, files, kind):
    if kind == "directory":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path
    if kind == "zip":
        with zipfile.ZipFile(path / "set.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path / "set.zip"
    with tarfile.open(path / "set.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            add(tar, name, content)
    return path / "set.tar.gz"


def prepare_tree(tmp_path, files, kind="zip", **changes):
    source = tmp_path / "source"
    source.mkdir()
    path = write_tree(source, files, kind)
    target = tmp_path / "out" / "set.h5"
    try:
        datasets.prepare(target, "set", {**FOLDER, **changes}, {"data": path})
    finally:
        assert not [p for p in target.parent.glob("*") if p != target], "something was left"
    return read(target)


@pytest.mark.parametrize("kind", ["directory", "zip", "tar"])
def test_a_folder_is_read_in_each_form(tmp_path, kind):
    splits, names, _ = prepare_tree(tmp_path, tree() | {"set/README.txt": b"hello"}, kind)
    assert names == ["ant", "bee"]
    for images, labels in splits.values():
        assert images.shape == (4, 12, 12, 3)
        for image, label in zip(images, labels, strict=True):
            assert (image == list(LABELS.values())[label]).all()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (12, 12), 90), (90, 90, 90)),
        (Image.new("RGBA", (12, 12), (0, 0, 200, 255)), (0, 0, 200)),
        (Image.new("RGBA", (12, 12), (0, 0, 200, 0)), (255, 255, 255)),
        (Image.fromarray(np.full((12, 12), 40000, np.uint16)), (156, 156, 156)),
        (colour((1, 2, 3)).quantize(4), (1, 2, 3)),
        (colour((9, 8, 7), (50, 20)), (9, 8, 7)),
        (Image.new("1", (12, 12), 1), (255, 255, 255)),
    ],
    ids=["grey", "opaque", "transparent", "16 bit", "palette", "other size", "1 bit"],
)
def test_images_of_every_kind(tmp_path, image, expected):
    splits, *_ = prepare_tree(tmp_path, tree() | {"set/train/ant/zz.png": png(image)})
    found = splits["train"][0][splits["train"][1] == 0][-1].astype(int)
    assert np.abs(found - expected).max() <= 3


def test_greyscale_if_asked(tmp_path):
    splits, *_ = prepare_tree(tmp_path, tree(), channels=1)
    assert splits["train"][0].shape == (4, 12, 12, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set/train/ant/9.png": b"not an image"}, r"set/train/ant/9\.png: not a readable image"),
        ({"set/train/ant/9.png": noise()[:300]}, r"9\.png: not a readable"),
        ({"set/train/cat/0.png": png(colour(0))}, "label 'cat' has images in train/ but none in"),
        ({"set/test/cat/0.png": png(colour(0))}, "label 'cat' has images in test/ but none in"),
    ],
)
def test_what_is_wrong_in_a_folder_is_named(tmp_path, change, message):
    with pytest.raises(NodalError, match=message):
        prepare_tree(tmp_path, tree() | change)


def test_an_empty_label_folder_is_named(tmp_path):
    (tmp_path / "source" / "set" / "train" / "empty").mkdir(parents=True)
    write_tree(tmp_path / "source", tree(), "directory")
    with pytest.raises(NodalError, match="train/empty: the label's folder is empty"):
        datasets.prepare(tmp_path / "o.h5", "s", FOLDER, {"data": tmp_path / "source"})


def test_a_member_outside_the_archive_is_never_written(tmp_path):
    files = {**tree(), "../../train/ant/evil.png": png(colour(0)), "../evil.txt": b"x"}
    prepare_tree(tmp_path, files, "tar")
    assert not list(tmp_path.parent.rglob("evil*"))


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(NodalError, match=r"broken\.zip: not a directory, zip or tar"):
        datasets.prepare(tmp_path / "o.h5", "s", FOLDER, {"data": tmp_path / "broken.zip"})


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
        ({"y_test": np.zeros(8, int)}, r"y_test: expected each of 0\.\.3"),
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


def test_digits_are_stratified_and_fixed(digits):
    _, dataset = digits
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (1347, 450)
    assert dataset.image_shape == (1, 8, 8)
    share = np.bincount(dataset.test.labels) / 450
    overall = np.bincount(np.concatenate([dataset.test.labels, dataset.train.labels])) / 1797
    assert np.abs(share - overall).max() < 0.003
    both = {i.tobytes() for i in dataset.train.images} & {i.tobytes() for i in dataset.test.images}
    assert not both
