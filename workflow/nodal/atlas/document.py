"""The atlas as one JSON document, see schema.json: gathered from the artifacts of an experiment."""

from dataclasses import dataclass

from nodal import datasets, training
from nodal.atlas import inputs, network, tables
from nodal.atlas.arrays import decode, size, unsigned
from nodal.files import storage

FORMAT, VERSION = "nodal atlas", 1
MATRICES, HEADS, LISTS = 0.5, 0.2, 0.25  # shares of the room: of nodes, of heads, of inputs


@dataclass(frozen=True)
class Sources:
    """What a document is made from.

    dataset: its file. networks: of nodal.atlas.network.Network, the first the one to open with.
    tables: {"claims", "layers", maybe "pruning": path}. sites: those wanted, in the order data
    meets them. facts: what the start page says as it is. compute: precision and device.
    """

    dataset: str
    networks: list
    tables: dict
    sites: list
    n_heads: int | None
    threshold: float
    facts: dict
    compute: dict


def gather(sources, room):
    """Sources -> the document, at most about `room` bytes as ASCII.

    The first network comes whole; others follow in order while there is room for all of one; the
    inputs that lists name, the most wanted first, fill the rest. What did not fit is in `left_out`.
    """
    with datasets.opened(sources.dataset) as dataset:
        document = _frame(sources, dataset)
        device = training.pick_device(sources.compute["device"])
        task, named = training.Task.streamed(dataset, device), []
        settings = {
            "sites": sources.sites, "threshold": sources.threshold, "room": MATRICES * room,
            "heads_room": HEADS * room, "lists_room": LISTS * room,
            "precision": sources.compute["precision"],
        }  # fmt: skip
        for each in sources.networks:
            part, lists = network.build(each, task, settings)
            if document["seeds"] and size(document) + size(part) > (1 - LISTS) * room:
                document["left_out"].append(f"Seed {each.seed}: there was no room for it.")
                continue
            document["seeds"].append(part)
            named += lists
        wanted = inputs.most_wanted(named)
        shown = inputs.shown(dataset, wanted, room - size(document))
    document["left_out"] += [*_matrices_left_out(document), *_inputs_left_out(wanted, shown)]
    return {**document, "inputs": shown}


def readout_words(activations):
    """The activations section of the config -> how taps are read, in words."""
    if activations["pool"] == "sequence":
        return (
            "sequence pooling and one layer, or the mean over tokens where that does better on "
            "inputs held out"
        )
    side = activations["grid"]
    return f"one layer on {side} x {side} positions" if side > 1 else "the mean over positions"


def _frame(sources, dataset):
    """Everything that is not of one seed."""
    frames = {name: storage.read_csv(path) for name, path in sources.tables.items()}
    facts = {
        **sources.facts,
        "kind": dataset.inputs.kind,
        "shape": list(dataset.inputs.shape),
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
        "origins": {"train": dataset.train.origin, "test": dataset.test.origin},
        "threshold": sources.threshold,
        "heads": sources.n_heads,
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": facts,
        "labels": [str(name) for name in dataset.label_names],
        "test_labels": unsigned(dataset.test.labels),
        "claims": tables.columns(frames["claims"]),
        "layers": tables.layers(frames["layers"]),
        "pruning": tables.pruning(frames["pruning"]) if "pruning" in frames else None,
        "seeds": [],
        "left_out": [],
    }


def _matrices_left_out(document):
    """What of matrices held by their entries is left out; seeds of which it is alike in a line."""
    lines = {}
    for seed in document["seeds"]:
        parts = [tap["field"] for tap in seed["taps"].values()]
        parts = [part for part in parts if part["form"] == "entries"]
        held = [decode(part["held"]) for part in parts]
        if held:
            missing = sum(int((each == 0).sum()) for each in held)
            rest = (
                f"the matrices of {missing:,} of {sum(map(len, held)):,} nodes are left out, those "
                "of the smallest field at each tap" if missing else "all nodes have theirs"
            )  # fmt: skip
            line = (
                "of matrices on a grid, or too many for the page, it holds the entries above "
                f"{parts[0]['above']:g} of a node's maximum; {rest}."
            )
            lines.setdefault(line, []).append(str(seed["seed"]))
        if any(block.get("matrices", 0) is None for block in seed["heads"]):
            lines.setdefault("there was no room for the matrices of heads.", []).append(
                str(seed["seed"])
            )
    return [
        f"Seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}: {line}" for line, seeds in lines.items()
    ]


def _inputs_left_out(wanted, shown):
    held = shown["index"]["shape"][0]
    if held < len(wanted):
        yield (
            f"Of {len(wanted):,} test inputs that lists name, the page shows the {held:,} that "
            "most lists name and rank highest; the others stand as their number."
        )
    if shown.get("lossless") is False:
        yield "Pictures are compressed with loss (WebP); the network saw the originals."
