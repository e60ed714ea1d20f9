"""What a stage takes from the one before it, by its definition: real artifacts, the slow way.

The library's parts are held against their definitions elsewhere. These are the lines that connect
them: which split, which form, which sign, whose weights.
"""

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from nodal.datasets import SOURCES

pytestmark = pytest.mark.end_to_end

SEED = "results/small/seed0"
THETA = 0.3


@pytest.fixture(scope="module")
def dumped(small, tmp_path_factory):
    """A folder of the experiment with its activations, which a run removes."""
    run = small.copied(tmp_path_factory.mktemp("dumped"))
    done = run.run(*(f"{SEED}/activations/block{block}.h5" for block in (0, 1)))
    assert done.returncode == 0, done.stdout
    return run.folder / SEED


def means_of(dump, site, form, split):
    """The mean activation of every label, (C, R, D)."""
    group = dump[site][form]
    values = group[split][:].astype(float) * (group["scale"][:] if "scale" in group else 1)
    labels = dump[f"labels/{split}"][:]
    return np.stack([values[labels == label].mean(0) for label in np.unique(labels)])


def matrices_of(means, weights):
    """S_n[i, j] = sum_r W[j, r, n] M[i, r, n]: (D, C, C)."""
    return np.einsum("jrn,irn->nij", weights.astype(float), means)


def recognised(matrices):
    """(D, C): the labels of each node's diagonal above theta of its largest entry."""
    top = matrices.max((1, 2), keepdims=True)
    return np.einsum("nii->ni", matrices / top) > THETA


@pytest.mark.parametrize("block", [0, 1])
def test_class_means_are_those_of_the_form_and_split_they_are_named_by(dumped, block):
    with (
        h5py.File(dumped / f"activations/block{block}.h5") as dump,
        h5py.File(dumped / f"readout/block{block}.h5") as readouts,
    ):
        assert {"proj", "ff", "out", "heads"} <= set(readouts)
        for site in readouts:
            form = readouts[site].attrs["pooled"].decode()
            for split in ("train", "test"):
                found = readouts[f"{site}/class_means/{split}"][:]
                np.testing.assert_allclose(
                    found, means_of(dump, site, form, split), rtol=1e-3, atol=1e-4, err_msg=site
                )
                others = [(f, s) for f in ("sequence", "mean") for s in ("train", "test")]
                others.remove((form, split))
                alike = [
                    other for other in others
                    if np.allclose(found, means_of(dump, site, *other), rtol=1e-3, atol=1e-4)
                ]  # fmt: skip
                assert not alike, "forms and splits can be told apart"


@pytest.mark.parametrize("split", ["test", "train"])
def test_snp_matrices_are_of_the_split_that_is_asked_for(small, tmp_path, split):
    run = small.copied(tmp_path)
    run.write(snp={"split": split})
    config = "experiments={small: {snp: {split: " + split + "}}}"
    done = run.run(f"{SEED}/snp/block1.h5", options=["--config", config])
    assert done.returncode == 0, done.stdout
    with (
        h5py.File(tmp_path / SEED / "readout/block1.h5") as readouts,
        h5py.File(tmp_path / SEED / "snp/block1.h5") as file,
    ):
        for site in ("proj", "out"):
            weights = readouts[f"{site}/weights"][:]
            of = {
                s: recognised(matrices_of(readouts[f"{site}/class_means/{s}"][:], weights))
                for s in ("train", "test")
            }
            found = file[f"{site}/clusters"][:] >= 0
            assert (found == of[split]).mean() > 0.999
            assert (of["train"] != of["test"]).any(), "the two splits can be told apart"


@pytest.mark.parametrize("block", [0, 1])
def test_experts_are_of_the_training_split_and_shares_of_their_own(dumped, block):
    rows = pd.read_csv(dumped / f"heads/block{block}.csv")
    with h5py.File(dumped / f"readout/block{block}.h5") as readouts:
        weights = readouts["heads/weights"][:]
        counts = {}
        for split in ("train", "test"):
            means = readouts[f"heads/class_means/{split}"][:]
            diagonal = recognised(matrices_of(means, weights))
            counts[split] = diagonal.reshape(2, -1, diagonal.shape[1]).sum(1)
            found = rows.pivot(index="head", columns="label", values=f"count_{split}").to_numpy()
            np.testing.assert_array_equal(found, counts[split])
    assert (counts["train"] != counts["test"]).any(), "the two splits can be told apart"
    experts = rows.pivot(index="head", columns="label", values="expert").to_numpy()
    for label in np.flatnonzero(counts["train"].sum(0)):
        own = counts["train"][:, label]
        assert own[experts[:, label]] == own.max()


