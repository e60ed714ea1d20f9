"""Break the measurement's code at random, one place at a time, and ask the tests that mirror it.

    python tests/mutation/mutants.py --size 520 --seed 0

mutmut makes the mutants; messages are left out. A fork, in which torch is imported already, loads
the module with one function changed and runs its tests, the cheapest first, until one fails. A
sample is the mutants with the smallest hashes of seed, function and change, so that an edit of one
function leaves the rest of the sample as it was. Survivors that survivors.toml does not name, with
the reason why they may live, are printed; they or a share killed below 90% make this fail.
"""

import argparse
import ast
import contextlib
import difflib
import fnmatch
import hashlib
import importlib
import json
import os
import re
import resource
import sys
import textwrap
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow" / "nodal"
TRAINING = ("training/test_training.py", "training/test_recipe.py")
MIRRORS = {
    "snp": ("test_snp.py",),
    "heads": ("test_heads.py",),
    "pooling": ("test_pooling.py",),
    "pruning": ("test_pruning.py", "test_sweep.py"),
    "sweep": ("test_sweep.py", "test_heads.py"),
    "readout": ("test_readout.py",),
    "verdicts/claims": ("verdicts",),
    "verdicts/tables": ("verdicts",),
    "verdicts/statistics": ("verdicts",),
    "verdicts/judge": ("verdicts",),
    "verdicts/dilution": ("verdicts",),
    "training/augment": ("training/test_augment.py",),
    "training/mixing": ("training/test_mixing.py",),
    "training/randaugment": ("training/test_randaugment.py",),
    "training/loop": TRAINING,
    "training/recipe": TRAINING,
}
# What forks find imported: everything heavy, and nothing of the library, which each imports anew.
PRELOADED = (
    "torch", "torch._dynamo", "torchvision.transforms.v2", "pandas", "scipy.stats", "h5py",
    "sklearn.linear_model", "sklearn.metrics", "hypothesis.extra.numpy", "yaml", "tqdm",
    "jsonschema", "PIL.Image", "timm.data.transforms", "timm.data.mixup", "timm.data.auto_augment",
)  # fmt: skip
SENTENCES = re.compile(r"(?<![\w)])f?\"[^\"]* [^\"]*\"")
TALK = ("print", "tqdm", "warn")
ENOUGH = 0.9
SPARE_SECONDS = 10  # of the processor, beside five times what the tests take


@dataclass(frozen=True)
class Mutant:
    """was, now: the lines that differ. source: the whole module with that change."""

    module: str
    function: str
    was: str
    now: str
    source: str

    @property
    def key(self):
        return self.module, self.function, self.was, self.now


def mutants_of(module):
    """Every mutant of a module, without those that only change what is said."""
    source = (LIBRARY / f"{module}.py").read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    kept = ROOT / "build" / "mutants" / f"{module.replace('/', '.')}.{digest}.json"
    if not kept.exists():  # making them takes a minute
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(list(changes(module, source))))
    lines = source.splitlines()
    for function, was, now, start, end, text in json.loads(kept.read_text()):
        whole = [*lines[:start], text, *lines[end:], ""]
        yield Mutant(module, function, was, now, "\n".join(whole))


def changes(module, source):
    """What mutmut makes of a module: (function, lines taken and given, first, last, new text)."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    made = mutate_file_contents(f"{module}.py", source)
    lines, places = made.code.splitlines(), dict(functions(source))
    for name in made.mutant_names:
        stem = name.partition("__mutmut_")[0]
        function = stem.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        texts = []
        for one in (f"{stem}__mutmut_orig", name):
            span = made.line_span_by_function_name[one]
            text = "\n".join(lines[span.start - 1 : span.end]).strip("\n")
            texts.append(text.replace(f"def {one}(", f"def {function.rpartition('.')[2]}("))
        if not only_talks(*texts):
            yield function, *difference(*texts), *places[function], texts[1]


def functions(source):
    """(name, (first line, last line)) of a module's functions and its classes' methods."""
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for one in (n for n in inner if isinstance(n, ast.FunctionDef)):
            first = min([one.lineno, *(d.lineno for d in one.decorator_list)])
            name = f"{node.name}.{one.name}" if one is not node else one.name
            yield name, (first - 1, one.end_lineno)


def difference(was, now):
    """The lines of a function that a mutant takes and gives."""
    lines = list(difflib.ndiff(was.splitlines(), now.splitlines()))
    return tuple(" ".join(one[2:].strip() for one in lines if one[0] == sign) for sign in "-+")


def only_talks(was, now):
    """Does a mutant change only errors, progress or sentences for people?"""
    if SENTENCES.sub('""', was) == SENTENCES.sub('""', now):
        return True
    said = {
        line
        for node in ast.walk(ast.parse(textwrap.dedent(was)))
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _talks(node))
        for line in range(node.lineno - 1, node.end_lineno)
    }
    matcher = difflib.SequenceMatcher(None, was.splitlines(), now.splitlines(), autojunk=False)
    changed = {
        line
        for tag, start, end, *_ in matcher.get_opcodes()
        if tag != "equal"
        for line in range(start, max(end, start + 1))
    }
    return changed <= said


def _talks(call):
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in TALK


def sample(seed, size):
    """The mutants with the smallest hashes of seed and change."""

    def place(mutant):
        return hashlib.sha256(repr((seed, *mutant.key)).encode()).digest()

    every = {mutant.key: mutant for module in MIRRORS for mutant in mutants_of(module)}
    return sorted(every.values(), key=place)[:size]


class CheapestFirst:
    """Pytest plugin: notes what each test took, and runs those first that took least."""

    def __init__(self):
        self.seconds = {}

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def run_tests(module, source, plugin, limit=None):
    """Run a module's tests in this process; its code replaced by `source`, if any -> exit code."""
    import pytest

    if limit:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    name, read = f"nodal.{module.replace('/', '.')}", SourceFileLoader.get_code
    if source:
        SourceFileLoader.get_code = lambda self, fullname: (
            compile(source, self.path, "exec") if fullname == name else read(self, fullname)
        )
    tests = [str(ROOT / "tests" / path) for path in MIRRORS[module]]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    return int(pytest.main([*options, *tests], plugins=[plugin]))


