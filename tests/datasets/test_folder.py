"""Images in folders as people have them, and what can be wrong with them."""

import tarfile
from functools import partial

import numpy as np
import pytest
from made import FOLDER, add, colour, grey, greys, png, prepare_tree, read, write_tree
from nodal import datasets
from nodal.errors import NodalError
from nodal.pipeline import content
from PIL import Image

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


def test_parts_without_labels_are_no_labels(tmp_path):
    files = {f"{part}/{i}.png": noise() for part in ("train", "test") for i in range(4)}
    with pytest.raises(NodalError, match=r"images directly in test and train.* dataset\.manifest"):
        prepare_tree(tmp_path, files, test_share=0.5)


def test_a_label_may_be_called_like_a_part(tmp_path):
    files = {f"{label}/{i}.png": noise() for label in ("train", "bus") for i in range(4)}
    _, names, _ = prepare_tree(tmp_path, files, test_share=0.5)
    assert names == ["bus", "train"]


def test_names_that_are_not_utf8(tmp_path):
    """As old archives unpack on Linux. A file may be called so, a label not."""
    said = []
    files = tree() | {"set/train/ant/caf\udce9.png": png(colour(0)), "set/caf\udce9.txt": b""}
    write_tree(tmp_path / "source", files, "directory")
    prepare = partial(datasets.prepare, settings=FOLDER, files={"data": tmp_path / "source"})
    prepare(tmp_path / "o.h5", "s", log=said.append)
    assert len(read(tmp_path / "o.h5")[0]["train"][0]) == 5
    assert len(content.digest(tmp_path / "source", memory=tmp_path / "memory.json")) == 64
    for part in ("train", "test"):
        (tmp_path / "source/set" / part / "ant").rename(tmp_path / "source/set" / part / "\udce9")
    with pytest.raises(NodalError, match=r"source: '\\udce9' is not UTF-8"):
        prepare(tmp_path / "p.h5", "s")


def test_greyscale_if_asked(tmp_path):
    splits, *_ = prepare_tree(tmp_path, tree(), channels=1)
    assert splits["train"][0].shape == (4, 12, 12, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set/train/ant/9.png": b"not an image"}, r"set/train/ant/9\.png: not a readable image"),
        ({"set/train/ant/9.png": noise()[:300]}, r"9\.png: not a readable"),
        ({"set/train/cat/0.png": png(colour(0))}, "label 'cat' has images in train but none in"),
        ({"set/test/cat/0.png": png(colour(0))}, "label 'cat' has images in test but none in"),
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


THREE = {"train__ant": 2, "train__bee": 1, "val__ant": 1, "val__bee": 1, "test__ant": 1,
         "test__bee": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "train", "test", "unused"),
    [
        ({}, [1, 2, 3], [6, 7, 8], "2 images of val"),
        ({"test": "val"}, [1, 2, 3], [4, 5], "3 images of test"),
        ({"train": "trainval"}, [1, 2, 3, 4, 5], [6, 7, 8], None),
    ],
)
def test_of_three_parts_two_are_chosen_and_the_third_counted(tmp_path, choice, train, test, unused):
    said = []
    splits, *_ = prepare_tree(tmp_path, grey(**THREE), said=said, **choice)
    assert (greys(splits, "train"), greys(splits, "test")) == (train, test)
    lines = [line for line in said if "not used" in line]
    assert (unused is None and not lines) or any(f"{unused} are not used" in x for x in lines)


def test_a_label_of_an_unused_part_alone_is_named(tmp_path):
    said = []
    _, names, _ = prepare_tree(tmp_path, grey(**THREE, val__cat=2), said=said)
    assert names == ["ant", "bee"]
    assert any(line.endswith("labels of unused images alone, not used: cat") for line in said)


def test_folders_without_images_are_named_where_there_are_no_parts(tmp_path):
    said, files = [], grey(ant=4, bee=4) | {"notes/a.txt": b"", ".git/config": b""}
    (tmp_path / "source" / "cat" / "deep").mkdir(parents=True)
    write_tree(tmp_path / "source", files, "directory")
    own, settings = {"data": tmp_path / "source"}, FOLDER | {"test_share": 0.25}
    datasets.prepare(tmp_path / "o.h5", "s", settings, own, said.append)
    assert read(tmp_path / "o.h5")[1] == ["ant", "bee"]
    assert any(line.endswith("folders without images, no label: cat, notes") for line in said)


@pytest.mark.parametrize(
    ("files", "choice", "expected"),
    [
        (THREE, {}, ("train (3)", "test (3)")),
        (THREE, {"train": "trainval"}, ("train and val (5)", "test (3)")),
        (THREE, {"test": "val"}, ("train (3)", "val (2)")),
        (
            {"ant": 4, "bee": 4},
            {"test_share": 0.25},
            ("test_share 0.25, the rest (6)", "test_share 0.25 (2)"),
        ),
    ],
)
def test_the_splits_say_what_the_data_calls_them(tmp_path, files, choice, expected):
    prepare_tree(tmp_path, grey(**files), **choice)
    with datasets.opened(tmp_path / "out" / "set.h5") as dataset:
        assert (str(dataset.train), str(dataset.test)) == expected