@pytest.mark.parametrize("block", [0, 1])
def test_what_is_lost_is_what_the_whole_network_has_and_the_silenced_has_not(dumped, block):
    rows = pd.read_csv(dumped / f"heads/block{block}.csv").set_index(["head", "label"])
    silenced = pd.read_csv(dumped / "heads/silencing.csv")
    silenced = silenced[silenced.block == block].set_index(["head", "label"])
    for kind in ("auc", "accuracy"):
        expected = silenced[f"{kind}_dense"] - silenced[f"{kind}_silenced"]
        found = rows[f"drop_{kind}"].loc[expected.index]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert expected.abs().max() > 0.001


def test_sensitivity_at_the_run_s_own_theta_and_order_is_the_table_of_layers(small, tmp_path):
    run = small.copied(tmp_path)
    done = run.run("results/small/tables/sensitivity.csv")
    assert done.returncode == 0, done.stdout
    layers = pd.read_csv(tmp_path / "results/small/tables/layers.csv")
    layers = layers[layers.headline].set_index(["block", "site"])
    table = pd.read_csv(tmp_path / "results/small/tables/sensitivity.csv")
    theta = table[(table.order == -1) & (table.theta == THETA)].set_index(["block", "site"])
    ascending = table[table.order == 0].set_index(["block", "site"])
    assert len(theta) == len(ascending) == len(layers) == 6
    for column in ("signal_share", "clusters", "noise"):
        for found in (theta, ascending):
            np.testing.assert_allclose(found[column].loc[layers.index], layers[column], rtol=1e-5)
    drawn = table[table.order > 0].groupby(["block", "site"]).labels
    np.testing.assert_allclose(drawn.min().loc[layers.index], layers.labels, rtol=1e-5)
    np.testing.assert_allclose(drawn.max().loc[layers.index], layers.labels, rtol=1e-5)


@pytest.fixture
def server(tmp_path_factory):
    """An HTTP server of a folder: (address, folder)."""
    folder = tmp_path_factory.mktemp("served")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}", folder
    served.shutdown()
    served.server_close()


def test_weights_of_an_address_are_those_that_are_measured(small, tmp_path, server):
    address, folder = server
    state = torch.load(small.folder / SEED / "model.pt", weights_only=True)["state_dict"]
    torch.save(state, folder / "weights.pt")
    run = small.copied(tmp_path)
    config = "experiments={small: {train: {checkpoint: '" + address + "/weights.pt'}}}"
    (tmp_path / SEED / "model.pt").unlink()
    done = run.run(f"{SEED}/model.pt", options=["--config", config])
    assert done.returncode == 0, done.stdout
    found = torch.load(tmp_path / SEED / "model.pt", weights_only=True)["state_dict"]
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("way", ["path", "mirrors"])
def test_a_file_that_is_not_the_published_one_is_refused(small, tmp_path, server, way):
    address, folder = server
    ((name, published),) = SOURCES["cifar100"].files.items()
    (folder / name).write_bytes(b"other")
    where = {"path": folder, "mirrors": f"['{address}']"}[way]
    config = "datasets={cifar100: {" + f"{way}: {where}" + "}}"
    run = type(small)(tmp_path)
    done = run.run("results/data/cifar100.h5", options=["--config", config])
    assert done.returncode != 0
    assert name in done.stdout
    assert re.search(rf"has MD5 \w+, expected {published.md5}", done.stdout), done.stdout
    assert not (tmp_path / "results/data/cifar100.h5").exists()


def test_queries_of_another_network_are_refused(small, tmp_path):
    run = small.copied(tmp_path)
    with h5py.File(tmp_path / SEED / "pooling.h5", "r+") as file:
        file.attrs["network"] = "0" * 64
    done = run.run(f"{SEED}/activations/block0.h5")
    assert done.returncode != 0
    assert "pooling.h5: the queries of another network" in done.stdout, done.stdout
