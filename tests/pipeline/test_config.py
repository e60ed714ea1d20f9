"""Every mistake in the config is one line that names its key; the docs are the schema's."""

import shutil
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from nodal.errors import NodalError
from nodal.pipeline import config, reference, remarks, schemas

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


TEXT = {"dataset": "clinc150", "model": {"name": "text_cct_2"}}
VGG_CONV1 = {
    "dataset": "digits",
    "model": {"name": "vgg11", "stages": [1, 2]},
    "activations": {"sites": ["conv1"]},
}


def test_an_augmentation_at_its_default_is_no_reason_to_refuse():
    raw = deepcopy(RAW)
    train = {"crop": 1, "flip": False, "mix_switch": 0.5, "interpolation": "bilinear"}
    put(raw, "experiments.t", {**TEXT, "train": train})
    config.check(raw)


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
        ("experiments.digits_grid.activations.grid", 5, "activations.grid: 5 x 5 positions"),
        ("experiments.digits.activations.sites", ["hid"], "sites: the model has no site 'hid'"),
        ("experiments.digits.train.recipe", "compct", "no recipe 'compct'; did you mean 'compact'"),
        ("experiments.digits_vgg.train.batch_size", 1, "batch_size: 1, but vgg11 has batch norm"),
        ("experiments.digits.train.warmup_epochs", 99, "warmup_epochs: 99 is more than"),
        ("experiments.digits.seeds", [1, 1], "digits.seeds"),
        ("experiments.digits.pruning.methods", ["andd"], "methods.0: 'andd'; did you mean 'andc'"),
        ("experiments.digits.pruning.dilutions", [0.5, 1], "dilutions.1: expected less than 1"),
        ("experiments.digits.pruning.dilutions", [0], "dilutions.0: expected more than 0"),
        ("experiments.digits.readout.penalties", [1e-60], "penalties.0: expected at least 1e-12"),
        ("experiments.digits.pooling.query_penalty", 0, "query_penalty: expected at least 1e-12"),
        ("experiments.digits.pruning.dilutions", [], "pruning.dilutions: none, and no thresholds"),
        ("experiments.digits.pruning.scopes", ["w"], "scopes.0: 'w'; "),
        ("experiments.digits.pruning.tuned_scopes", ["q"], "tuned_scopes: 'q' is not among"),
        ("experiments.digits.pruning.scopes", ["classifier"], "tuned_scopes: 'all' is not among"),
        ("experiments.digits.compute", {"gpus": 1, "device": "cpu"}, "compute.device: cpu, with"),
        ("experiments.digits.seeds", [2**32], "seeds.0: expected at most 4294967295"),
        ("experiments.digits.activations.sites", ["input", "heads"], "both ends of a weight"),
        ("experiments.digits.activations.sites", ["proj", "ff", "out"], "weight matrix of all, bl"),
        ("experiments.digits_vgg.activations.sites", ["conv1"], "activations.sites"),
        ("experiments.digits.activations.grid", 4, "activations.grid: 4, but its tokens are read"),
        ("datasets.mine", {"source": "folder"}, "datasets.mine.path: a folder dataset needs one"),
        ("datasets.digits.source", "cifar10", "source: 'cifar10'; did you mean 'cifar100'"),
        ("run", ["nothing"], "run: no experiment 'nothing'"),
        ("compare.x", ["digits", "no"], "compare.x: no experiment 'no'"),
        ("experiments", None, "experiments: expected object"),
        ("experiments.digits.seeds", [], "seeds: expected a list of at least 1"),
        ("experiments.digits.snp.threshold", float("nan"), "threshold: expected a finite number"),
        ("experiments.digits.train.learning_rate", "1e-3", "is text in YAML; write 0.001"),
        ("experiments.digits.train.learning_rate", "2e-7", "is text in YAML; write 2.0e-07"),
        ("experiments.digits.train.epochs", 2.5, "train.epochs: expected integer, got 2.5"),
        (
            "experiments.data",
            {"dataset": "digits", "model": {"name": "cct"}},
            "experiments: 'data' cannot be a name",
        ),
        ("datasets.checkpoints", {"source": "digits"}, "'checkpoints' cannot be a name"),
        ("datasets.digits.mean", [0.5, 0.5, 0.5], "mean: 3 values for images of 1 channel"),
        ("recipes.basic.recipe", "compact", "recipes.basic.recipe: a recipe cannot start"),
        ("datasets.mine", {"source": "folder", "path": "https://x.org/a"}, "is an address"),
        (
            "datasets.digits",
            {"source": "npz", "path": "a.npz", "test": "tset"},
            "datasets.digits.test: 'tset'; expected test or val",
        ),
        (
            "datasets.digits.test_share",
            0.2,
            "datasets.digits.test_share: a digits dataset has no such key; expected of source",
        ),
        (
            "datasets.c",
            {"source": "clinc150", "train": "trainval", "test": "val"},
            "datasets.c.train: trainval with val as the test",
        ),
        ("experiments.digits.model.mlp_ratio", 0.01, "mlp_ratio: 0.01 of the width 64"),
        ("experiments.digits.model.name", "cct_2/0x1", "model.name: cct_2/0x1"),
        ("experiments.digits_vgg", VGG_CONV1, "sites: block0 has none of conv1"),
        ("pathvars", {"results": "elsewhere"}, "run with --directory"),
        (
            "experiments.t",
            TEXT | {"dataset": "digits"},
            "text_cct_2 takes text inputs, the dataset",
        ),
        (
            "experiments.digits.dataset",
            "clinc150",
            "cct takes image inputs, the dataset holds text",
        ),
        ("experiments.t", TEXT | {"train": {"flip": True}}, "train.flip: changes image inputs"),
        (
            "experiments.t",
            TEXT | {"train": {"recipe": "basic"}},
            "train.flip: changes image inputs",
        ),
        ("experiments.digits.train.word_dropout", 0.1, "train.word_dropout: changes text inputs"),
        ("text", ["nothing"], "text: no experiment 'nothing'"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\nb: [010]\n", "line 2: 010 is 8 in YAML (octal); write 10"),
     ("x: 1:30", "line 1: 1:30 is 90 in YAML (base 60)")],
)  # fmt: skip
def test_a_number_that_is_not_read_as_it_looks_is_named(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(NodalError) as caught:
        schemas.require_plain(tmp_path / "c.yaml")
    assert message in str(caught.value)
    for fine in ("a: 10", "a: 0", "a: 0.5", "a: '010'", "a: 1.0e-3", "a: 0x1F", "a: [", "{}", ""):
        (tmp_path / "c.yaml").write_text(fine)
        schemas.require_plain(tmp_path / "c.yaml")


def test_a_name_that_yaml_reads_as_something_else_is_refused():
    raw = deepcopy(RAW)
    raw["experiments"][True] = raw["experiments"]["digits"]
    with pytest.raises(NodalError, match="True cannot be a name"):
        config.check(raw)


def test_seeds_that_cannot_differ_are_refused():
    """Equal networks give intervals of width zero; weights that are trained further may differ."""
    raw = deepcopy(RAW)
    digits = raw["experiments"]["digits"]
    raw["experiments"]["digits_grid"]["activations"].pop("sites")  # of a transformer
    digits["train"] = {"checkpoint": "https://example.org/cct.pt"}
    with pytest.raises(NodalError, match=r"experiments.digits.seeds: 5 seeds of train.checkpoint"):
        config.check(raw)
    config.check({**raw, "experiments": {**raw["experiments"], "digits": {**digits, "seeds": [3]}}})
    taps = {"source": "torchvision", "name": "resnet18", "taps": ["layer1"]}
    digits |= {"model": {**taps, "pretrained": "w.pt"}, "train": {"epochs": 0}}
    with pytest.raises(NodalError, match=r"digits.seeds: 5 seeds of model.pretrained with"):
        config.check(raw)
    digits["train"] = {"epochs": 1, "warmup_epochs": 0}
    config.check(raw)
    digits |= {"model": taps, "train": {"epochs": 0}}
    config.check(raw)


def test_a_comparison_in_no_list_is_said():
    raw = deepcopy(RAW)
    assert not list(remarks.of(config.check(raw)))
    raw["compare"]["mixed"] = ["digits", "cifar100"]
    (line,) = remarks.of(config.check(raw))
    assert line.startswith("compare.mixed: digits, cifar100 are not in one list")


def test_what_has_no_effect_is_said():
    """A network that nobody trains, a query that nobody learns, weights that nobody can prune."""
    raw = deepcopy(RAW)
    raw["experiments"]["digits_vgg"] |= {"pooling": {"epochs": 9}, "train": {"epochs": 0}}
    raw["experiments"]["digits_vgg"]["seeds"] = [0]
    taps = {"source": "torchvision", "name": "resnet18", "taps": ["layer1"], "pretrained": "w.pt"}
    raw["experiments"]["mine"] = {
        "dataset": "digits", "model": taps, "train": {"epochs": 0}, "seeds": [0],
        "pruning": {"margin": 1.0},
    }  # fmt: skip
    found = [line.partition(" has no")[0] for line in remarks.of(config.check(raw))]
    assert found[0].startswith("experiments.digits_vgg.train.epochs: 0 without model.pretrained")
    assert found[1:] == ["experiments.digits_vgg.pooling:", "experiments.mine.pruning:"]


def test_another_number_of_heads_than_the_published_networks_is_said():
    raw = deepcopy(RAW)
    mine = {"dataset": "digits", "seeds": [0], "train": {"checkpoint": "https://example.org/w.pt"}}
    for heads, said in ((2, 1), (4, 0)):
        model = {"name": "cct", "width": 256, "depth": 7, "mlp_ratio": 2, "heads": heads}
        raw["experiments"]["mine"] = mine | {"model": model}
        lines = list(remarks.of(config.check(raw)))
        assert len(lines) == said
        assert all("mine.model.heads: 2; the published network of width 256" in x for x in lines)


@pytest.mark.parametrize(("key", "value"), [("threshold", 0.4), ("split", "train")])
def test_a_comparison_of_what_is_measured_otherwise_is_not_made_and_said(key, value):
    raw = deepcopy(RAW)
    raw["experiments"]["digits_vgg"]["snp"] = {key: value}
    said = list(remarks.of(config.check(raw)))
    assert [line.split(",")[0] for line in said] == [
        f"compare.{name}: not made" for name in ("digits", "digits_grid")
    ]
    assert all(f" snp.{key} of digits_vgg is {value}, of digits" in line for line in said)


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
    from nodal.pipeline import environment

    found = (ROOT / "envs" / "nodal.yaml").read_text()
    assert found == environment.conda_environment(), "run `make envs`"
    assert yaml.safe_load(found)["dependencies"][-1]["pip"] == environment.requirements()


def reading(**changes):
    return {"datasets": {"d": {"source": "digits"}}, "experiments": {
        "own": {"dataset": "d", "model": {"name": "cct_2"}, "seeds": [0, 3]},
        "read": {"network": "own", "activations": {"pool": "grid"}, **changes},
    }}  # fmt: skip


def test_an_experiment_that_reads_the_networks_of_another_is_that_others():
    experiments = config.check(reading())["experiments"]
    for key in ("dataset", "model", "train", "seeds"):
        assert experiments["read"][key] == experiments["own"][key]
    assert experiments["own"]["activations"]["pool"] == "sequence"
    assert experiments["read"]["activations"]["pool"] == "grid"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "owm"}, "read.network: no experiment 'owm'; did you mean 'own'"),
        ({"network": "read"}, "read.network: names itself"),
        ({"model": {"name": "cct_2"}}, "read.model: is that of the network, own"),
        ({"train": {"epochs": 3}}, "read.train: is that of the network, own"),
        ({"dataset": "digits"}, "read.dataset: is that of the network, own"),
        ({"seeds": [1]}, "read.seeds: is that of the network, own"),
        ({"pruning": {}}, "read.pruning: is that of the network, own"),
        ({"network": None}, "experiments.read: the key 'dataset' is missing"),
    ],
)
def test_what_a_network_cannot_be_beside_is_refused_by_key(changes, message):
    with pytest.raises(NodalError) as caught:
        config.check(reading(**changes))
    assert message in str(caught.value)


def test_a_network_that_has_one_is_refused():
    raw = reading()
    raw["experiments"]["third"] = {"network": "read"}
    with pytest.raises(NodalError, match=r"third\.network: read reads the networks of own"):
        config.check(raw)


def test_maps_are_not_pooled_as_sequences():
    raw = reading()
    raw["experiments"] = {"cnn": {"dataset": "d", "model": {"name": "vgg11"},
                                  "activations": {"pool": "sequence"}}}  # fmt: skip
    with pytest.raises(NodalError, match=r"activations\.pool: vgg11 has maps, not tokens"):
        config.check(raw)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_test_file_beside_a_folder_is_refused(tmp_path, kind):
    folder = tmp_path / "texts"
    (folder / "train" / "cat").mkdir(parents=True)
    path = folder if kind == "folder" else shutil.make_archive(folder, "zip", folder)
    mine = {"source": "text", "path": str(path), "test": str(tmp_path / "test.csv")}
    with pytest.raises(NodalError, match=r"datasets\.mine\.test: .* beside a folder; expected"):
        config.check({"datasets": {"mine": mine}, "experiments": {}})
