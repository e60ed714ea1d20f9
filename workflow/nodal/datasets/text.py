"""One's own texts: tables with named columns, or files `train/<label>/*.txt`."""

from pathlib import Path

from nodal.datasets import places, tables
from nodal.datasets.texts import Text, Texts
from nodal.datasets.tree import Tree, is_tree
from nodal.errors import NodalError


def open_source(settings, files, log):
    path = Path(files["data"])
    if is_tree(path):
        return Texts.of(list(_files(path, log)), settings, files, path, log)
    columns = settings["columns"]
    texts = list(table(path, columns, log, "train" if "test" in files else None))
    if "test" in files:
        texts += table(files["test"], columns, log, "test")
    return Texts.of(texts, settings, files, path, log)


def table(path, columns, log, part=None):
    """The texts of a file with named columns, as Text.

    columns: the names of `text` and `label`, and of `split` where the file says each text's part.
    part: that of all texts, if the file does not say. Raises NodalError naming the file and line.
    """
    if columns.get("split") and part:
        raise NodalError(
            f"{path}: dataset.columns.split with a test file beside it; expected one of the two"
        )
    for where, cells in tables.records(path, columns, log):
        named = tables.part(where, cells["split"]) if "split" in cells else part
        yield Text(where, cells["text"], cells["label"], named)


def _files(path, log):
    """The texts of a directory, zip or tar: one file each, in a folder that is its label."""
    with Tree(path) as tree:
        found = places.find(tree, lambda name: name.lower().endswith(".txt"), "texts", log)
        known = {place.name: place for place in found}
        for name, content in tree.read(known):
            if isinstance(content, NodalError):
                raise content
            text, place = tables.decoded(tree.where(name), content), known[name]
            yield Text(tree.where(name), text.strip(), place.label, place.part)
