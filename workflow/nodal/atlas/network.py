"""One seed of an experiment, as the document holds it: its taps, its heads, its confusions."""

from dataclasses import dataclass, field

import numpy as np

from nodal import heads, snp, training
from nodal.atlas import connections, examples, fields, tables
from nodal.atlas.arrays import encode, unsigned
from nodal.files import storage
from nodal.pooling import read_query

SHOWN = (8, 4, 2)  # inputs of a list
ENTRY_BYTES = 20  # of one input in a list, with its shades, as text


@dataclass(frozen=True)
class Network:
    """The artifacts of one seed: paths, lists by block. logits and heads may be missing.

    pooling: None where no tap is read by sequence pooling.
    """

    seed: int
    model: str
    readouts: list
    matrices: list
    nodes: list
    extremes: list
    logits: str | None = None
    pooling: str | None = None
    heads: list = field(default_factory=list)


@dataclass
class Read:
    """What the artifacts say of the taps of a network: {tap: ...}, kept ones alone but diagonals.

    diagonals: bool (D, C) of the training split, for both ends of each matrix of weights.
    """

    rows: dict = field(default_factory=dict)
    clusters: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    readouts: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)
    diagonals: dict = field(default_factory=dict)


def read(network, sites, ends, threshold):
    """The artifacts of the wanted sites of every block, and the diagonals of the taps in `ends`."""
    found = Read()
    for block, path in enumerate(network.matrices):
        nodes = storage.read_csv(network.nodes[block])
        with (
            storage.read_hdf5(path) as matrices,
            storage.read_hdf5(network.readouts[block]) as readouts,
            storage.read_hdf5(network.extremes[block]) as extremes,
        ):
            for site in readouts:
                tap, group = f"block{block}.{site}", readouts[site]
                if tap in ends:
                    chosen = snp.field(group["class_means/train"][:], group["weights"][:])
                    found.diagonals[tap] = snp.diagonals(chosen, threshold)
            for site in (site for site in sites if site in matrices):
                tap = f"block{block}.{site}"
                found.rows[tap] = nodes[nodes.tap == tap]
                found.fields[tap] = snp.read(matrices[site])
                found.clusters[tap] = matrices[site]["clusters"][:]
                found.readouts[tap] = dict(readouts[site].attrs)
                form = str(found.readouts[tap]["pooled"])
                found.lists[tap] = examples.lists(extremes[site], form)
    return found


def describe(network, found, edges, shades, settings):
    """Everything of one seed but its inputs' pictures -> the document's part for it.

    settings: threshold; room, bytes for its matrices; head_sites, n_heads.
    """
    near = fields.similar(found.fields)
    around = connections.neighbours(edges, found.diagonals, found.fields)
    parts, taps = fields.held_fields(found.fields, settings["room"]), {}
    for tap, held in found.fields.items():
        readout = found.readouts[tap]
        taps[tap] = {
            "accuracy": tables.value(readout["accuracy_test"]),
            "pooled": str(readout["pooled"]),
            **fields.statistics(found.rows[tap], found.clusters[tap], held),
            "field": parts[tap],
            "null": fields.null(held, settings["threshold"], network.seed),
            "similar": near[tap],
            **around[tap],
            "inputs": shades[tap],
        }
    diagonals = {tap: connections.packed(d) for tap, d in found.diagonals.items()}
    return {"seed": network.seed, "taps": taps, "train_diagonals": diagonals}


def heads_of(network, found, taps, room):
    """heads/block{b}.csv, with the heads' matrices if `room` bytes hold those of all blocks.

    They are there only where the page cannot add up the nodes' own, of which it has some entries.
    """
    for path in network.heads:
        block = tables.head_block(storage.read_csv(path))
        tap = f"block{block['block']}.heads"
        if tap in taps and taps[tap]["field"]["form"] == "entries":
            n_heads = len(next(iter(block["heads"].values())))
            size = 4 * 4 / 3 * n_heads * found.fields[tap].shape[1] ** 2
            block["matrices"] = None
            if size * len(network.heads) <= room:
                block["matrices"] = encode(_head_sums(found.fields[tap], n_heads), "f4")
        yield block


def _head_sums(field, n_heads):
    """(H, C, C): a head's nodes at a time, for all of a large tap would take gigabytes."""
    size = field.shape[0] // n_heads
    nodes = [slice(start, start + size) for start in range(0, n_heads * size, size)]
    return np.concatenate([heads.head_matrices(field.matrices(own), 1) for own in nodes])


def confusions(network, n_labels):
    """What logits.h5 says, if the experiment has it."""
    if network.logits is None:
        return {"confusions": None}
    with storage.read_hdf5(network.logits) as file:
        logits, labels = file["logits"][:], file["labels"][:]
    counts = tables.confusions(logits, labels, n_labels)
    chosen = {"chosen": unsigned(logits.argmax(1))}
    return {"confusions": unsigned(counts), "test": chosen}


def pooling_of(network, found, device):
    """{tap: (query, scale) as tensors on the device, or None where tokens add to a mean}."""
    pooled = {tap: None for tap in found.fields}
    if network.pooling is None:
        return pooled
    with storage.read_hdf5(network.pooling) as file:
        for tap in pooled:
            if found.readouts[tap]["pooled"] == "sequence":
                pooled[tap] = read_query(file[tap], device)
    return pooled


def shown(lists, room):
    """How many inputs of each list the page shows: the most of SHOWN that `room` bytes hold."""
    per_input = ENTRY_BYTES * sum(
        len(part["index"]) for of in lists.values() for part in of.values()
    )
    return next((k for k in SHOWN if k * per_input <= room), SHOWN[-1])


def build(network, task, settings):
    """A network's artifacts, run once more on the inputs they name -> its part, and its lists.

    settings: those of `describe`, and sites, heads_room, lists_room, precision. Returns the part of
    the document and the indices of inputs in its lists, (D, K) arrays.
    """
    model, content = training.load_model(network.model, task.device)
    edges = [(e.source, e.target, e.weight.detach().float().cpu().numpy()) for e in model.edges()]
    ends = {end for source, target, _ in edges for end in (source, target) if end}
    found = read(network, settings["sites"], ends, settings["threshold"])
    k = shown(found.lists, settings["lists_room"])
    lists = {tap: examples.first(of, k) for tap, of in found.lists.items()}
    pooled = pooling_of(network, found, task.device)
    shades = examples.shade(model, task, lists, pooled, settings["precision"])
    part = describe(network, found, edges, shades, settings)
    part["heads"] = list(heads_of(network, found, part["taps"], settings["heads_room"]))
    part |= confusions(network, task.n_classes)
    part["accuracy"] = tables.value(content["test_accuracy"])
    return part, [np.asarray(p["index"]) for of in lists.values() for p in of.values()]
