"""A relative path means the folder of the file that names it."""

from pathlib import Path

import pytest
from nodal.errors import NodalError
from nodal.pipeline import paths, schemas

SCHEMA = schemas.load()
ROOT = Path(__file__).parents[2]


def test_a_folder_with_a_config_of_its_own_uses_it(tmp_path):
    assert paths.config_file(tmp_path) == ROOT / "config" / "config.yaml"
    assert paths.config_file(tmp_path, "/else") == Path("/else/config/config.yaml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").touch()
    assert paths.config_file(tmp_path, "/else") == tmp_path / "config" / "config.yaml"


def test_a_library_installed_apart_has_no_checkout(tmp_path, monkeypatch):
    assert paths.checkout() == ROOT
    monkeypatch.setattr(paths, "LIBRARY", tmp_path / "lib" / "site-packages" / "nodal")
    assert paths.checkout() is None
    with pytest.raises(NodalError, match=r"config/config.yaml: no such file, and no checkout"):
        paths.config_file(tmp_path)


def test_another_checkouts_library_is_refused(tmp_path):
    paths.require_own_library(ROOT)
    paths.require_own_library(tmp_path)  # brings none
    (tmp_path / "workflow" / "nodal").mkdir(parents=True)
    with pytest.raises(NodalError, match=f"the Snakefile lies in {tmp_path}; unset PYTHONPATH"):
        paths.require_own_library(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    paths.require_writable(tmp_path)
    monkeypatch.setattr(paths.os, "access", lambda *_: False)
    with pytest.raises(NodalError, match=f"^{tmp_path}: cannot be written; run with --directory"):
        paths.require_writable(tmp_path)


def test_each_path_belongs_to_the_last_file_that_gives_it():
    def config(path, weights):
        return {
            "datasets": {"mine": {"source": "folder", "path": path}},
            "experiments": {
                "mine": {
                    "dataset": "mine",
                    "model": {"name": "x", "pretrained": weights},
                    "train": {"checkpoint": "https://example.org/w.pt"},
                }
            },
        }

    layers = [
        ("/project", config("images.zip", "one.pt")),
        ("/home/me", {"experiments": {"mine": {"model": {"pretrained": "../two.pt"}}}}),
        ("/scratch/run", {"datasets": {"other": {"path": "images.zip"}}}),
    ]
    resolved = paths.resolved(config("images.zip", "../two.pt"), layers, SCHEMA)
    experiment = resolved["experiments"]["mine"]
    assert resolved["datasets"]["mine"] == {"source": "folder", "path": "/project/images.zip"}
    assert experiment["model"] == {"name": "x", "pretrained": "/home/me/../two.pt"}
    assert experiment["train"]["checkpoint"] == "https://example.org/w.pt"
    assert experiment["dataset"] == "mine"


def test_the_same_path_in_two_files_is_the_later_ones():
    raw = {"datasets": {"mine": {"path": "a.npz"}}}
    resolved = paths.resolved(raw, [("/one", raw), ("/two", raw)], SCHEMA)
    assert resolved["datasets"]["mine"]["path"] == "/two/a.npz"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a b/é.zip", "/x/a b/é.zip"),
        ("/data/a.zip", "/data/a.zip"),
        ("file:///data/a%20b.zip", "/data/a b.zip"),
        ("http://example.org/a", "http://example.org/a"),
    ],
)
def test_absolute(path, expected):
    assert paths.absolute(path, "/x") == expected


@pytest.mark.parametrize(("given", "expected"), [("test.csv", "/p/test.csv"), ("val", "val")])
def test_a_word_of_the_schema_is_no_path(given, expected):
    raw = {"datasets": {"mine": {"source": "text", "test": given}}}
    resolved = paths.resolved(raw, [("/p", raw)], schemas.load())
    assert resolved["datasets"]["mine"]["test"] == expected


@pytest.mark.parametrize("raw", [None, [], {"datasets": 3}, {"datasets": {"a": None}}])
def test_what_is_no_config_goes_through_to_the_check(raw):
    assert paths.resolved(raw, [("/x", raw)], SCHEMA) == raw
