"""A table that says of each image its label and its part, and what can be wrong with it."""

import gzip
import tarfile

import pytest
from made import FOLDER, grey, greys, prepare_tree, read, write_tree
from nodal import datasets
from nodal.errors import NodalError

MANIFEST = ["pictures/0.png,2 b,train", "pictures/1.png,10 a,train", "pictures/2.png,2 b,test",
            "pictures/3.png,10 a,test", "pictures/4.png,10 a,valid"]  # fmt: skip


@pytest.mark.parametrize("kind", ["directory", "zip", "tar"])
@pytest.mark.parametrize("around", ["", "set/"])
def test_a_manifest_says_what_lies_where(tmp_path, kind, around):
    said, files = [], {around + name: image for name, image in grey(pictures=6).items()}
    splits, names, _ = prepare_tree(tmp_path, files, kind, MANIFEST, said)
    assert names == ["10 a", "2 b"]
    for split, labels in {"train": {1: 1, 2: 0}, "test": {3: 1, 4: 0}}.items():
        images, found = splits[split]
        assert dict(zip((images[:, 0, 0, 0] // 5).tolist(), found.tolist(), strict=True)) == labels
    said = "\n".join(said)
    assert "1 files are not in " in said
    assert "1 images of val are not used" in said
    assert "2 labels: 10 a, 2 b" in said
    with datasets.opened(tmp_path / "out" / "set.h5") as dataset:
        assert (dataset.train.origin, dataset.test.origin) == (
            "train of splits.csv", "test of splits.csv"
        )  # fmt: skip


@pytest.mark.parametrize("spelt", [r"pictures\{}", "{folder}/pictures/{}", "./pictures/{}"])
def test_a_manifest_may_spell_names_as_windows_or_whole(tmp_path, spelt):
    folder = tmp_path / "source"
    lines = [line.replace("pictures/", spelt.format("", folder=folder)) for line in MANIFEST]
    splits, *_ = prepare_tree(tmp_path, grey(pictures=6), "directory", lines)
    assert greys(splits, "train") == [1, 2]


def test_a_mac_s_zip_and_a_tar_s_links_are_read_by_a_manifest(tmp_path):
    hidden = {"__MACOSX/set/pictures/._0.png": b"", "set/.DS_Store": b"", ".git/config": b""}
    files = {f"set/{name}": image for name, image in grey(pictures=4).items()} | hidden
    source = write_tree(tmp_path, files, "tar")
    content = gzip.decompress(source.read_bytes())
    (tmp_path / "set.tar").write_bytes(content)
    with tarfile.open(tmp_path / "set.tar", "a") as tar:
        for name, kind in (("pictures/4.png", tarfile.LNKTYPE), ("far.png", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(f"set/{name}")
            member.type, member.linkname = kind, "set/pictures/3.png"
            tar.addfile(member)
    (tmp_path / "m.csv").write_text("\n".join(["file,label,split", *MANIFEST]))
    said, own = [], {"data": tmp_path / "set.tar", "manifest": tmp_path / "m.csv"}
    datasets.prepare(tmp_path / "o.h5", "s", FOLDER, own, said.append)
    assert greys(read(tmp_path / "o.h5")[0], "test") == [3, 4]
    assert any("1 links, or names that lead outside, not used: set/far.png" in x for x in said)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pictures/9.png,2 b,train", r"line 7: .*pictures/9\.png: no such file"),
        ("../splits.csv,2 b,train", r"line 7: .*splits\.csv: no such file"),
        ("pictures/0.png,2 b,test", r"line 7: pictures/0\.png is named twice"),
        ("./pictures/0.png,2 b,test", r"line 7: \./pictures/0\.png is named twice"),
        ("pictures/5.png,2 b,tests", "line 7: unknown split 'tests'; expected one of train, val"),
        ("pictures/5.png,new,test", "label 'new' has images in test but none in train"),
        ("pictures/5.png,,test", "line 7: column 'label' is ''"),
    ],
)
def test_what_is_wrong_in_a_manifest_is_named(tmp_path, line, message):
    with pytest.raises(NodalError, match=message):
        prepare_tree(tmp_path, grey(pictures=6), manifest=[*MANIFEST, line])
