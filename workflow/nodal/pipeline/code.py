"""What code a result depends on: a fingerprint of syntax trees, blind to words about it.

Comments, docstrings, the layout, the arguments of `raise`, of calls to `log` and of progress bars
change no result, so they change no fingerprint. Modules that never decide one (errors, files,
pipeline) are not listed by any rule.
"""

import ast
import hashlib
import pickletools
import zipfile
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
SCRIPTS = LIBRARY.parent / "scripts"
SPOKEN = ("log", "tqdm", "print")


def fingerprint(script, *modules):
    """A digest of a rule's script and of modules of the library: `("snp", "snp", "models.cct")`.

    Each module stands for itself and for what it needs of its own wing; a package is its
    `__init__`. `snp:class_sums` is one function of a module, and what that needs of it. Raises
    FileNotFoundError for a module that is none, KeyError for such a function.
    """
    parts = sorted(name for name in modules if ":" in name)
    names = sorted(set().union(*(wing(name) for name in modules if ":" not in name)))
    trees = [_tree(SCRIPTS / f"{script}.py"), *(_tree(file(name)) for name in names)]
    trees += [part(file(module), name) for module, _, name in (p.partition(":") for p in parts)]
    return of_text("\n".join(trees))


def of_text(text):
    """A short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file(module):
    """The file of a module named below nodal: `datasets`, `models.cct`."""
    path = LIBRARY.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if package.exists() else path.with_suffix(".py")


@lru_cache
def wing(module):
    """A module and those of its wing that it imports as it is loaded, theirs included."""
    own = module.partition(".")[0]
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [m for m in _imports(name) if m.partition(".")[0] == own]
    return frozenset(found)


def _imports(module):
    for node in ast.parse(file(module).read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nodal":
            below = node.module.partition(".")[2]
            names = [f"{below}.{alias.name}".lstrip(".") for alias in node.names]
            parts = [name for name in names if file(name).exists()]
            yield from parts
            if below and len(parts) < len(names):
                yield below


@lru_cache
def _tree(path):
    return tree(path.read_text())


def tree(source):
    """The syntax tree of a module as text, without what only speaks."""
    return ast.dump(_Silent().visit(ast.parse(source)))


@lru_cache
def part(path, wanted):
    """The syntax tree of one definition of a module, and of those of the module that it names."""
    defined = {}
    for node in _Silent().visit(ast.parse(path.read_text())).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        for target in targets:
            defined[getattr(target, "name", getattr(target, "id", None))] = node
    found, waiting = {}, [wanted]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = ast.dump(defined[name])
            named = {n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
            waiting += sorted(named & set(defined))
    return "\n".join(found[name] for name in sorted(found))


class _Silent(ast.NodeTransformer):
    """Takes out docstrings, and what is said by errors, the log and progress bars."""

    def generic_visit(self, node):
        body = getattr(node, "body", None)
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and body and ast.get_docstring(node, False) is not None:
            node.body = body[1:] or [ast.Pass()]
        return super().generic_visit(node)

    def visit_ImportFrom(self, node):
        return None if node.module == "nodal.progress" else node

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        node.cause = None
        return node

    def visit_Call(self, node):
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)
        if name == "told":  # of the items that are its first argument
            return self.visit(node.args[0])
        if name in SPOKEN:
            # The first argument of a bar is what is gone through.
            node.args, node.keywords = node.args[:1] if name == "tqdm" else [], []
        return self.generic_visit(node)


def recorded(path, key):
    """A text that a model.pt carries under a key, read without torch; None if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = [n for n in archive.namelist() if n.endswith("data.pkl")]
            strings = [
                argument
                for operation, argument, _ in pickletools.genops(archive.read(name))
                if isinstance(argument, str) and "UNICODE" in operation.name
            ]
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return dict(pairwise(strings)).get(key)
