"""The README does what it says: its Python, its config and its `nodal` commands."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from nodal.pipeline import command, config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_it_is_short():
    assert len(README.splitlines()) < 100


def test_the_librarys_example_runs_and_has_the_shapes_it_says():
    (example,) = blocks("python")
    names = {}
    exec(example, names)
    assert names["means"].shape == (10, 1, 128)
    assert names["matrices"].shape == (128, 10, 10)
    assert len(names["nodes"]) == 128


def test_the_config_of_ones_own_data_is_accepted():
    (mine,) = blocks("yaml")
    project = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    laid = command.merged([project, yaml.safe_load(mine)])
    checked = config.check(deepcopy(laid))["experiments"]
    assert checked["images"]["train"]["epochs"] == checked["images_grid"]["train"]["epochs"] == 100
    assert checked["texts"]["train"]["word_dropout"] > 0
    assert set(laid["run"]) == set(yaml.safe_load(mine)["experiments"])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`nodal (\w+)", README))))
def test_every_subcommand_that_is_named_exists(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command.parser().parse_args([name, "--help"])
    assert ended.value.code == 0
