"""A digest follows what is in a file or a folder, not where it lies or when it came there."""

import os
import shutil
import zipfile

import numpy as np
import pytest
from nodal.errors import NodalError
from nodal.pipeline import content


@pytest.fixture
def folder(tmp_path):
    for name in ("train/ant/0.png", "train/cat/0.png", "test/ant/0.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "images"


def test_moved_copied_and_touched_it_is_the_same(folder, tmp_path):
    before = content.digest(folder)
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    os.utime(moved / "train/ant/0.png", (0, 0))
    assert content.digest(moved) == before
    file, zipped = tmp_path / "a.tar", tmp_path / "a.npz"
    file.write_bytes(bytes(1000))
    np.savez(zipped, x=np.arange(3))
    for path in (file, zipped):
        copy = shutil.copy(path, tmp_path / f"copy_{path.name}")
        os.utime(copy, (0, 0))
        assert content.digest(copy) == content.digest(path)


def test_changed_renamed_added_and_removed_are_noticed(folder):
    seen = {content.digest(folder)}
    place = folder / "train/ant/0.png"
    times = place.stat()
    place.write_text("train/ant/1.png")
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    seen.add(content.digest(folder))
    place.rename(folder / "train/ant/1.png")
    seen.add(content.digest(folder))
    (folder / "train/ant/2.png").write_text("new")
    seen.add(content.digest(folder))
    (folder / "train/ant/2.png").unlink()
    (folder / "train/ant/1.png").unlink()
    seen.add(content.digest(folder))
    assert len(seen) == 5


def test_a_zip_is_known_by_its_members(tmp_path):
    for name, text in (("a.zip", "one"), ("b.zip", "two")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("train/ant/0.png", text)
    assert content.digest(tmp_path / "a.zip") != content.digest(tmp_path / "b.zip")


def test_it_is_remembered_only_where_asked(folder, tmp_path, monkeypatch):
    memory = tmp_path / "state" / "contents.json"
    found = content.digest(folder, memory=memory)
    assert not memory.exists()
    assert content.digest(folder, remember=True, memory=memory) == found

    def fail(_):
        raise AssertionError("read again")

    monkeypatch.setattr(content, "_digest", fail)
    assert content.digest(folder, memory=memory) == found
    memory.write_text("{")
    with pytest.raises(AssertionError):
        content.digest(folder, memory=memory)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(NodalError, match=r"none\.zip: no such file or directory"):
        content.digest(tmp_path / "none.zip")
