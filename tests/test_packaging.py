"""What the library declares it needs: all that it imports, in ranges that hold the pins."""

import ast
import importlib.util
import os
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_TESTS_AND_LINT = {"hypothesis", "mutmut", "pre-commit", "pytest", "pytest-xdist", "ruff",
                      "selenium", "snakefmt", "vit-pytorch"}  # fmt: skip
COMES_WITH = {"matplotlib": "seaborn"}  # imported package: the one that brings it


def declared(*extras):
    """{name: Requirement} of the library, or of some of its extras."""
    lines = [line for e in extras for line in EXTRAS[e]] or PROJECT["dependencies"]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in found if r.name != "nodal"}


def pinned(name):
    """{name: version} of one file of envs/."""
    lines = (ROOT / "envs" / name).read_text().splitlines()
    pairs = (line.split("==") for line in lines if re.match(r"[A-Za-z]", line))
    return {canonicalize_name(package): version for package, version in pairs}


def imported(folder):
    """Third-party packages that the modules below a folder import, anywhere in them."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    names -= {"nodal", *sys.stdlib_module_names}
    known = packages_distributions()
    packages = {canonicalize_name(known.get(name, [name])[0]) for name in names}
    return {COMES_WITH.get(package, package) for package in packages}


def test_the_library_declares_what_it_imports():
    optional = set(declared("timm")) | set(declared("text") if "text" in EXTRAS else ())
    assert imported(ROOT / "workflow") - optional == set(declared())


def test_a_run_needs_nothing_of_tests_and_lint():
    needed = {*declared(), *declared("workflow"), *pinned("requirements.txt")}
    assert not needed & FOR_TESTS_AND_LINT
    assert set(declared("dev")) >= FOR_TESTS_AND_LINT


@pytest.mark.parametrize(
    ("file", "extras"),
    [("requirements.txt", ("workflow",)), ("dev.txt", ("dev",))],
)
def test_pins_lie_in_the_declared_ranges(file, extras):
    ranges = {**(declared() if file == "requirements.txt" else {}), **declared(*extras)}
    pins = pinned(file)
    assert set(pins) == set(ranges), "declared in pyproject.toml, pinned in envs/"
    for name, version in pins.items():
        assert version in ranges[name].specifier, name


@pytest.fixture
def check():
    spec = importlib.util.spec_from_file_location("check", ROOT / "envs" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", [".venv", "/scratch/Größe/größe-1.0_x@y/.venv"])
def test_nothing_hinders_an_installation_into_a_plain_folder(check, monkeypatch, folder):
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert check.before(folder) is None


def test_what_hinders_an_installation_is_one_line(check, monkeypatch, tmp_path):
    for folder in ("/home/me/my nets/.venv", "/home/R&D/.venv", "/home/it's/.venv"):
        assert f"{folder}; try make VENV=" in check.before(folder)
    monkeypatch.setattr(check, "ROOM", 0)
    assert "run make again" in check.after(tmp_path)
    assert "run make again" in check.after(tmp_path / "not" / "made")
    monkeypatch.setattr(check, "ROOM", float("inf"))
    assert f"the disk of {tmp_path} is full" in check.after(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written; copy it" in check.before(".venv")
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    assert "Python 3.11 or newer is needed, this is 3.10" in check.before(".venv")
