"""The configuration: checked against config/schema.yaml, defaults filled in, cross-checked.

Imports no torch, so that a plan is made quickly.
"""

from copy import deepcopy
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from nodal import datasets, models
from nodal.errors import NodalError, closest

SCHEMA = Path(__file__).parents[2] / "config" / "schema.yaml"


def load_schema(path=SCHEMA):
    return yaml.safe_load(Path(path).read_text())


def check(config, schema=None):
    """A raw config -> the same with every default filled in and recipes applied.

    Raises NodalError with one line that names the key and what was expected.
    """
    schema = schema or load_schema()
    config = deepcopy(config)
    errors = list(Draft202012Validator(schema).iter_errors(config))
    if errors:
        raise NodalError(_say(min(errors, key=lambda e: (-len(e.absolute_path), str(e.path)))))
    with_heads = {name for name, e in config["experiments"].items() if "heads" in e}
    _fill(config, schema, schema)
    for name, experiment in config["experiments"].items():
        _apply_recipe(name, experiment, config, schema)
        description = _check_experiment(name, experiment, config["datasets"])
        if name in with_heads and description.heads is None:
            raise NodalError(
                f"config: experiments.{name}.heads: {experiment['model']['name']} has no heads; "
                "expected no such section"
            )
    _check_names(config)
    for name, dataset in config["datasets"].items():
        if datasets.SOURCES[dataset["source"]].local and not dataset["path"]:
            raise NodalError(
                f"config: datasets.{name}.path: a {dataset['source']} dataset needs one"
            )
    return config


def _say(error):
    """A jsonschema error -> 'config: experiments.digits.snp.threshold: ...'."""
    key = ".".join(str(part) for part in error.absolute_path)
    where = f"config: {key}" if key else "config"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(k for k in error.instance if k not in known)
        where = f"config: {key}.{unknown}" if key else f"config: {unknown}"
        return f"{where}: unknown key; {closest(unknown, known)}"
    if error.validator == "required":
        missing = next(k for k in error.validator_value if k not in error.instance)
        return f"{where}: the key {missing!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        wanted = " or ".join(wanted) if isinstance(wanted, list) else wanted
        return f"{where}: expected {wanted}, got {error.instance!r}"
    if error.validator == "enum":
        return f"{where}: {error.instance!r}; {closest(error.instance, error.validator_value)}"
    limits = {
        "minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than", "minItems": "a list of at least",
    }  # fmt: skip
    if error.validator in limits:
        return (
            f"{where}: expected {limits[error.validator]} {error.validator_value}, "
            f"got {error.instance!r}"
        )
    return f"{where}: {error.message}"


def resolve(schema, root):
    """Follow a `$ref` of the schema, if it is one."""
    reference = schema.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


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


def _check_experiment(name, experiment, known_datasets):
    where = f"config: experiments.{name}"
    dataset = experiment["dataset"]
    if dataset not in known_datasets:
        raise NodalError(
            f"{where}.dataset: no dataset {dataset!r}; {closest(dataset, known_datasets)}"
        )
    try:
        description = models.describe(experiment["model"])
    except NodalError as error:
        raise NodalError(f"{where}.{error}") from error
    for site in experiment["activations"]["sites"] or ():
        if site not in description.sites:
            near = closest(site, description.sites)
            raise NodalError(f"{where}.activations.sites: the model has no site {site!r}; {near}")
    train = experiment["train"]
    if train["warmup_epochs"] > train["epochs"] > 0:
        raise NodalError(
            f"{where}.train.warmup_epochs: {train['warmup_epochs']} is more than the "
            f"{train['epochs']} epochs; expected fewer"
        )
    _check_grid(where, experiment, known_datasets[dataset], description)
    return description


def _check_grid(where, experiment, dataset, description):
    """A grid finer than every tap; it can be refused only where the image size is known."""
    size = image_size(dataset)
    grid = experiment["activations"]["grid"]
    if size is None:
        return
    side = models.token_side(description, size)
    if side is not None and grid > side:
        raise NodalError(
            f"{where}.activations.grid: {grid} x {grid} positions, but the model has "
            f"{side} x {side} tokens; expected at most {side}"
        )


def image_size(dataset):
    """Side of a dataset's images in pixels, None where only its file can tell."""
    shape = datasets.SOURCES[dataset["source"]].image_shape
    if shape:
        return shape[1]
    return None if dataset["source"] == "npz" else dataset["size"]


def _check_names(config):
    experiments = config["experiments"]
    lists = {"run": config["run"], "demo": config["demo"]}
    lists |= {f"compare.{name}": members for name, members in config["compare"].items()}
    for key, names in lists.items():
        for name in names:
            if name not in experiments:
                raise NodalError(
                    f"config: {key}: no experiment {name!r}; {closest(name, experiments)}"
                )
