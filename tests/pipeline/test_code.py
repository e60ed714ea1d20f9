"""A fingerprint of code changes with what is computed, and with nothing that is said of it."""

import re
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
    return dict(re.findall(r'[= ]code\(\s*"(\w+)"(?:,\s*"([^"]*)")?', text))


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
    modules = [n for n in listed()[script].split() if not n.endswith("*") and ":" not in n]
    known = set().union(*map(code.wing, modules), (name.partition(".")[0] for name in modules))
    assert {n for n in names if n.partition(".")[0] not in ("files", "pipeline", "errors")} <= (
        known | {"datasets", "training"}
    )
