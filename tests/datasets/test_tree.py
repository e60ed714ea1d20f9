"""Directories: links are followed, and a change of any file shows in the fingerprint."""

import os

import pytest
from nodal.datasets import fingerprint
from nodal.datasets.tree import walk


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1.txt", "a/2.txt", "b/c/3.txt"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text(name)
    return tmp_path / "set"


def names(folder):
    return [path.relative_to(folder).as_posix() for path in walk(folder)]


def test_links_are_followed_and_circles_are_not(folder):
    (folder / "b" / "linked").symlink_to(folder / "a")
    (folder / "a" / "round").symlink_to(folder)
    (folder / "other").symlink_to(folder / "a")
    found = names(folder)
    assert {"b/linked/1.txt", "other/2.txt", "a/1.txt"} <= set(found)
    assert len(found) == len(set(found)) < 30


def touch(path):
    later = path.stat().st_mtime_ns + 1000
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a" / "4.txt").write_text(""),
        lambda folder: (folder / "a" / "1.txt").unlink(),
        lambda folder: (folder / "a" / "1.txt").rename(folder / "a" / "0.txt"),
        lambda folder: (folder / "a" / "1.txt").write_text("longer than it was"),
        lambda folder: touch(folder / "b" / "c" / "3.txt"),
    ],
    ids=["added", "removed", "renamed", "another size", "another time"],
)
def test_a_fingerprint_changes_with_any_file(folder, change):
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    change(folder)
    assert fingerprint(folder) != before


def test_a_moved_folder_keeps_its_fingerprint(folder, tmp_path):
    before = fingerprint(folder)
    assert fingerprint(folder.rename(tmp_path / "elsewhere")) == before
