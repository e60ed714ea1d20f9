"""Configs drawn from the schema: each runs its plan or is refused in one line by key."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nodal.errors import NodalError
from nodal.pipeline import config, schemas

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
SCHEMA = schemas.load()

garbage = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)  # fmt: skip


def values(schema, depth=0):
    """A strategy for what the schema allows there, and now and then for what it does not."""
    schema = schemas.resolve(schema, SCHEMA)
    if depth < 6 and schema.get("properties"):
        fields = {key: values(part, depth + 1) for key, part in schema["properties"].items()}
        required = {key: fields.pop(key) for key in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | st.text(max_size=5)
    kinds = schema.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return st.one_of([_of_kind(kind, schema, depth) for kind in kinds])


def _of_kind(kind, schema, depth):
    low = schema.get("minimum", schema.get("exclusiveMinimum", -5))
    if kind == "integer":
        return st.integers(low - 1, low + 70)
    if kind == "number":
        return st.floats(low - 0.1, low + 2, allow_nan=False)
    if kind == "string":
        return st.sampled_from(
            ["digits", "cifar100", "cct", "cct_7/3x1", "vgg11", "resnet18", "compact", "../x", "é"]
        )
    if kind == "array":
        return st.lists(values(schema.get("items", {"type": "integer"}), depth + 1), max_size=3)
    if kind == "object":
        return st.dictionaries(st.text(max_size=5), garbage, max_size=2)
    return st.booleans() if kind == "boolean" else st.none()


@st.composite
def configs(draw):
    """The project's config with sections of an experiment drawn from the schema, or spoilt."""
    raw = deepcopy(RAW)
    experiment = raw["experiments"]["digits"]
    sections = SCHEMA["$defs"]["experiment"]["properties"]
    for key in draw(st.lists(st.sampled_from(sorted(sections)), max_size=2, unique=True)):
        experiment[key] = draw(values(sections[key]))
    if draw(st.booleans()):
        places = [raw, raw["datasets"], raw["datasets"]["digits"], raw["experiments"], experiment]
        place = draw(st.sampled_from(places))
        keys = st.sampled_from(sorted(map(str, place))) | st.text(max_size=5)
        place[draw(keys)] = draw(garbage)
    return raw


def refusal(raw):
    """What the check says of a config; None if it is taken. Any other exception goes through."""
    try:
        config.check(raw)
    except NodalError as error:
        return str(error)
    return None


@settings(suppress_health_check=list(HealthCheck))
@given(configs())
def test_every_config_is_taken_or_refused_in_one_line(raw):
    said = refusal(raw)
    assert said is None or (said.startswith("config") and "\n" not in said)


def with_config(tmp_path_factory, raw):
    """A run folder with this config as its own: `--configfile` would be laid over the project's."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(raw))
    return folder


@pytest.mark.end_to_end
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=configs())
def test_every_config_that_is_taken_has_a_plan(snakemake, tmp_path_factory, raw):
    folder = with_config(tmp_path_factory, raw)
    done = snakemake(folder, "--cores", "2", "-n", "-q", "--", "demo", check=False)
    assert "Traceback" not in done.stdout, done.stdout
    assert (done.returncode == 0) == (refusal(raw) is None), done.stdout


SMALL = {
    "dataset": "digits", "seeds": [0],
    "model": {"name": "cct", "width": 8, "depth": 2, "heads": 2, "mlp_ratio": 1},
    "train": {"epochs": 1, "warmup_epochs": 0},
    "readout": {"penalties": [0.01]},
    "pruning": {"methods": ["andc", "random"], "dilutions": [0.5], "epochs": 0.1},
}  # fmt: skip
LONG = {"depth", "stages", "epochs", "steps", "cooldown_epochs", "compile", "learning_rate"}
OTHERS = {"source", "pretrained", "taps", "checkpoint", "recipe", "device", "gpus", "threads",
          "memory_mb", "hours"}  # fmt: skip
PLACES = [
    (section, key)
    for section in ("model", "train", "pooling", "activations", "readout", "snp", "heads",
                    "pruning", "compute")
    for key in sorted(SCHEMA["$defs"][section]["properties"])
    if key not in LONG | OTHERS
]  # fmt: skip


@st.composite
def small_configs(draw):
    """A small experiment with some of its keys drawn from the schema, those that are taken."""
    raw = {"datasets": RAW["datasets"], "experiments": {"small": SMALL}, "demo": ["small"]}
    for section, key in draw(st.lists(st.sampled_from(PLACES), min_size=8, unique=True)):
        changed = deepcopy(raw)
        keys = changed["experiments"]["small"].setdefault(section, {})
        keys[key] = draw(values(SCHEMA["$defs"][section]["properties"][key]))
        raw = raw if refusal(changed) else changed
    return raw


@pytest.mark.end_to_end
@settings(  # a minute each: the same ones every time, and none made smaller when one fails
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    phases=[Phase.generate],
)  # fmt: skip
@given(raw=small_configs())
def test_every_small_config_that_is_taken_runs_to_its_end(snakemake, tmp_path_factory, raw):
    folder = with_config(tmp_path_factory, raw)
    snakemake(folder, "--cores", "2", "-q", "--", "demo")
