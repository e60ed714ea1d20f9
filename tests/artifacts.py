"""Made-up artifacts of an experiment, laid out as its stages would, for tests of what reads them.

Numbers are drawn so that nodes know planted clusters of labels; the network is untrained.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from nodal import datasets, heads, models, snp, training
from nodal.atlas.document import Sources
from nodal.atlas.network import Network
from nodal.datasets.inputs import Inputs
from nodal.files import storage
from nodal.verdicts import tables
from nodal.verdicts.claims import CLAIMS
from nodal.verdicts.judge import judge

K = 8
THETA = 0.3
IMAGES = Inputs("image", (1, 8, 8))


@dataclass
class Plan:
    """What to make: labels, network and inputs."""

    names: list
    folder: Path
    inputs: Inputs = IMAGES
    width: int = 16
    blocks: int = 2
    heads: int = 4
    n_test: int = 60
    form: str = "sequence"
    sites: tuple = ("heads", "proj", "ff", "out")
    seeds: tuple = (0,)
    vocabulary: tuple = ()

    @property
    def model(self):
        name = "cct" if self.inputs.kind == "image" else "text_cct"
        return {"name": name, "width": self.width, "depth": self.blocks, "heads": self.heads,
                "mlp_ratio": 1}  # fmt: skip


def make(plan):
    """Write every artifact under plan.folder and say where they are: Sources for an atlas."""
    random = np.random.default_rng(0)
    dataset = _dataset(plan, random)
    networks, layers, sweeps = [], [], []
    for seed in plan.seeds:
        network, rows = _network(plan, dataset, seed, random)
        networks.append(network)
        layers += rows
        sweeps.append(_sweep(seed, random))
    frames = {"layers": pd.DataFrame(layers), "pruning": pd.concat(sweeps)}
    frames["claims"] = judge(CLAIMS, {"layers": frames["layers"]})
    for name, frame in frames.items():
        storage.write_csv(plan.folder / f"{name}.csv", frame)
    return Sources(
        dataset=plan.folder / "dataset.h5",
        networks=networks,
        tables={name: plan.folder / f"{name}.csv" for name in frames},
        sites=list(plan.sites),
        n_heads=plan.heads,
        threshold=THETA,
        facts={"experiment": "planted", "dataset": "made up", "model": "cct", "split": "test",
               "seeds": list(plan.seeds), "readout": "sequence pooling"},
        compute={"precision": "fp32", "device": "cpu"},
    )  # fmt: skip


def _dataset(plan, random):
    labels = np.arange(plan.n_test) % len(plan.names)
    with storage.write_hdf5(plan.folder / "dataset.h5", {}) as file:
        for split in ("train", "test"):
            storage.put(file.require_group(split), "inputs", _inputs(plan, random))
            storage.put(file[split], "labels", labels)
            file[split].attrs["origin"] = f"official {split}"
        storage.put_strings(file, "label_names", plan.names)
        if plan.inputs.kind == "text":
            storage.put_strings(file, "vocabulary", plan.vocabulary)
        else:
            channels = plan.inputs.shape[0]
            file.attrs["mean"], file.attrs["std"] = [0.5] * channels, [0.25] * channels
        file.attrs["kind"], file.attrs["shape"] = plan.inputs.kind, plan.inputs.shape
    return datasets.load(plan.folder / "dataset.h5")


def _inputs(plan, random):
    """Pixels, or token ids that end in padding."""
    if plan.inputs.kind == "image":
        channels, height, width = plan.inputs.shape
        return random.integers(0, 256, (plan.n_test, height, width, channels), np.uint8)
    words, length = plan.inputs.shape
    tokens = random.integers(1, words, (plan.n_test, length), np.int32)
    ends = random.integers(1, length + 1, plan.n_test)
    return np.where(np.arange(length) < ends[:, None], tokens, 0)


def _network(plan, dataset, seed, random):
    folder = plan.folder / f"seed{seed}"
    torch.manual_seed(seed)
    model = models.build(plan.model, len(plan.names), plan.inputs)
    training.save_model(folder / "model.pt", model, plan.model, dataset, 0.9)
    with storage.write_hdf5(folder / "pooling.h5", {}) as file:
        for tap in model.taps():
            storage.put(file, f"{tap}/query", random.normal(size=plan.width).astype("f4"))
            storage.put(file, f"{tap}/scale", np.ones(plan.width, "f4"))
    with storage.write_hdf5(folder / "logits.h5", {}) as file:
        logits = random.normal(size=(plan.n_test, len(plan.names))).astype("f4")
        storage.put(file, "logits", logits)
        storage.put(file, "labels", dataset.test.labels)
    blocks = [_block(plan, folder, block, model, random) for block in range(plan.blocks)]
    files = {
        kind: [folder / kind / f"block{b}.h5" for b in range(plan.blocks)]
        for kind in ("readout", "snp", "extremes")
    }
    network = Network(
        seed=seed, model=folder / "model.pt", readouts=files["readout"], matrices=files["snp"],
        nodes=[path.with_suffix(".csv") for path in files["snp"]], extremes=files["extremes"],
        logits=folder / "logits.h5", pooling=folder / "pooling.h5",
        heads=[folder / "heads" / f"block{b}.csv" for b in range(plan.blocks)],
    )  # fmt: skip
    return network, [{"seed": seed, **row} for rows in blocks for row in rows]


def _block(plan, folder, block, model, random):
    """One block's readout, SNP, extremes and heads files; its rows of the layer table."""
    C, D, rows, nulls, attributes = len(plan.names), plan.width, [], [], {}
    parts = models.describe(plan.model).parts
    name = f"block{block}"
    with (
        storage.write_hdf5(folder / "readout" / f"{name}.h5", {}) as readout,
        storage.write_hdf5(folder / "snp" / f"{name}.h5", {}) as matrices,
        storage.write_hdf5(folder / "extremes" / f"{name}.h5", {}) as extremes,
    ):
        for site in dict.fromkeys(tap.partition(".")[2] for tap in model.taps()):
            means, weights = (planted(C, D, plan.form, random) for _ in range(2))
            group = readout.create_group(site)
            storage.put(group, "weights", weights)
            for split in ("train", "test"):
                storage.put(group, f"class_means/{split}", means)
            attributes[site] = {
                "pooled": plan.form, "accuracy_test": 0.8, "accuracy_train": 0.9, "penalty": 0.01,
                "distance": 0.01, "gradient_norm": 0.0, "n_test": plan.n_test, "n_labels": C,
                "majority_share": 1 / C,
            }  # fmt: skip
            group.attrs.update(attributes[site])
            field = snp.field(means, weights)
            columns, clusters, null = snp.describe(field, THETA, 2, 0)
            group = matrices.create_group(site)
            field.save(group)
            storage.put(group, "clusters", clusters.astype(np.int16))
            frame = pd.DataFrame(columns)
            frame.insert(0, "tap", f"{name}.{site}")
            rows.append(frame)
            nulls.append(pd.DataFrame(null).assign(site=site))
            _extremes(extremes.create_group(site), plan, random)
            if site == "heads":
                _heads(folder / "heads" / f"{name}.csv", plan, block, field, clusters >= 0, random)
    storage.write_csv(folder / "snp" / f"{name}.csv", pd.concat(rows))
    layers = tables.layer_rows(pd.concat(rows), pd.concat(nulls), attributes, parts)
    return [
        {"block": block, "headline": row["site"] in ("proj", "ff", "out"), **row} for row in layers
    ]