@pytest.mark.parametrize("name", ["val", "Valid", "VALIDATION"])
def test_a_validation_part_is_the_test_where_there_is_no_other(tmp_path, name):
    counts = {"Train__ant": 2, "Train__bee": 1, f"{name}__ant": 1, f"{name}__bee": 1}
    splits, names, _ = prepare_tree(tmp_path, grey(**counts))
    assert (greys(splits, "train"), greys(splits, "test")) == ([1, 2, 3], [4, 5])
    assert names == ["ant", "bee"]


@pytest.mark.parametrize("around", ["", "a/", "a/b/", "./", "label/"])
@pytest.mark.parametrize("kind", ["directory", "zip", "tar"])
def test_folders_around_everything_are_passed_through(tmp_path, around, kind):
    files = {around + name: content for name, content in grey(ant=4, bee=4).items()}
    splits, names, _ = prepare_tree(tmp_path, files, kind, test_share=0.25, test_seed=0)
    assert names == ["ant", "bee"]
    assert np.bincount(splits["test"][1]).tolist() == [1, 1]
    assert greys(splits, "train") + greys(splits, "test") != list(range(1, 9))
    assert sorted(greys(splits, "train") + greys(splits, "test")) == list(range(1, 9))


def test_a_share_is_the_same_for_a_directory_and_its_archive(tmp_path):
    read = {}
    for kind in ("directory", "zip", "tar"):
        (tmp_path / kind).mkdir()
        splits, *_ = prepare_tree(
            tmp_path / kind, grey(ant=9, bee=9), kind, test_share=0.5, test_seed=3
        )
        read[kind] = greys(splits, "test")
    assert read["directory"] == read["zip"] == read["tar"]


def test_images_deeper_than_the_label_are_its_own(tmp_path):
    files = grey(train__ant=1, train__ant__wings__left=1, train__bee=1, test__ant__x=1, test__bee=1)
    splits, names, _ = prepare_tree(tmp_path, files)
    assert names == ["ant", "bee"]
    assert np.bincount(splits["train"][1]).tolist() == [2, 1]


def test_numbers_are_in_their_order_and_stay_what_they_are(tmp_path):
    counts = {f"{part}__{label}": 1 for part in ("train", "test") for label in ("10", "9", "007")}
    assert prepare_tree(tmp_path, grey(**counts))[1] == ["007", "9", "10"]


def test_a_label_folder_may_be_a_link(tmp_path):
    files = {f"set/{name}": content for name, content in grey(train__ant=2, test__ant=1).items()}
    files |= {f"else/{name}": content for name, content in grey(bee=3).items()}
    write_tree(tmp_path, files, "directory")
    for part in ("train", "test"):
        (tmp_path / "set" / part / "bee").symlink_to(tmp_path / "else" / "bee")
    datasets.prepare(tmp_path / "o.h5", "s", FOLDER, {"data": tmp_path / "set"})
    splits, names, _ = read(tmp_path / "o.h5")
    assert names == ["ant", "bee"]
    assert np.bincount(splits["train"][1]).tolist() == [2, 3]


def test_what_is_not_taken_is_said(tmp_path):
    said = []
    files = tree() | {"set/a.txt": b"", "set/.hidden.png": b"", "set/other/1.png": png(colour(0)),
                      "set/train/1.png": png(colour(0)), "../up.png": png(colour(0))}  # fmt: skip
    splits, *_ = prepare_tree(tmp_path, files, said=said)
    assert len(splits["train"][1]) == 4
    said = "\n".join(said)
    assert "2 files are hidden or no images, not used: 1 .png, 1 .txt" in said
    assert "2 images not used, not below train, val or test and a label" in said
    assert "set/other/1.png, set/train/1.png" in said
    assert "1 links, or names that lead outside, not used: ../up.png" in said
    assert "4 images of train: the train split" in said


