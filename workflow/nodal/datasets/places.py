"""What the place of a file says: its label and its part, from folders as people have them.

`train/<label>/**` beside `test/<label>/**` or `val/<label>/**` in any case, `<label>/**` alone, and
one more folder around everything, or not.
"""

from collections import Counter
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

from nodal.datasets.splits import part
from nodal.errors import NodalError


class Place(NamedTuple):
    """A file and what its folders say of it. part: train, val, test, or None without parts."""

    name: str
    label: str
    part: str | None


def find(tree, is_wanted, noun, log):
    """All wanted files of a tree -> [Place].

    is_wanted: a name -> whether it is an input. noun: what an input is called. What is not taken is
    counted in the log, with the reason. Raises NodalError for a tree with neither labels nor parts,
    and naming a label's folder without an input.
    """
    wanted = [name for name in visible(tree.names) if is_wanted(name)]
    if not wanted:
        raise NodalError(f"{tree.path}: no {noun} in it")
    _report_others(tree, wanted, noun, log)
    around = wrapping(wanted)
    folders = {name: _folders(name)[len(around) :] for name in wanted}
    has_parts = any(part(where[0]) and len(where) > 1 for where in folders.values() if where)
    place = _with_part if has_parts else _without_part
    found, lost = [], []
    for name, where in folders.items():
        labelled = place(where)
        found += [Place(name, *labelled)] if labelled else []
        lost += [] if labelled else [name]
    if not found:
        raise NodalError(
            f"{tree.path}: neither labels nor parts; expected train/<label>/* and test/<label>/*, "
            "or <label>/*"
        )
    if lost:
        expected = "train, val or test and a label" if has_parts else "a label"
        log(f"{tree.path}: {len(lost):,} {noun} not used, not below {expected}: {_some(lost)}")
    empty = _without_input(tree, around, found, place)
    if has_parts and empty:
        raise NodalError(f"{tree.where(empty[0])}: the label's folder is empty; expected {noun}")
    if not has_parts:
        _require_no_parts_below(tree, folders, noun)
        _require_no_parts_as_labels(tree, {known.label for known in found}, noun)
    if empty:
        log(f"{tree.path}: folders without {noun}, no label: {_some(empty)}")
    return found


def visible(names):
    """Names without those that begin with a dot, or lie in such a folder or in a Mac's own."""
    return [name for name in names if _is_visible(name.removeprefix("./").split("/"))]


def wrapping(names):
    """The folders around all files that say nothing, down to that of a part or of two labels.

    >>> wrapping(["set/cat/1.png", "set/dog/2.png"]), wrapping(["a/b/train/cat/1.png"])
    (('set',), ('a', 'b'))
    """
    folders = [where for where in map(_folders, names) if where]
    ends = zip(min(folders, default=()), max(folders, default=()), strict=False)
    shared = takewhile(lambda pair: pair[0] == pair[1] and part(pair[0]) is None, ends)
    return tuple(folder for folder, _ in shared)


def _with_part(where):
    if len(where) < 2 or part(where[0]) is None:
        return None
    return where[1], part(where[0])


def _without_part(where):
    return (where[0], None) if where else None


def _require_no_parts_below(tree, folders, noun):
    for name, where in folders.items():
        if any(map(part, where[1:])):
            raise NodalError(
                f"{tree.where(name)}: {noun} in a part below the label; expected train/<label>/*"
            )


def _require_no_parts_as_labels(tree, labels, noun):
    """One folder may be a label that is called like a part, two or all of them hardly."""
    named = sorted(filter(part, labels))
    if len(named) > 1 or len(named) == len(labels):
        raise NodalError(
            f"{tree.path}: {noun} directly in {' and '.join(named)}, without labels; expected "
            "train/<label>/* and test/<label>/*, or a table of labels, dataset.manifest"
        )


def _without_input(tree, around, found, place):
    """Where a label's folder would be, those in which there is no input; sorted names."""
    labels = {(known.label, known.part) for known in found}
    there = {*(_folders(f"{name}/") for name in tree.folders), *map(_folders, tree.names)}
    depth = len(around) + (2 if place is _with_part else 1)
    folders = {where[:depth] for where in there if where[: len(around)] == around}
    asked = {where: place(where[len(around) :]) for where in folders if len(where) == depth}
    return sorted(
        "/".join(where)
        for where, labelled in asked.items()
        if labelled and labelled not in labels and _is_visible(where)
    )


def _folders(name):
    """'./set/cat/1.png' -> ('set', 'cat')"""
    return tuple(folder for folder in name.split("/")[:-1] if folder not in ("", "."))


def _is_visible(folders):
    return not any(folder.startswith(".") or folder == "__MACOSX" for folder in folders)


def _report_others(tree, wanted, noun, log):
    others = sorted(set(tree.names) - set(wanted))
    if others:
        kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in others)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        log(f"{tree.path}: {len(others):,} files are hidden or no {noun}, not used: {counts}")
    report_outside(tree, log)


def report_outside(tree, log):
    """Count in the log what an archive has and nobody reads."""
    if tree.outside:
        log(
            f"{tree.path}: {len(tree.outside):,} links, or names that lead outside, not used: "
            f"{_some(tree.outside)}"
        )


def _some(names, n=5):
    more = f" and {len(names) - n:,} more" if len(names) > n else ""
    return ", ".join(sorted(names)[:n]) + more
