"""Seeds measured apart are those of one run: the committed record, taken apart and joined."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nodal.errors import NodalError
from nodal.pipeline import command
from nodal.verdicts import join, tables

RECORD = Path(__file__).parents[2] / "docs" / "results" / "clinc150" / "tables"


def written(folder, seeds, change=None):
    """The record's tables of some seeds, as a run with these alone leaves them."""
    (folder / "tables").mkdir(parents=True)
    for name in ("layers", "pruning", "heads"):
        table = pd.read_csv(RECORD / f"{name}.csv")
        table = table[table.seed.isin(seeds)]
        table = change(table, name) if change else table
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    for seed in seeds:
        history = folder / f"seed{seed}" / "history.csv"
        history.parent.mkdir()
        history.write_text(f"epoch,train_loss,test_accuracy\n1,0.5,0.{seed}\n")
    return folder


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """{what it was joined of: folder} of the record's five seeds."""
    top = tmp_path_factory.mktemp("join")
    parts = [written(top / "a", [3, 0]), written(top / "b", [1]), written(top / "c", [2, 4])]
    command.main(["join", *map(str, parts), "--to", str(top / "all")])
    command.main(["join", *map(str, parts[:2]), "--to", str(top / "some")])
    command.main(["join", str(top / "some"), str(parts[2]), "--to", str(top / "later")])
    return {"at once": top / "all", "one after another": top / "later"}


@pytest.mark.parametrize("way", ["at once", "one after another"])
@pytest.mark.parametrize("name", ["claims", "free", "pruning", "heads", "layers"])
def test_joined_seeds_are_those_of_one_run(joined, way, name):
    expected = pd.read_csv(RECORD / f"{name}.csv")
    found = pd.read_csv(joined[way] / "tables" / f"{name}.csv")
    order = ["seed"] if name in ("pruning", "heads", "layers") else []
    if order:
        expected = expected.sort_values("seed", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


def test_figures_and_histories_are_there_as_of_one_run(joined):
    for folder in joined.values():
        assert {path.stem for path in (folder / "figures").glob("*.png")} == {
            "layers", "clusters", "pruning", "scopes", "heads", "silencing", "training"
        }  # fmt: skip
        assert [path.name for path in sorted((folder / "training").iterdir())] == [
            f"seed{seed}.csv" for seed in range(5)
        ]


def test_of_the_whole_network_alone_no_scopes_are_drawn(tmp_path):
    def whole(table, name):
        return table[table.scope == "all"] if name == "pruning" else table

    folder = written(tmp_path / "a", [1], whole)
    join.join([folder], tmp_path / "b")
    drawn = {path.stem for path in (tmp_path / "b" / "figures").glob("*.png")}
    assert "pruning" in drawn
    assert "scopes" not in drawn


@pytest.mark.parametrize("name", ["layers", "pruning", "heads"])
def test_of_a_table_its_needed_columns_do_and_each_is_asked_for(tmp_path, name):
    def narrow(table, which):
        return table[[c for c in table if c in tables.NEEDED[name]]] if which == name else table

    whole, narrowed = written(tmp_path / "a", [1]), written(tmp_path / "b", [1], narrow)
    claims = join.join([whole], tmp_path / "whole")
    pd.testing.assert_frame_equal(join.join([narrowed], tmp_path / "narrow"), claims)
    path = narrowed / "tables" / f"{name}.csv"
    table = pd.read_csv(path)
    for column in tables.NEEDED[name]:
        table.drop(columns=column).to_csv(path, index=False)
        with pytest.raises(NodalError, match=rf"/{name}\.csv: no column '{column}'; expected"):
            join.join([narrowed], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_table_of_an_earlier_version_is_not_compared(tmp_path):
    old = written(
        tmp_path / "old", [1], lambda t, name: t.drop(columns="signal_share", errors="ignore")
    )
    with pytest.raises(SystemExit, match=r"error: .*old/tables/layers\.csv: no column 'signal_sh"):
        command.main(["compare", str(old), "b", "--to", str(tmp_path / "never")])


def without_a_tap(table, name):
    return table.iloc[1:] if name == "layers" else table


def otherwise(**values):
    return lambda table, name: table.assign(**values) if set(values) <= set(table) else table


def pruned(theta, **values):
    """A sweep over theta, and what its rows say of themselves."""

    said = {"target": np.nan, "threshold": theta, **values}
    return lambda table, name: table.assign(**said) if name == "pruning" else table


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (pruned(0.4), r"pruning\.csv: seed 2: threshold is 0\.4, of seed 1 0\.3"),
        (pruned(0.3, split="test"), r"pruning\.csv: seed 2: split is test, of seed 1 train"),
        (pruned(0.3, epochs=1.0), r"pruning\.csv: seed 2: epochs is 1\.0, of seed 1 0\.25"),
    ],
)
def test_what_was_pruned_otherwise_is_refused(tmp_path, other, message):
    said = pruned(0.3, split="train", epochs=0.25)
    one = written(tmp_path / "a", [1], said)
    two = written(tmp_path / "b", [2], lambda t, name: other(said(t, name), name))
    with pytest.raises(NodalError, match=message):
        join.join([one, two], tmp_path / "never")


