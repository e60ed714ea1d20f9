"""The summary on the terminal: what it says first, what last, and what it refuses."""

import re

import numpy as np
import pandas as pd
import pytest
from nodal.errors import NodalError
from nodal.pipeline import command
from nodal.verdicts import report, tables

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
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("demo: [digits, digits_grid]\n")
    for name, seeds, dataset in (
        ("digits", [0, 5], "digits"), ("digits_grid", [5], "digits"), ("other", [0], "cifar100"),
    ):  # fmt: skip
        folder = tmp_path / "results" / name / "tables"
        folder.mkdir(parents=True)
        row = dict.fromkeys(tables.NEEDED["layers"], 0) | {"dataset": dataset, "p_chance": 0}
        pd.DataFrame([row | {"seed": s} for s in seeds]).to_csv(folder / "layers.csv", index=False)
        claims().to_csv(folder / "claims.csv", index=False)
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
    [([0, 4], "digits", "0, 4"), ([5, 6], "digits", None), ([0, 5], "digits", "0"),
     ([0, 1], "cifar100", None)],
)  # fmt: skip
def test_pilots_are_named_with_where_the_others_stand(seeds, dataset, pilots):
    line = report.seeds_line(seeds, dataset)
    assert line.startswith(f"{len(seeds)} seed")
    assert ("pilots" in line) == (pilots is not None)
    if pilots:
        assert f"; pilots: {pilots}, seen before the rules were fixed; " in line
        assert line.endswith("in docs/results/digits")


def test_a_list_of_the_config_is_its_experiments_and_says_where_to_look(run, capsys):
    command.main(["report", "demo", "other"])
    said = capsys.readouterr().out
    parts = said.split("\n== ")[1:]
    assert [part.split()[0] for part in parts] == ["digits", "digits_grid", "other"]
    assert ["pilots" in part for part in parts] == [True, False, False]
    for name, part in zip(("digits", "digits_grid", "other"), parts, strict=True):
        assert f"results/{name}/atlas.html" in part


def test_elsewhere_than_the_run_it_is_one_line(run, tmp_path, monkeypatch):
    with pytest.raises(NodalError, match=r"^nothing: no results/nothing/ here; expected"):
        report.main(["nothing"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(NodalError, match=r"elsewhere/results: no such folder; run this where"):
        report.main(["digits"])
