"""Images in folders of their labels or named by a manifest, as a directory, a zip or a tar."""

from pathlib import Path

from PIL import Image

from nodal.datasets import manifest, places
from nodal.datasets.decode import Decoder
from nodal.datasets.images import Images
from nodal.datasets.splits import divide
from nodal.datasets.tree import Tree

NAMED_ALONE = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF"}


def open_source(settings, files, log):
    tree = Tree(files["data"])
    if "manifest" in files:
        found = manifest.read(files["manifest"], tree, "images", log)
    else:
        found = places.find(tree, _is_image, "images", log)
    labels, parts = [place.label for place in found], [place.part for place in found]
    division = divide(labels, parts, settings, tree.path, log)
    decoder = Decoder(settings["size"], settings["channels"])

    def images(rows):
        of = {found[i].name: division.labels[i] for i in rows}
        return decoder.batches(
            (tree.where(name), content, of[name]) for name, content in tree.read(of)
        )

    return Images(
        label_names=division.label_names,
        splits={split: images(rows) for split, rows in division.splits.items()},
        origins=_origins(division.origins, files.get("manifest")),
        findings=decoder.findings,
    )


def _origins(origins, manifest):
    """A manifest is one split of several that there may be."""
    of = f" of {Path(manifest).name}" if manifest else ""
    return {split: f"{origin}{of}" for split, origin in origins.items()}


def _is_image(name):
    """By its suffix: of a format that Pillow reads, which of some it knows the name alone."""
    Image.init()
    kind = Image.EXTENSION.get("." + name.lower().rpartition(".")[2])
    # MPO begins as a JPEG and is opened as one.
    return kind in {*Image.OPEN, "MPO"} - NAMED_ALONE