@pytest.mark.parametrize(
    ("seeds", "change", "message"),
    [
        ([1], None, r"layers\.csv: seed 1 is in .*a/tables/layers\.csv already"),
        ([2], without_a_tap, r"layers\.csv: seed 2: 39 rows, of seed 1 40"),
        ([2], otherwise(tested_on="val (9)"), r"tested_on is val \(9\), of seed 1 test \(4,500\)"),
        ([2], otherwise(pool="grid"), r"pool is grid, of seed 1 sequence"),
        ([2], otherwise(grid=4.0), r"grid is 4\.0, of seed 1 nan"),
        ([2], otherwise(threshold=0.5), r"threshold is 0\.5, of seed 1 0\.3"),
        ([2], otherwise(split="train"), r"split is train, of seed 1 test"),
        ([2], otherwise(dataset="another"), r"dataset is another, of seed 1 clinc150"),
        ([2], otherwise(network="another"), r"network is another, of seed 1 clinc150"),
        ([2], otherwise(nodes=64), r"nodes is 64, of seed 1 128"),
        ([2], otherwise(margin=1.0), r"pruning\.csv: seed 2: margin is 1\.0, of seed 1 0\.5"),
        ([2], lambda t, name: t.assign(x=1), "seed 2: column 'x' is in this or in seed 1, not"),
    ],
)
def test_what_was_measured_otherwise_is_refused(tmp_path, seeds, change, message):
    parts = [written(tmp_path / "a", [1]), written(tmp_path / "b", seeds, change)]
    with pytest.raises(NodalError, match=message):
        join.join(parts, tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_table_that_one_folder_lacks_is_named(tmp_path):
    parts = [written(tmp_path / "a", [1]), written(tmp_path / "b", [2])]
    (parts[1] / "tables" / "heads.csv").unlink()
    with pytest.raises(NodalError, match=r"b: heads\.csv is in this or in .*a, not in both"):
        join.join(parts, tmp_path / "all")
    shutil.rmtree(parts[1] / "tables")
    with pytest.raises(NodalError, match=r"b/tables/layers\.csv: no such file"):
        join.join(parts, tmp_path / "all")


def test_what_is_joined_stays_as_it_is(tmp_path):
    parts = [written(tmp_path / "a", [1]), written(tmp_path / "b", [2])]
    with pytest.raises(NodalError, match=r"--to .*b/\.\./b: one of the folders to join; expected"):
        join.join(parts, parts[1] / ".." / "b")
    assert set(pd.read_csv(parts[1] / "tables" / "layers.csv").seed) == {2}


def test_experiments_of_one_name_are_not_compared_nor_is_one_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(written(tmp_path / "a" / "one", [1]))
    other = written(tmp_path / "b" / "one", [2])
    for folders, message in (
        ([".", str(other)], rf"\. and {other} have one name"),
        (["."], "1 folder; expected two or more"),
    ):
        with pytest.raises(SystemExit, match=message):
            command.main(["compare", *folders, "--to", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()


def wider(table, name):
    return table.assign(nodes=table.nodes * 2) if name == "layers" else table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wider, r"b and .*a are different networks of one name, clinc150, and would count as one"),
        (otherwise(dataset="another"), "different networks of one name"),
        (otherwise(threshold=0.5), r"b: threshold is 0\.5, of .*a 0\.3"),
        (otherwise(split="train"), r"b: split is train, of .*a test"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(tmp_path, change, message):
    """A network that counts as another's form would drop out of the claim about all."""
    folders = [written(tmp_path / "a", [1]), written(tmp_path / "b", [1], change)]
    with pytest.raises(SystemExit, match=message):
        command.main(["compare", *map(str, folders), "--to", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()


def test_forms_that_read_other_sites_of_one_network_stand_side_by_side(tmp_path):
    def some(*sites):
        return lambda table, name: table[table.site.isin(sites)] if name == "layers" else table

    folders = [written(tmp_path / name, [1, 2], some(*sites))
               for name, sites in (("a", ["proj", "ff"]), ("b", ["out"]))]  # fmt: skip
    command.main(["compare", *map(str, folders), "--to", str(tmp_path / "all")])
    assert set(pd.read_csv(tmp_path / "all" / "layers.csv").site) == {"proj", "ff", "out"}


def test_many_experiments_share_colours(tmp_path):
    folders = [written(tmp_path / f"{i}", [1], otherwise(network=f"{i}")) for i in range(8)]
    command.main(["compare", *map(str, folders), "--to", str(tmp_path / "all")])
    assert len(set(pd.read_csv(tmp_path / "all" / "layers.csv").experiment)) == 8
    assert (tmp_path / "all" / "comparison.png").stat().st_size > 10_000


def test_forms_of_one_network_are_compared_as_one(tmp_path):
    record = RECORD.parents[1]
    folders = [str(record / name) for name in ("digits", "digits_grid", "digits_vgg")]
    command.main(["compare", *folders, "--to", str(tmp_path / "all")])
    found, expected = (
        pd.read_csv(folder / "claims.csv")
        for folder in (tmp_path / "all", record / "digits" / "comparison")
    )
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


def test_joined_experiments_stand_side_by_side_as_those_of_one_run(tmp_path):
    record, names = RECORD.parents[1] / "digits", ("digits", "digits_vgg")
    for name in names:
        source = RECORD.parents[1] / name / "tables" / "layers.csv"
        (tmp_path / name / "tables").mkdir(parents=True)
        shutil.copy(source, tmp_path / name / "tables")
    folders = [str(tmp_path / name) for name in names]
    command.main(["compare", *folders, "--to", str(tmp_path / "both")])
    for table in ("claims", "layers"):
        found = pd.read_csv(tmp_path / "both" / f"{table}.csv")
        expected = pd.read_csv(record / "comparison" / f"{table}.csv")
        expected = expected[expected.experiment.isin(names)] if table == "layers" else expected
        found, expected = (frame.reset_index(drop=True) for frame in (found, expected))
        pd.testing.assert_frame_equal(found, expected[found.columns], rtol=1e-6)
    assert (tmp_path / "both" / "comparison.png").stat().st_size > 10_000


def test_what_verdicts_owe_to_theta_is_joined_and_drawn_too(tmp_path):
    record, parts = RECORD.parents[1] / "digits" / "tables", []
    for seeds in ([5, 9], [6, 7, 8]):
        parts.append(tmp_path / str(seeds[0]))
        for name in ("layers", "sensitivity"):
            table = pd.read_csv(record / f"{name}.csv")
            (parts[-1] / "tables").mkdir(parents=True, exist_ok=True)
            table[table.seed.isin(seeds)].to_csv(parts[-1] / "tables" / f"{name}.csv", index=False)
    join.join(parts, tmp_path / "all")
    expected, found = (pd.read_csv(folder / "sensitivity.csv").sort_values(
        ["experiment", "seed", "block", "site", "order", "theta"], ignore_index=True
    ) for folder in (record, tmp_path / "all" / "tables"))  # fmt: skip
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)
    assert (tmp_path / "all" / "figures" / "sensitivity.png").exists()
    other = pd.read_csv(parts[1] / "tables" / "sensitivity.csv").replace({"theta": {0.1: 0.15}})
    other.to_csv(parts[1] / "tables" / "sensitivity.csv", index=False)
    with pytest.raises(NodalError, match=r"sensitivity.csv: seed 6: theta is 0.15, of seed 5 0.1"):
        join.join(parts, tmp_path / "none")