def planted(n_labels, n_nodes, form, random):
    """(C, R, D): each node large at a few labels, small elsewhere."""
    positions = 4 if form == "grid" else 1
    values = random.normal(0, 0.15, (n_labels, positions, n_nodes))
    for node in range(n_nodes):
        known = random.choice(n_labels, min(n_labels, 1 + node % 4), replace=False)
        values[known, :, node] += random.uniform(0.6, 1, (len(known), 1))
    return values.astype("f4")


def _extremes(group, plan, random):
    for name in (f"{plan.form}/highest", f"{plan.form}/middle", f"{plan.form}/lowest", "token"):
        index = np.stack([random.permutation(plan.n_test)[:K] for _ in range(plan.width)])
        storage.put(group, f"{name}/index", index)
        values = -np.sort(-random.normal(size=index.shape))
        storage.put(group, f"{name}/value", values.astype("f4"))
    storage.put(group, "token/position", np.zeros(index.shape, np.int64))


def _heads(path, plan, block, field, diagonal, random):
    shape = (plan.heads, len(plan.names))
    names = [f"{what}_{kind}" for what in ("restricted", "drop") for kind in ("auc", "accuracy")]
    measured = {name: random.uniform(0.4, 0.9, shape) for name in names}
    diagonals = {"train": diagonal, "test": diagonal}
    rows = heads.report(field.matrices(), diagonals, "test", measured, THETA, 100, 0)
    rows.insert(0, "block", block)
    rows.insert(3, "label_name", [plan.names[label] for label in rows.label])
    storage.write_csv(path, rows)


def _sweep(seed, random):
    rows = []
    for method, cost in (("andc", 0.02), ("random", 0.3), ("magnitude", 0.05)):
        for scope in ("all", "block0", "classifier"):
            for target in (0.0, 0.3, 0.6, 0.9):
                loss = cost * target**2 + random.uniform(0, 0.01)
                rows.append({
                    "seed": seed, "method": method, "scope": scope, "target": target,
                    "threshold": target, "dilution": target * random.uniform(0.98, 1.02),
                    "accuracy_dense": 0.95, "accuracy_pruned": 0.95 - 2 * loss,
                    "accuracy_tuned": 0.95 - loss if scope == "all" else np.nan, "margin": 0.5,
                })  # fmt: skip
    return pd.DataFrame(rows)
