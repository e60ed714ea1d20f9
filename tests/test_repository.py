"""What a stranger finds: nothing but source, docs, results; a licence, and how to cite."""

import ast
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PICTURES = {".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff"}


def tracked():
    if not shutil.which("git"):
        pytest.skip("no git")
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def is_stranger(name, content):
    """Binary, and not the picture that its name says."""
    picture = PICTURES.get(Path(name).suffix)
    return b"\0" in content and not (picture and content.startswith(picture))


def test_no_tracked_file_is_a_binary_that_is_not_a_picture():
    assert [str(p) for p in tracked() if is_stranger(p.name, p.read_bytes())] == []


@pytest.mark.parametrize(
    ("name", "content", "strange"),
    [
        ("core", b"\x7fELF\2\1\1\0", True),
        ("a.png", b"\x7fELF\2\1\1\0", True),
        ("a.png", b"\x89PNG\r\n\x1a\n\0", False),
        ("a.py", b"print()\n", False),
    ],
)
def test_what_counts_as_one(name, content, strange):
    assert is_stranger(name, content) == strange


def test_no_python_file_has_over_400_lines_and_no_function_over_50():
    long = []
    for path in (path for path in tracked() if path.suffix in (".py", ".smk")):
        text = path.read_text()
        long += [str(path)] * (len(text.splitlines()) > 400)
        functions = ast.walk(ast.parse(text)) if path.suffix == ".py" else ()
        long += [
            f"{path}: {node.name}"
            for node in functions
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 50
        ]
    assert not long


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version("nodal")
    assert f"## {citation['version']}" in (ROOT / "CHANGELOG.md").read_text()
    paper = citation["preferred-citation"]
    assert [a["family-names"] for a in paper["authors"]] == [
        "Koresh", "Gross", "Meir", "Tzach", "Halevi", "Kanter",
    ]  # fmt: skip
    assert paper["identifiers"][0]["value"] == "arXiv:2501.12900"


def containers_steps():
    """(what the Containerfile copies from here, its command)."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    copied = re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)
    command = re.findall(r"^CMD (.+)$", text, re.MULTILINE)
    return " ".join(copied).split(), yaml.safe_load(command[0])[-1]


def test_the_container_makes_the_demos_steps():
    copied, command = containers_steps()
    assert all((ROOT / path).exists() for path in copied)
    recipe = (ROOT / "Makefile").read_text().partition("\ndemo: venv\n")[2].partition("\n\n")[0]
    steps = [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()]
    assert command == " && ".join(steps).replace("$(CORES)", "all")


def test_the_map_of_the_house_has_every_script_and_only_what_exists():
    rows = re.findall(r"^\| `.+$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    columns = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    scripts = {name for row in columns for name in re.findall(r"\w+\.py", row[1])}
    assert scripts == {path.name for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    for rule, _, modules, tests, _ in columns:
        below = [("rules", re.findall(r"\w+\.smk", rule)), ("workflow/nodal", modules.split(", "))]
        for folder, names in [*below, ("tests", tests.split(", "))]:
            assert all((ROOT / folder / name).exists() for name in names), rule


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text()):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])
def test_every_rule_says_what_it_does(path):
    """As `snakemake --list-rules` prints it."""
    rules = re.findall(r"^ *(?:rule|checkpoint)(?: \w+)?:\n(.*)$", path.read_text(), re.MULTILINE)
    assert [line for line in rules if not re.match(r' +"""[A-Z]', line)] == []


def test_the_clusters_table_has_every_job_and_its_time_limit():
    """Of rules that run on the login node the table has a row for all; `compute` is no number."""
    text = (ROOT / "docs" / "cluster.md").read_text()
    said = {
        rule: 60 * int(hours[1]) if (hours := re.search(r"(\d+) h\b", asked)) else "minutes"
        for names, asked in re.findall(r"^\| (`\w.*?) \|.*\| (.*?) \|$", text, re.MULTILINE)
        for rule in re.findall(r"`(\w+?)_?\*?`", names)
    }
    declared = {}
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^ *rule\b", path.read_text(), flags=re.MULTILINE)[1:]:
            name = re.match(r" (\w+)|(?s:.*?)f\"(\w+)_\{name\}\"", block)
            runtime = re.search(r"runtime=(\w+)", block)[1]
            if "localrule: True" not in block:
                declared[name[1] or name[2]] = int(runtime) if runtime.isdigit() else runtime
    snakefile = (ROOT / "Snakefile").read_text().partition("localrules:")[2].partition("\n\n")[0]
    for rule in re.findall(r"\w+", snakefile):
        declared.pop(rule, None)
    assert said == declared
