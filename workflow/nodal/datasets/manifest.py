"""A table that says of each file its label and its part: columns file, label, split."""

import os
from pathlib import Path, PurePosixPath

from nodal.datasets import tables
from nodal.datasets.places import Place, report_outside, visible, wrapping
from nodal.errors import NodalError

COLUMNS = {"file": "file", "label": "label", "split": "split"}


def read(path, tree, noun, log):
    """The files that a manifest names -> [Place]. Names are relative to the tree, or lie in it.

    Raises NodalError naming the line of a file that is not there or named twice.
    """
    names = {str(PurePosixPath(name)): name for name in tree.names}
    shared = wrapping(visible(tree.names))
    around = [PurePosixPath(*shared[:n]) for n in range(len(shared) + 1)]
    found = {}
    for where, cells in tables.records(path, COLUMNS, log):
        spellings = _spellings(cells["file"], tree.path)
        candidates = (str(folder / file) for file in spellings for folder in around)
        name = next((name for name in candidates if name in names), None)
        if name is None:
            raise NodalError(f"{where}: {tree.where(cells['file'])}: no such file")
        if name in found:
            raise NodalError(f"{where}: {cells['file']} is named twice")
        found[name] = Place(names[name], cells["label"], tables.part(where, cells["split"]))
    if not found:
        raise NodalError(f"{path}: names no file")
    others = len(names) - len(found)
    if others:
        log(f"{tree.path}: {others:,} files are not in {path} and not used")
    report_outside(tree, log)
    return list(found.values())


def _spellings(file, root):
    """A name as it stands; with slashes, as Windows has none; and of an absolute one the rest."""
    yield file
    yield file.replace("\\", "/")
    for above in (Path(os.path.abspath(root)), root.resolve()):
        if Path(file).is_relative_to(above):
            yield str(Path(file).relative_to(above))
