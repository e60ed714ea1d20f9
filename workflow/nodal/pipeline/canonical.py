"""One form for settings that mean the same, so that a plan changes only where a result does."""

from nodal import datasets, models
from nodal.pipeline import schemas

WHERE = ("path", "mirrors")  # where a dataset comes from, on which its content does not depend


class Section(dict):
    """A section of the config with every value in it, recorded by what differs from the defaults.

    Snakemake compares the `repr` of a rule's params, so a default written out, another order of the
    keys and a key that a later version adds leave no trace. It is read like any dict.
    """

    def __init__(self, values, defaults):
        super().__init__(values)
        self.defaults = defaults

    @property
    def differing(self):
        """The settings that are not at their defaults, in alphabetical order: a plain dict."""
        return {
            key: self[key]
            for key in sorted(self)
            if key not in self.defaults or self[key] != self.defaults[key]
        }

    def without(self, *keys):
        """The same section without some of its keys."""
        return Section({k: v for k, v in self.items() if k not in keys}, self.defaults)

    def __repr__(self):
        return repr(self.differing)


def section(values, schema):
    """Values of a section, defaults filled in -> Section. schema: the section's own."""
    defaults = {k: part["default"] for k, part in schema["properties"].items() if "default" in part}
    return Section(values, defaults)


def dataset(settings, schema):
    """What a dataset's content depends on, beside its files: Section without what is ignored."""
    obeyed = datasets.obeyed(settings["source"])
    ignored = [k for k in settings if k not in obeyed]
    return section(settings, schema).without(*WHERE, *datasets.own_files(settings), *ignored)


def model(settings):
    """A model's section without what it says of the named variant anyway.

    Where pretrained weights lie leaves no trace; what is in them is for the plan to say.
    """
    name, source = settings["name"], settings.get("source", "nodal")
    variant = models.describe({"name": name}).settings if source == "nodal" else {"source": None}
    differing = {
        key: value
        for key, value in sorted(settings.items())
        if value is not None and value != _plain(variant.get(key))
    }
    if source == "nodal":
        differing.pop("source", None)
    where = {"pretrained": settings["pretrained"]} if settings.get("pretrained") else {}
    return Section({"name": name, **differing}, where)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def numbers(value, schema, root):
    """The same value with whole numbers as int where the schema says integer, others as float.

    >>> numbers({"epochs": 2.0, "rate": 1}, {"properties": {"epochs": {"type": "integer"},
    ...         "rate": {"type": "number"}}}, {})
    {'epochs': 2, 'rate': 1.0}
    """
    schema = schemas.resolve(schema, root)
    if isinstance(value, dict):
        parts, each = schema.get("properties", {}), schema.get("additionalProperties")
        each = each if isinstance(each, dict) else {}
        return {k: numbers(v, parts.get(k, each), root) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(v, schema.get("items", {}), root) for v in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "integer" in kinds and value == int(value):
        return int(value)
    return float(value) if "number" in kinds else value


def names(config):
    """A raw config whose experiments, datasets and so on are named by text: 2024 -> '2024'."""
    config = dict(config)
    for key in ("datasets", "experiments", "recipes", "compare"):
        if isinstance(config.get(key), dict):
            config[key] = {_name(name): part for name, part in config[key].items()}
    for lists in (config, config.get("compare")):
        for key, members in lists.items() if isinstance(lists, dict) else ():
            if isinstance(members, list):
                lists[key] = [_name(member) for member in members]
    for experiment in _dicts(config.get("experiments")):
        for place in (experiment, *_dicts({"": experiment.get("train")})):
            place |= {k: _name(place[k]) for k in ("dataset", "network", "recipe") if k in place}
    return config


def _name(name):
    whole = isinstance(name, int) and not isinstance(name, bool)
    return str(name) if whole else name


def _dicts(parts):
    return [p for p in parts.values() if isinstance(p, dict)] if isinstance(parts, dict) else []
