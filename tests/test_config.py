"""Every mistake in the config is one line that names its key; the docs are the schema's."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from nodal import config, reference
from nodal.errors import NodalError

ROOT = Path(__file__).parents[1]
RAW = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def put(raw, key, value):
    *path, last = key.split(".")
    for part in path:
        raw = raw.setdefault(part, {})
    raw[last] = value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("experiments.digits.modle", {}, "digits.modle: unknown key; did you mean 'model'"),
        ("extra", 1, "config: extra: unknown key"),
        ("experiments.digits.snp.threshold", "x", "threshold: expected number, got 'x'"),
        ("experiments.digits.snp.threshold", 1.0, "threshold: expected less than 1"),
        ("experiments.digits.snp.threshold", -0.1, "threshold: expected at least 0"),
        ("experiments.digits.dataset", "mnist", "dataset: no dataset 'mnist'; known: digits"),
        ("experiments.digits.model.name", "cct_5", "model.name: no model 'cct_5'; did you mean"),
        ("experiments.digits.model.heads", 7, "model.heads: 7 heads do not divide the width 64"),
        ("experiments.digits_vgg.model.heads", 2, "model.heads: vgg11 has no such setting"),
        ("experiments.digits.activations.grid", 5, "activations.grid: 5 x 5 positions"),
        ("experiments.digits.activations.sites", ["hid"], "sites: the model has no site 'hid'"),
        ("experiments.digits.train.recipe", "compct", "no recipe 'compct'; did you mean 'compact'"),
        ("experiments.digits.train.warmup_epochs", 99, "warmup_epochs: 99 is more than"),
        ("experiments.digits.seeds", [1, 1], "digits.seeds"),
        ("experiments.digits.pruning.methods", ["andd"], "methods.0: 'andd'; did you mean 'andc'"),
        ("datasets.mine", {"source": "folder"}, "datasets.mine.path: a folder dataset needs one"),
        ("datasets.digits.source", "cifar10", "source: 'cifar10'; did you mean 'cifar100'"),
        ("run", ["nothing"], "run: no experiment 'nothing'"),
        ("compare.x", ["digits", "no"], "compare.x: no experiment 'no'"),
        ("experiments", None, "experiments: expected object"),
        ("experiments.digits.seeds", [], "seeds: expected a list of at least 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(key, value, message):
    raw = deepcopy(RAW)
    put(raw, key, value)
    with pytest.raises(NodalError) as caught:
        config.check(raw)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_defaults_are_filled_in_and_recipes_applied():
    checked = config.check(RAW)
    schema = config.load_schema()
    assert checked["experiments"]["digits"]["snp"]["threshold"] == 0.3
    train = checked["experiments"]["flowers102"]["train"]
    assert (train["batch_size"], train["learning_rate"]) == (96, 5e-4)
    assert (train["epochs"], train["mixup"], train["weight_decay"]) == (300, 0.8, 0.06)
    for name, experiment in checked["experiments"].items():
        for section in ("train", "activations", "readout", "snp", "heads", "pruning", "compute"):
            assert set(experiment[section]) == set(schema["$defs"][section]["properties"]), name
    assert config.check(RAW) == checked


def test_fine_tuning_is_gentler_than_training():
    sections = config.load_schema()["$defs"]
    rates = [sections[s]["properties"]["learning_rate"]["default"] for s in ("pruning", "train")]
    assert rates[0] <= rates[1] / 3


def test_every_key_has_a_sentence_and_a_default():
    schema = config.load_schema()
    for name, section in schema["$defs"].items():
        for key, part in section["properties"].items():
            if "$ref" in part:
                continue
            assert part.get("description", "").strip().endswith("."), f"{name}.{key}"
            required = key in section.get("required", ())
            assert required or "default" in part or name == "model", f"{name}.{key}"


def test_the_readme_is_the_schemas():
    text = (ROOT / "config" / "README.md").read_text()
    assert text == reference.text(), "run `make reference`"


def test_conda_environment_is_the_requirements():
    from nodal import environment

    found = (ROOT / "envs" / "nodal.yaml").read_text()
    assert found == environment.conda_environment(), "run `make envs`"
    assert yaml.safe_load(found)["dependencies"][-1]["pip"] == environment.requirements()
