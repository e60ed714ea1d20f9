"""Images in folders of their labels or named by a manifest, as a directory, a zip or a tar."""

from PIL import Image

from nodal.datasets import manifest, places
from nodal.datasets.decode import Decoder
from nodal.datasets.images import Images
from nodal.datasets.splits import divide
from nodal.datasets.tree import Tree


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
        origins=division.origins,
        damaged=decoder.damaged,
        deep=decoder.deep,
    )


def _is_image(name):
    Image.init()
    return "." + name.lower().rpartition(".")[2] in Image.EXTENSION
