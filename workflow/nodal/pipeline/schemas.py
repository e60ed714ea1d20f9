"""config/schema.yaml: read, followed along its references, and put into words."""

import math
import re
from functools import cache
from pathlib import Path

import yaml

from nodal.errors import NodalError, closest

SCHEMA = Path(__file__).parent / "schema.yaml"  # of a checkout: a link to config/schema.yaml
LIMITS = {
    "minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than", "minItems": "a list of at least",
}  # fmt: skip
PLACES = (
    "everything lies under results/ of the run's folder; to have it elsewhere, run with --directory"
)


@cache
def load(path=SCHEMA):
    """The schema, read once: a dict that all share and none changes."""
    return yaml.safe_load(Path(path).read_text())


def resolve(schema, root):
    """Follow a `$ref` of the schema, if it is one."""
    reference = schema.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


def say(error):
    """A jsonschema error -> 'config: experiments.digits.snp.threshold: ...'."""
    key = ".".join(str(part) for part in error.absolute_path)
    where = f"config: {key}" if key else "config"
    if "propertyNames" in error.absolute_schema_path:
        return (
            f"{where}: {error.instance!r} cannot be a name; expected letters, digits and _ "
            "(quoted if YAML reads it as something else), and no folder of results/"
        )
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(k for k in error.instance if k not in known)
        where = f"config: {key}.{unknown}" if key else f"config: {unknown}"
        hint = PLACES if unknown == "pathvars" else closest(unknown, known)
        return f"{where}: unknown key; {hint}"
    if error.validator == "required":
        missing = next(k for k in error.validator_value if k not in error.instance)
        return f"{where}: the key {missing!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        wanted = " or ".join(wanted) if isinstance(wanted, list) else wanted
        return f"{where}: expected {wanted}, got {error.instance!r}{_number_hint(error.instance)}"
    if error.validator == "enum":
        return f"{where}: {error.instance!r}; {closest(error.instance, error.validator_value)}"
    if error.validator in LIMITS:
        wanted = f"{LIMITS[error.validator]} {error.validator_value}"
        return f"{where}: expected {wanted}, got {error.instance!r}"
    return f"{where}: {error.message}"


def _number_hint(value):
    """YAML reads 1e-3 as text: what to write in its place."""
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return ""
    mantissa, _, exponent = f"{float(value)!r}".partition("e")
    mantissa += "" if "." in mantissa else ".0"
    return f", which is text in YAML; write {mantissa}{'e' if exponent else ''}{exponent}"


def require_finite(value, path=()):
    """Raise NodalError for a number that is none, `.nan` or `.inf`, anywhere in a config."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            require_finite(part, (*path, str(key)))
    elif isinstance(value, float) and not math.isfinite(value):
        raise NodalError(f"config: {'.'.join(path)}: expected a finite number, got {value}")


def require_plain(path):
    """Raise NodalError for what a YAML file holds and does not mean: 010, which is 8, or a key that
    stands twice, of which only the last counts.
    """
    try:
        tree = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, OSError):
        return  # Snakemake says what is wrong with it
    waiting, seen = [tree], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _require_once([key for key, _ in node.value], path)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif node.tag.endswith((":int", ":float")):
            _require_decimal(node, path)


def _require_once(keys, path):
    lines = {}
    for key in keys:
        line, name = key.start_mark.line + 1, (key.tag, str(key.value))
        if name in lines:
            raise NodalError(
                f"config: {path}, line {line}: the key {key.value!r} stands on line {lines[name]} "
                "already; expected once"
            )
        lines[name] = line


def _require_decimal(node, path):
    text = node.value.lstrip("+-").replace("_", "")
    octal = len(text) > 1 and text[0] == "0" and text[1:].isdigit()
    if octal or ":" in text:
        read = yaml.safe_load(node.value)
        kind = "octal" if octal else "base 60"
        wanted = text.lstrip("0") if octal else "a decimal number"
        raise NodalError(
            f"config: {path}, line {node.start_mark.line + 1}: {node.value} is {read} in YAML "
            f"({kind}); write {wanted or 0}, or quote a name"
        )