def in_a_fork(function, *arguments):
    """Start a function in a fork; its process id. The fork ends with what it returns."""
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            code = function(*arguments)
        os._exit(code)
    return child


def measured(module):
    """The module's tests as they are -> (plugin that knows what each took, seconds of them all)."""
    plugin, (reading, writing) = CheapestFirst(), os.pipe()

    def run():
        code = run_tests(module, None, plugin)
        os.write(writing, repr((plugin.seconds, time.process_time())).encode())
        return code

    child = in_a_fork(run)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(f"the tests of {module} fail as it is: {MIRRORS[module]}")
    plugin.seconds, seconds = ast.literal_eval(said)
    return plugin, seconds


def killed(mutants, jobs, say):
    """{mutant: do its tests fail, or run out of time?}, `jobs` of them at once."""
    known, running, result = {}, {}, {}

    def wait():
        child, status = os.wait()
        mutant = running.pop(child)
        result[mutant] = status != 0
        say(mutant, result[mutant], len(result))

    for mutant in mutants:
        if mutant.module not in known:
            known[mutant.module] = measured(mutant.module)
        plugin, seconds = known[mutant.module]
        limit = int(5 * seconds + SPARE_SECONDS)
        child = in_a_fork(run_tests, mutant.module, mutant.source, plugin, limit)
        running[child] = mutant
        while len(running) >= jobs:
            wait()
    while running:
        wait()
    return result


def pardoned(path):
    """{key of a mutant: (kind, reason)} of those that may live."""
    listed = tomllib.loads(path.read_text()).get("survivor", [])
    return {
        tuple(one[part] for part in ("module", "function", "was", "now")): one["kind"]
        for one in listed
        if one["reason"]
    }


def report(result, listed):
    """Print the table and the survivors; whether all is well."""
    alive = [mutant for mutant, dead in result.items() if not dead]
    kinds = Counter(listed.get(mutant.key, "unknown") for mutant in alive)
    total = Counter(mutant.module for mutant in result)
    dead = Counter(mutant.module for mutant, gone in result.items() if gone)
    for module in sorted(total):
        print(f"{module:<22} {dead[module]:>4} of {total[module]:>4} killed")
    for mutant in alive:
        if mutant.key not in listed:
            print(f"\n[[survivor]]\nmodule = {mutant.module!r}\nfunction = {mutant.function!r}\n"
                  f"was = '''{mutant.was}'''\nnow = '''{mutant.now}'''")  # fmt: skip
    change = len(result) - kinds["equivalent"]
    share = sum(dead.values()) / max(1, change)
    print(f"\n{len(result)} mutants, {kinds['equivalent']} of them equivalent; of the {change} "
          f"that change behaviour {share:.1%} are killed, {kinds['accepted']} accepted, "
          f"{kinds['unknown']} alive without a reason")  # fmt: skip
    return share >= ENOUGH and not kinds["unknown"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=520)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="*", help="modules of the sample, e.g. 'verdicts/*'")
    arguments = parser.parse_args()
    # Hypothesis draws the same examples for every mutant.
    os.environ |= {"CI": "1", "OMP_NUM_THREADS": "1"}
    os.chdir(ROOT)
    sys.path.insert(0, str(LIBRARY.parent))
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    drawn = sample(arguments.seed, arguments.size)
    drawn = [m for m in drawn if fnmatch.fnmatch(m.module, arguments.only)]

    def say(mutant, dead, n):
        end = "killed" if dead else "ALIVE"
        print(f"{n}/{len(drawn)} {mutant.module} {mutant.function}: {end}", flush=True)
        if not dead:
            print(f"  - {mutant.was}\n  + {mutant.now}", flush=True)

    result = killed(drawn, arguments.jobs, say)
    sys.exit(not report(result, pardoned(Path(__file__).with_name("survivors.toml"))))


if __name__ == "__main__":
    main()