def test_a_file_with_two_names_in_a_tar_is_two_files(tmp_path):
    """As GNU tar keeps what was hard-linked on the disk."""
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name, image in grey(train__ant=1, train__bee=1, test__ant=1).items():
            add(tar, name, image)
        for name, target, kind in (
            ("test/bee/0.png", "train/bee/0.png", tarfile.LNKTYPE),
            ("train/bee/1.png", "train/bee/0.png", tarfile.LNKTYPE),
            ("train/bee/1.png", "nowhere", tarfile.SYMTYPE),  # it is no file any more
            ("train/bee/2.png", "train/bee/1.png", tarfile.LNKTYPE),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            tar.addfile(link)
    datasets.prepare(tmp_path / "o.h5", "s", FOLDER, {"data": tmp_path / "set.tar"})
    splits, *_ = read(tmp_path / "o.h5")
    assert (greys(splits, "train"), greys(splits, "test")) == ([1, 2], [2, 3])


def test_what_only_has_the_suffix_of_some_format_is_no_image(tmp_path):
    said, others = [], {f"set/train/ant/x.{kind}": b"%" for kind in ("pdf", "mpg", "h5", "txt")}
    others |= {f"set/train/ant/y.{kind}": png(colour(5), format="JPEG") for kind in ("jfif", "MPO")}
    splits, *_ = prepare_tree(tmp_path, tree() | others, said=said)
    assert any("4 files are hidden or no images" in line for line in said)
    assert len(splits["train"][1]) == 6


def damaged(tmp_path, **changes):
    files = tree() | {"set/train/ant/8.png": b"no image", "set/test/bee/9.png": noise()[:300]}
    said = []
    return said, lambda: prepare_tree(tmp_path, files, said=said, **changes)


def test_all_damaged_images_are_named_at_once(tmp_path):
    _, prepare = damaged(tmp_path)
    with pytest.raises(NodalError, match=r"ant/8\.png: not a .*bee/9\.png: not a .*skip_damaged"):
        prepare()


def test_damaged_images_are_left_out_if_asked(tmp_path):
    said, prepare = damaged(tmp_path, skip_damaged=True)
    splits, *_ = prepare()
    assert (len(splits["train"][1]), len(splits["test"][1])) == (4, 4)
    assert next(line for line in said if line.startswith("left out")).count("ant/8.png") == 1
    assert "images stored: 4 to train, 4 to test" in said


@pytest.mark.parametrize(("value", "said"), [(4095, "; 16 levels are left"), (40_000, None)])
def test_what_is_lost_of_16_bits_is_said(tmp_path, value, said):
    deep = {f"set/test/bee/{i}.png": png(Image.new("I;16", (4, 4), value - i)) for i in (2, 3)}
    lines = []
    prepare_tree(tmp_path, tree() | deep, said=lines)
    (line,) = (line for line in lines if "16 bits" in line)
    assert line.startswith("2 images of 16 bits, of which the upper 8 are kept; their largest")
    assert f"{value - 2:,} of 65,535" in line
    assert ("levels" in line) == (said is not None)
    assert said is None or said in line
    lines.clear()
    (tmp_path / "again").mkdir()
    prepare_tree(tmp_path / "again", tree(), said=lines)
    assert not any("16 bits" in line for line in lines)


def test_a_label_of_damaged_images_alone_is_named(tmp_path):
    files = tree() | {f"set/test/bee/{i}.png": b"no image" for i in range(2)}
    with pytest.raises(NodalError, match="label 'bee' has no input in the test split"):
        prepare_tree(tmp_path, files, skip_damaged=True)


def test_a_member_damaged_in_its_zip_is_named(tmp_path):
    (tmp_path / "zip").mkdir()
    path = write_tree(tmp_path / "zip", tree(), "zip")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"IDAT") + 6] ^= 255
    path.write_bytes(raw)
    with pytest.raises(NodalError, match=r"train/ant/0\.png: damaged, or not to be read"):
        datasets.prepare(tmp_path / "o.h5", "s", FOLDER, {"data": path})


@pytest.mark.parametrize(
    ("counts", "changes", "message"),
    [
        ({"ant": 2, "bee": 2}, {}, "no test part; .*dataset.test_share"),
        ({"ant": 2, "bee": 1}, {"test_share": 0.5}, "label 'bee' has one of the images"),
        ({"pictures": 3}, {"test_share": 0.5}, "neither labels nor parts"),
        ({"ant__train": 2, "bee__train": 1}, {"test_share": 0.5}, "in a part below the label"),
        ({"test__ant": 1, "val__ant": 1}, {}, "has no train part; found test, val"),
        (THREE, {"train": "trainval", "test": "val"}, "trainval with val as the test"),
        (
            THREE,
            {"test_share": 0.5},
            r"test_share: the data has parts of its own \(test",
        ),
        ({"train__ant": 1, "test__ant": 1}, {"train": "trainval"}, "has no val part"),
        ({"train__ant": 2, "test__ant": 1}, {}, "one label alone, 'ant'; expected two or more"),
        ({}, {}, "no images in it"),
    ],
)
def test_what_is_wrong_with_the_parts_is_named(tmp_path, counts, changes, message):
    with pytest.raises(NodalError, match=message):
        prepare_tree(tmp_path, grey(**counts) | {"a.txt": b""}, **changes)


def test_a_label_folder_without_an_image_is_named(tmp_path):
    with pytest.raises(NodalError, match="train/cat: the label's folder is empty"):
        prepare_tree(tmp_path, tree() | {"set/train/cat/notes.txt": b""})
