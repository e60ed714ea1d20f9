"""Settings that mean the same are recorded alike, so that a plan does not change."""

import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from nodal.pipeline import canonical, config, schemas

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
SCHEMA = schemas.load()


def recorded(raw):
    """What Snakemake compares of the experiment `digits`, and of its dataset."""
    checked = config.check(raw)
    experiment = checked["experiments"]["digits"]
    dataset = canonical.dataset(checked["datasets"]["digits"], SCHEMA["$defs"]["dataset"])
    return {key: repr(experiment[key]) for key in (*config.SECTIONS, "model")}, repr(dataset)


def changed(change):
    raw = deepcopy(RAW)
    change(raw["experiments"]["digits"], raw)
    return recorded(raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda e, raw: e["train"].update(dict(reversed(e["train"].items()))),
        lambda e, raw: e.update(train=dict(reversed(e["train"].items()))),
        lambda e, raw: e["train"].update(weight_decay=0.05, flip=False, checkpoint=None),
        lambda e, raw: e["train"].update(epochs=float(e["train"]["epochs"])),
        lambda e, raw: e["model"].update(width=64.0, mlp_ratio=1.0, source="nodal", heads=4),
        lambda e, raw: e["model"].update(dropout=0, kernel=3),
        lambda e, raw: e["model"].update(dropout=0.0),
        lambda e, raw: raw["datasets"]["digits"].update(size=32, channels=3, train=None),
        lambda e, raw: e.update(snp={"threshold": 0.3}, heads={}),
        lambda e, raw: e.update(compute={"threads": 1}),
        lambda e, raw: (
            raw["recipes"].update(mine=e["train"]),
            e.update(train={"recipe": "mine"}),
        ),
    ],
)
def test_what_means_the_same_leaves_no_trace(change):
    assert changed(change) == recorded(RAW)


def test_where_a_dataset_lies_leaves_no_trace():
    def of(**where):
        settings = {"cifar100": {"source": "cifar100", **where}}
        checked = config.check({**RAW, "datasets": {**RAW["datasets"], **settings}})
        return repr(canonical.dataset(checked["datasets"]["cifar100"], SCHEMA["$defs"]["dataset"]))

    assert of(mirrors=["https://x.org/"], path="/x") == of()
    assert of(mean=[0.5] * 3) != of()


@pytest.mark.parametrize(
    ("change", "section"),
    [
        (lambda e, raw: e["train"].update(epochs=25), "train"),
        (lambda e, raw: e["model"].update(width=32), "model"),
        (lambda e, raw: e.update(snp={"threshold": 0.5}), "snp"),
        (lambda e, raw: e.update(pruning={**e["pruning"], "split": "test"}), "pruning"),
    ],
)
def test_what_means_something_else_does(change, section):
    before, dataset = recorded(RAW)
    after, dataset_after = changed(change)
    assert {key for key in before if before[key] != after[key]} == {section}
    assert dataset == dataset_after


def test_a_key_that_a_later_version_adds_leaves_no_trace():
    schema = deepcopy(SCHEMA)
    schema["$defs"]["train"]["properties"]["new"] = {"type": "number", "default": 3}
    newer = config.check(RAW, schema)["experiments"]["digits"]["train"]
    assert newer["new"] == 3
    assert repr(newer) == recorded(RAW)[0]["train"]


def test_a_section_is_read_like_a_dict_and_travels():
    section = config.check(RAW)["experiments"]["digits"]["snp"]
    assert section == {"threshold": 0.3, "split": "test", "null_permutations": 20}
    assert repr(section) == "{}"
    for copy in (pickle.loads(pickle.dumps(section, protocol=4)), deepcopy(section)):
        assert copy == section
        assert repr(copy) == "{}"
    assert section.without("split") == {"threshold": 0.3, "null_permutations": 20}


def test_names_that_yaml_reads_as_numbers_are_text():
    raw = yaml.safe_load(
        "{run: [2024], compare: {c: [2024, a]}, recipes: {1: {}}, datasets: {7: {source: digits}},"
        " experiments: {2024: &e {dataset: 7, model: {name: cct_2}, train: {recipe: 1}}, a: *e}}"
    )
    checked = config.check(raw)
    assert set(checked["experiments"]) == {"2024", "a"}
    assert checked["experiments"]["2024"]["dataset"] == "7"
    assert (checked["run"], checked["compare"]["c"]) == (["2024"], ["2024", "a"])
