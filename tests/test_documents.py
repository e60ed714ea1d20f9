"""The README does what it says, and the record says what its tables hold."""

import re
from copy import deepcopy
from pathlib import Path

import pandas as pd
import pytest
import yaml
from nodal.pipeline import command, config
from nodal.verdicts import claims, tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RECORD = ROOT / "docs" / "results"
SHARES = (1, 100)  # a number stands as it is, or in percent or points
INTERVAL = re.compile(r"([+-]?[\d.]+)%? \[(-?[\d.]+)%?, (-?[\d.]+)%?\]")


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


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


def test_the_entry_of_a_model_is_the_librarys():
    entry, *_ = blocks("python", (ROOT / "docs" / "extending.md").read_text())
    assert entry in (ROOT / "workflow" / "nodal" / "models" / "__init__.py").read_text()


def sections():
    """{title: text} of the record's parts."""
    parts = (RECORD / "README.md").read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts}


def is_rounded(shown, value):
    digits = len(shown.partition(".")[2])
    return any(abs(value * n - float(shown)) <= 0.5000001 * 10**-digits for n in SHARES)


@pytest.mark.parametrize("title", sections())
def test_every_interval_of_the_record_is_one_of_its_tables(title):
    text = sections()[title]
    files = set(re.findall(r"\(([\w/]+/claims\.csv)\)|\(([\w/]+/tables/)\)", text))
    paths = [RECORD / (file or f"{folder}claims.csv") for file, folder in files]
    free = [path.with_name("free.csv") for path in paths if path.with_name("free.csv").exists()]
    tables = pd.concat(
        [pd.read_csv(path) for path in paths]
        + [pd.read_csv(path).rename(columns={"free": "mean"}) for path in free]
    )[["mean", "low", "high"]].dropna()
    shown = INTERVAL.findall(text)
    assert len(shown) > 5
    wrong = [
        f"{mean} [{low}, {high}]"
        for mean, low, high in shown
        if not any(all(map(is_rounded, (mean, low, high), row)) for row in tables.to_numpy())
    ]
    assert not wrong


@pytest.mark.parametrize(
    "path",
    sorted(RECORD.rglob("tables/claims.csv")),
    ids=lambda path: str(path.relative_to(RECORD)),
)
def test_the_verdicts_of_the_record_are_those_of_its_tables(path):
    kinds = [
        kind for kind in ("layers", "pruning", "heads") if path.with_name(f"{kind}.csv").exists()
    ]
    expected = pd.read_csv(path)
    made = claims.verdicts({kind: tables.read(path.parents[1], kind) for kind in kinds})
    assert list(made.claim) == list(expected.claim)
    # A head table may be left out for its size: then only its claims cannot be made again.
    told = ~made.claim.str.startswith("5.") | ("heads" in kinds)
    pd.testing.assert_frame_equal(made[told], expected[told], rtol=1e-4, atol=1e-7)
    assert told.sum() > 10
