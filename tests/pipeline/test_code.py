"""A fingerprint of code changes with what is computed, and with nothing that is said of it."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from nodal.files import storage
from nodal.pipeline import code

ROOT = Path(__file__).parents[2]
BEFORE = '''
"""A module."""
def f(x, log):
    """Twice x."""
    for y in tqdm(x, desc="x"):
        log(f"at {y}")
    if x is None:
        raise NodalError("x is missing") from None
    return 2 * x  # doubled
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("doubled", "made twice as large"),
        ('"""A module."""', ""),
        ("Twice x.", "Two times x."),
        ('    """Twice x."""\n', ""),
        ("x is missing", "x: expected a number"),
        ('desc="x"', 'desc="y", disable=None'),
        ('f"at {y}"', 'f"now at {y}"'),
        ("2 * x", "(2*x)"),
        ('tqdm(x, desc="x")', 'told(tqdm(x, desc="x"), "x")'),
        ("def f", "from nodal.progress import told\ndef f"),
    ],
)
def test_what_only_speaks_changes_nothing(old, new):
    assert code.tree(BEFORE.replace(old, new)) == code.tree(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * x", "3 * x"), ("tqdm(x,", "tqdm(x[1:],"), ("is None", "is not None"),
     ("raise NodalError", "raise ValueError"), ("log):", "log=None):")],
)  # fmt: skip
def test_what_is_computed_does(old, new):
    assert code.tree(BEFORE.replace(old, new)) != code.tree(BEFORE)


def test_a_module_stands_for_what_it_needs_of_its_wing():
    assert code.wing("snp") == {"snp"}
    assert {"datasets.folder", "datasets.decode"} <= code.wing("datasets.folder")
    assert "datasets.flowers102" not in code.wing("datasets.folder")
    assert "models.external" not in code.wing("models.vgg")
    assert not any(name.startswith("snp") for name in code.wing("training"))


def test_a_fingerprint_follows_its_modules(monkeypatch):
    before = code.fingerprint("snp", "snp"), code.fingerprint("train", "training")
    real = code.tree

    def edited(source):
        return real(source.replace("def binarize(", "def binarise("))

    monkeypatch.setattr(code, "tree", edited)
    code._tree.cache_clear()
    after = code.fingerprint("snp", "snp"), code.fingerprint("train", "training")
    code._tree.cache_clear()
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_part_of_a_module_is_a_definition_and_what_it_names(tmp_path):
    source = "N = 2\nf = lambda x: g(x) * N\ndef g(x):\n    return x\ndef h(x):\n    return f(x)\n"

    def after(old, new):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source.replace(old, new))
        return code.part(path, "f")

    same = after("", "")
    assert after("return f(x)", "return 0") == same
    assert same not in (after("N = 2", "N = 3"), after("return x\n", "return -x\n"))
    with pytest.raises(KeyError):
        code.part(tmp_path / "0.py", "none")


def test_a_model_says_by_what_code_it_was_trained(tmp_path):
    storage.save_torch(tmp_path / "a.pt", {"state_dict": {"w": torch.ones(3)}, "code": "0123abc"})
    storage.save_torch(tmp_path / "b.pt", {"state_dict": {"w": torch.ones(3)}})
    (tmp_path / "c.pt").write_text("no archive")
    found = [code.recorded(tmp_path / f"{name}.pt", "code") for name in "abcd"]
    assert found == ["0123abc", None, None, None]


def listed():
    """{script: the modules that its rule lists}, read from the rules."""
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = re.findall(r'[= ]code\(\s*"(\w+)"((?:,?\s*"[^"]*")*)', text)
    return {script: " ".join(re.findall(r'"([^"]*)"', said)).split() for script, said in found}


def known(script):
    """(what is listed whole, with its wings, what is listed in part)"""
    names = [name for name in listed()[script] if not name.endswith("*")]
    whole = set().union(*(code.wing(name) for name in names if ":" not in name))
    return whole, {name.partition(":")[0] for name in names if ":" in name}


def from_library(tree):
    """(where it is from, its name there, its name here) of what a module imports of the library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nodal":
            for alias in node.names:
                yield node.module.partition(".")[2], alias.name, alias.asname or alias.name


@lru_cache
def home(module, name):
    """The module that defines what is imported from `module`, which may only hand it on."""
    if not module:
        return name
    tree = ast.parse(code.file(module).read_text())
    handed = {here: home(where, there) if where != module else f"{where}.{there}"
              for where, there, here in from_library(tree)}  # fmt: skip
    return handed.get(name, module)


def imported(module):
    """Modules that define what a module takes of the library, or names for a later import."""
    tree = ast.parse(code.file(module).read_text())
    for where, there, here in from_library(tree):
        name = f"{where}.{there}".lstrip(".")
        if not code.file(name).exists():
            yield home(where, there)
            continue
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == here
        }
        yield from {home(name, attribute) for attribute in used} or {name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.fullmatch(r"nodal(\.\w+)+", str(node.value)):
            yield node.value.partition(".")[2]


GROUND = {"", "files", "pipeline", "errors", "progress"}
DOORS = {"datasets.inputs", "models.external", "models.published"}
UNUSED = {  # by a script: modules that others of its rule import, for what it does not do
    "activations": {"training.optimizers", "training.recipe"},
    "claims": {"snp"},
    "comparison": {"snp", "figures.sensitivity"},
    "figures": {"figures.sensitivity"},
    "heads_table": {"snp"},
    "load_checkpoint": {"taps"},
    "pruned": {"datasets.splits"},
    "pruning": {"datasets.splits"},
    "pruning_table": {"snp"},
    "readout": {"pooling", "snp", "taps", "training.task"},
    "sensitivity": {"figures.layers"},
    "silencing": {"datasets.splits", "pruning", "snp", "training.loop", "training.optimizers"},
}


@pytest.mark.parametrize("script", sorted(listed()))
def test_a_rule_lists_what_its_modules_compute_with(script):
    """Whatever they import from other wings, but for what is named here, each for a reason."""
    whole, parts = known(script)
    needed = {name for module in whole for name in imported(module)}
    needed = {name for name in needed if name.partition(".")[0] not in GROUND}
    assert needed - whole - parts - DOORS == UNUSED.get(script, set())


@pytest.mark.parametrize("script", sorted(path.stem for path in code.SCRIPTS.glob("*.py")))
def test_a_rule_lists_what_its_script_computes_with(script):
    """Whatever a script imports of the library, but for the ground and the door to datasets."""
    if script == "download":
        return  # its checksum says what it makes
    text = (code.SCRIPTS / f"{script}.py").read_text()
    needed = re.findall(r"^from nodal\.?(\S*) import (.+)$", text, re.M)
    names = {f"{below}.{name}".lstrip(".") for below, some in needed for name in some.split(", ")}
    names = {name if code.file(name).exists() else name.rpartition(".")[0] for name in names}
    names = {name.partition(" as ")[0] for name in names}
    whole, parts = known(script)
    doors = {"datasets", "training"} | {name.partition(".")[0] for name in whole}
    assert {n for n in names if n.partition(".")[0] not in GROUND} <= whole | parts | doors
