"""The graph of imports: no circle, and no arrow from a lower floor to a higher one."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "workflow" / "nodal"
GROUND = {"errors", "files", "progress"}
MEASUREMENT = ["taps", "pooling", "snp", "activations", "readout", "heads", "pruning", "sweep"]
INPUTS = {"datasets", "models", "training"}
OUTPUTS = {"verdicts", "figures", "atlas"}


def modules():
    """{dotted name below nodal: its file}."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name, everywhere=True):
    """Modules of the library that a module imports; those inside functions too, if asked."""
    tree = ast.parse(MODULES[name].read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nodal":
            module = node.module.removeprefix("nodal").lstrip(".")
            inner = {f"{module}.{alias.name}".lstrip(".") for alias in node.names}
            found |= {i if i in MODULES else module for i in inner}
    return {i for i in found if i != name and i in MODULES}


def room(name):
    return name.partition(".")[0]


def test_rooms_are_those_of_the_plan():
    rooms = {room(name) for name in MODULES} - {""}
    assert rooms <= GROUND | set(MEASUREMENT) | INPUTS | OUTPUTS | {"pipeline"}


def test_no_circle():
    order, waiting = [], {name: imports(name, everywhere=False) - {""} for name in MODULES}
    while waiting:
        free = sorted(name for name, needed in waiting.items() if needed <= set(order))
        assert free, f"in a circle: {sorted(waiting)}"
        order += free
        for name in free:
            del waiting[name]


@pytest.mark.parametrize("name", sorted(set(MODULES) - {""}))
def test_no_arrow_upwards(name):
    own, needed = room(name), {room(i) for i in imports(name)} - {"", room(name)}
    above = OUTPUTS | {"pipeline"}
    if own in GROUND:
        assert needed <= GROUND
    elif own in MEASUREMENT:
        earlier = set(MEASUREMENT[: MEASUREMENT.index(own)])
        assert needed <= GROUND | INPUTS | earlier
    elif own in INPUTS:
        assert needed <= GROUND | INPUTS | {"taps"}
    elif own in OUTPUTS:
        assert "pipeline" not in needed
    assert own in above or not needed & above
