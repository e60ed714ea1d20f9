"""The command `nodal`: each subcommand once, and its mistakes as one line."""

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from nodal import models
from nodal.files import storage
from nodal.pipeline import command, paths
from snakemake.utils import update_config


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    names = ("report", "atlas", "check", "join", "compare", "export")
    assert re.findall(r"^    (\w+) ", said, re.M) == list(names)


def test_atlas_says_where_the_pages_of_a_list_are_and_opens_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    Path("config").mkdir()
    Path("config/config.yaml").write_text("demo: [a b, c]\nrun: [c]\nrecipes: {x: {}}\n")
    for name in ("a b", "c"):
        Path("results", name).mkdir(parents=True)
        Path("results", name, "atlas.html").touch()
    command.main(["atlas", "demo", "c"])
    assert capsys.readouterr().out == "results/a b/atlas.html\nresults/c/atlas.html\n"
    assert opened == []
    command.main(["atlas", "--open", "a b"])
    assert opened == [f"file://{tmp_path}/results/a%20b/atlas.html"]


def test_an_atlas_that_is_not_made_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        command.main(["atlas", "digits"])
    page = "results/digits/atlas.html"
    assert f"{page}: no such file; snakemake --cores all {page} makes it" in ended.value.code


def test_report_elsewhere_than_the_run_is_one_line(tmp_path, monkeypatch):
    """Of the lists in the project's config, though the folder has none; see test_report.py."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        command.main(["report"])
    assert (
        f"{tmp_path / 'results'}: no such folder; run this where Snakemake ran" in ended.value.code
    )
    Path("results").mkdir()
    with pytest.raises(SystemExit) as ended:
        command.main(["report"])
    assert "digits: no results/digits/ here" in ended.value.code


def test_outside_of_any_checkout_a_config_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "LIBRARY", tmp_path / "site-packages" / "nodal")
    with pytest.raises(SystemExit) as ended:
        command.main(["check"])
    own = tmp_path / "config" / "config.yaml"
    assert f"{own}: no such file, and no checkout to take a config of; name one" in ended.value.code


def test_check_says_what_a_config_asks_for(capsys):
    command.main(["check", "config/config.yaml"])
    assert "digits_vgg: vgg11 on digits, 4 blocks, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiments: {digits: {modle: {}}}", "config: experiments.digits.modle: unknown key"),
        ("experiments: {digits: [", "mine.yaml: not a YAML file: "),
        ("run: [a]\ntext: []\nrun: [b]", "line 3: the key 'run' stands on line 1 already"),
        ("experiments: {a: {}, b: {}, a: {}}", "line 1: the key 'a' stands on line 1 already"),
        ("experiments: {digits: {seeds: [010]}}", "line 1: 010 is 8 in YAML (octal); write 10"),
        ("- a", "mine.yaml: expected keys such as datasets and experiments"),
        (None, "mine.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(SystemExit) as ended:
        command.main(["check", str(tmp_path / "mine.yaml")])
    assert message in ended.value.code
    assert "\n" not in ended.value.code


def test_who_reads_may_have_enough():
    words = [sys.executable, "-m", "nodal.pipeline.command", "check", "config/config.yaml"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1


def test_layers_are_laid_over_each_other_as_snakemake_does():
    layers = [
        {"run": ["a", "b"], "experiments": {"a": {"seeds": [0], "model": {"name": "cct"}}}},
        {"run": ["b"], "experiments": {"a": {"seeds": [1, 2]}, "b": {"model": None}}},
        {"experiments": {"b": {"model": {"name": "vgg11"}}, "a": {"model": "x"}}},
    ]
    expected = {}
    for layer in deepcopy(layers):
        update_config(expected, layer)
    before = deepcopy(layers)
    assert command.merged(layers) == expected
    assert layers == before


def test_an_artifact_is_exported_array_by_array(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4, 5))
    with storage.write_hdf5(tmp_path / "block0.h5", {}) as file:
        storage.put(file, "hidden/class_means/train", values)
        storage.put(file, "rms", values[0, 0])
    command.main(["export", str(tmp_path / "block0.h5"), str(tmp_path / "out.npz")])
    with np.load(tmp_path / "out.npz") as out, h5py.File(tmp_path / "block0.h5") as file:
        assert sorted(out) == ["hidden/class_means/train", "rms"]
        assert all(np.array_equal(out[name], file[name][()]) for name in out)


def test_a_model_is_exported_as_plain_weights(tmp_path):
    model = models.build({"name": "cct", "width": 8, "depth": 1}, 3, (1, 8, 8))
    content = {"state_dict": model.state_dict(), "model": {"name": "cct"}, "test_accuracy": 0.5}
    storage.save_torch(tmp_path / "model.pt", content)
    command.main(["export", str(tmp_path / "model.pt"), str(tmp_path / "weights.pt")])
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a.h5", "a.csv", "a.csv: expected an .h5 and an .npz file"),
        ("no.h5", "a.npz", "no.h5: no such file"),
        ("weights.pt", "b.pt", "weights.pt: not a model of this workflow"),
    ],
)
def test_what_cannot_be_exported_is_named(tmp_path, monkeypatch, source, target, message):
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.zeros(1)}, "weights.pt")
    with pytest.raises(SystemExit) as ended:
        command.main(["export", source, target])
    assert message in ended.value.code
    assert "\n" not in ended.value.code
