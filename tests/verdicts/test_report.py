"""The summary on the terminal: what it says first, what last, and what it refuses."""

import re

import numpy as np
import pandas as pd
import pytest
from nodal.errors import NodalError
from nodal.verdicts import report

CONFIG = {
    "demo": ["digits", "digits_grid"],
    "experiments": {
        "digits": {"dataset": "digits"},
        "digits_grid": {"network": "digits"},
        "other": {"dataset": "cifar100"},
    },
}
ROWS = [  # claim, statement, rule, mean, low, high, verdict
    ("1.few", "clusters are few", "< 0.25", 0.2, 0.1, 0.24, "supported"),
    ("1.small", "clusters are small", "< 0.25", 0.2, 0.1, 0.3, "inconclusive"),
    ("2.FF.snr", "signal rises", "> 0", -0.198, -0.34, -0.05, "not supported"),
    ("3.stage.snr", "signal rises in a CNN", "> 0", np.nan, np.nan, np.nan, "not applicable"),
    ("4.dilution", "more than half goes", "> 0.5", 123.4, -np.inf, np.inf, "inconclusive"),
    ("5.breaking", "heads divide the labels", "> 0", 12.25, 10, 14.5, "supported"),
]


def claims(rows=ROWS):
    return pd.DataFrame(
        rows, columns=["claim", "statement", "rule", "mean", "low", "high", "verdict"]
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder in which two experiments on the digits and one on other images were run."""
    monkeypatch.chdir(tmp_path)
    for name, seeds in (("digits", [0, 1]), ("digits_grid", [0, 1]), ("other", [0])):
        tables = tmp_path / "results" / name / "tables"
        tables.mkdir(parents=True)
        layers = pd.DataFrame({"seed": seeds, "block": 0, "site": "ff", "p_chance": 0.0})
        layers.to_csv(tables / "layers.csv", index=False)
        claims().to_csv(tables / "claims.csv", index=False)
    return tmp_path


def test_verdicts_stand_by_claim_and_those_that_are_none_in_one_line_at_the_end():
    lines = list(report.verdict_lines(claims()))
    assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2.", "5."]
    assert lines[-1].endswith(": 1.small, 4.dilution")
    assert "CNN" not in "\n".join(lines)
    rows = [line for line in lines if line.startswith("   ")]
    assert [line.split()[-1] for line in rows] == ["few", "rises", "labels"]
    columns = [[m.start() for m in re.finditer(r"[\[,\]]", line[:60])] for line in rows]
    assert columns[0] == columns[1] == columns[2], "numbers stand below each other"


def test_colours_are_for_a_terminal_alone(monkeypatch):
    class Stream:
        def __init__(self, terminal):
            self.isatty = lambda: terminal

    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = list(report.verdict_lines(claims(), report.painter(Stream(False))))
    coloured = list(report.verdict_lines(claims(), report.painter(Stream(True))))
    assert "\033" not in "".join(plain)
    assert "\033[31mnot supported\033[0m" in "".join(coloured)
    assert [re.sub(r"\033\[\d+m", "", line) for line in coloured] == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert report.painter(Stream(True)) is report.plain


@pytest.mark.parametrize(
    ("seeds", "dataset", "pilots"),
    [([0, 4], "digits", True), ([5, 6], "digits", False), ([0, 5], "digits", False),
     ([0, 1], "cifar100", False), ([0], None, False)],
)  # fmt: skip
def test_pilots_are_named_with_where_the_others_stand(seeds, dataset, pilots):
    line = report.seeds_line(seeds, dataset)
    assert ("pilots" in line and "docs/results/digits" in line) == pilots
    assert line.startswith(f"{len(seeds)} seed")


def test_a_list_of_the_config_is_its_experiments_and_says_where_to_look(run, capsys):
    report.main(["demo", "other"], CONFIG)
    said = capsys.readouterr().out
    parts = said.split("\n== ")[1:]
    assert [part.split()[0] for part in parts] == ["digits", "digits_grid", "other"]
    assert ["pilots" in part for part in parts] == [True, True, False]
    for name, part in zip(CONFIG["experiments"], parts, strict=True):
        assert f"results/{name}/atlas.html" in part


def test_elsewhere_than_the_run_it_is_one_line(run, tmp_path, monkeypatch):
    with pytest.raises(NodalError, match=r"^nothing: no results/nothing/ here; expected"):
        report.main(["nothing"], CONFIG)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(NodalError, match=r"elsewhere/results: no such folder; run this where"):
        report.main(["demo"])
