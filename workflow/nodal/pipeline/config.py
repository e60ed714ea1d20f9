"""The configuration: checked against config/schema.yaml, defaults filled in, brought to one form.

Imports no torch, so that a plan is made quickly.
"""

from copy import deepcopy

from jsonschema import Draft202012Validator

from nodal.errors import NodalError, closest
from nodal.pipeline import canonical, crosscheck, networks, schemas
from nodal.pipeline.schemas import load as load_schema
from nodal.pipeline.schemas import resolve

SECTIONS = ("train", "pooling", "activations", "readout", "snp", "heads", "pruning")


def check(config, schema=None):
    """A raw config -> the same with every default filled in and recipes applied.

    The sections that results depend on are `canonical.Section`s: dicts that a plan compares by what
    differs from the defaults. Raises NodalError with one line that names the key and what was
    expected.
    """
    schema = schema or load_schema()
    config = canonical.names(deepcopy(config))
    schemas.require_finite(config)
    errors = list(Draft202012Validator(schema).iter_errors(config))
    if errors:
        raise NodalError(
            schemas.say(min(errors, key=lambda e: (-len(e.absolute_path), str(e.path))))
        )
    networks.share(config["experiments"])
    config = canonical.numbers(config, schema, schema)
    given = deepcopy(config)
    _fill(config, schema, schema)
    for name, experiment in config["experiments"].items():
        _apply_recipe(name, experiment, config, schema)
    crosscheck.check(config, given)
    for experiment in config["experiments"].values():
        _settle(experiment, schema)
    return config


def _fill(value, schema, root):
    """Set absent keys to their schema defaults, in place and throughout."""
    schema = resolve(schema, root)
    for key, part in schema.get("properties", {}).items():
        default = resolve(part, root).get("default", ...)
        if key not in value and default is not ...:
            value[key] = deepcopy(default)
        is_recipe_base = root["$defs"]["train"] is resolve(part, root)
        if isinstance(value.get(key), dict) and not is_recipe_base:
            _fill(value[key], part, root)
    each = schema.get("additionalProperties")
    if isinstance(each, dict) and resolve(each, root) is not root["$defs"]["train"]:
        for part in value.values():
            if isinstance(part, dict):
                _fill(part, each, root)


def _apply_recipe(name, experiment, config, schema):
    train = experiment["train"]
    recipe = train.get("recipe")
    if recipe is not None and recipe not in config["recipes"]:
        known = closest(recipe, config["recipes"])
        raise NodalError(f"config: experiments.{name}.train.recipe: no recipe {recipe!r}; {known}")
    experiment["train"] = {**config["recipes"].get(recipe, {}), **train}
    _fill(experiment["train"], schema["$defs"]["train"], schema)


def _settle(experiment, schema):
    """Bring the sections that results depend on to their one form, in place."""
    experiment["activations"]["pool"] = crosscheck.pool(experiment)
    experiment["train"]["recipe"] = None  # its settings are in the section now
    for key in SECTIONS:
        experiment[key] = canonical.section(experiment[key], schema["$defs"][key])
    experiment["model"] = canonical.model(experiment["model"])
    # Where a checkpoint lies: its content is a rule's param.
    experiment["train"].defaults["checkpoint"] = experiment["train"]["checkpoint"]
