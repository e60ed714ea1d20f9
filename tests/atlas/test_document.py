"""The document says what the artifacts say: compared with slow readings of the same files."""

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import artifacts
import h5py
import nodal.atlas
import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from nodal import datasets, pooling, pruning, snp, training
from nodal.atlas import document, fields, inputs, network
from nodal.atlas.arrays import decode
from nodal.taps import capture
from PIL import Image

SCHEMA = json.loads((Path(nodal.atlas.__file__).parent / "schema.json").read_text())


def taps_of(sources, found):
    """(block, site, tap's part, the SNP matrices in the artifact) of the first seed."""
    for name, tap in found["seeds"][0]["taps"].items():
        block, site = int(name[5]), name[7:]
        with h5py.File(sources.networks[0].matrices[block]) as file:
            yield block, site, tap, snp.read(file[site]).matrices()


@pytest.mark.parametrize("fixture", ["planted", "on_grid"])
def test_it_is_of_the_schema(fixture, request):
    found = request.getfixturevalue(fixture)[1]
    Draft202012Validator.check_schema(SCHEMA)
    errors = list(Draft202012Validator(SCHEMA).iter_errors(json.loads(json.dumps(found))))
    assert not errors, errors[0]


def test_the_labels_are_those_of_the_dataset(planted):
    sources, found = planted
    assert found["labels"] == datasets.load(sources.dataset).label_names
    assert [seed["seed"] for seed in found["seeds"]] == [3, 4]


@pytest.mark.parametrize("fixture", ["planted", "on_grid"])
def test_statistics_and_clusters_are_the_artifacts_own(fixture, request):
    sources, found = request.getfixturevalue(fixture)
    files = sources.networks[0]
    for block, site, tap, matrices in taps_of(sources, found):
        table = pd.read_csv(files.nodes[block])
        rows = table[table.tap == f"block{block}.{site}"]
        for column in ("n_clusters", "labels", "signal", "noise"):
            np.testing.assert_array_equal(decode(tap["nodes"][column]), rows[column])
        with h5py.File(files.matrices[block]) as file:
            np.testing.assert_array_equal(decode(tap["clusters"]) - 1.0, file[site]["clusters"][:])
        np.testing.assert_array_equal(decode(tap["nodes"]["largest"]), matrices.max((1, 2)))


def test_factors_give_the_matrices(planted):
    for _, _, tap, matrices in taps_of(*planted):
        part = {
            key: decode(tap["field"][key]).astype(float) for key in ("means", "weights", "scale")
        }
        rebuilt = np.einsum("n,ni,nj->nij", part["scale"], part["means"], part["weights"])
        largest = np.abs(matrices).max((1, 2), keepdims=True)
        assert np.abs((rebuilt - matrices) / largest).max() < 1e-3


def test_entries_on_a_grid_are_those_above_a_tenth(on_grid):
    for _, _, tap, matrices in taps_of(*on_grid):
        part = {k: decode(v) for k, v in tap["field"].items() if isinstance(v, dict)}
        ends = np.cumsum(part["count"])
        for node, matrix in enumerate(matrices):
            share = matrix.ravel() / matrix.max()
            expected = [k for k in range(share.size) if share[k] > 0.1]
            own = slice(ends[node] - part["count"][node], ends[node])
            np.testing.assert_array_equal(part["place"][own], expected)
            np.testing.assert_allclose(part["value"][own], share[expected], rtol=1e-3)
        assert part["held"].all()


def test_a_full_page_holds_the_nodes_of_the_largest_field_and_says_so(on_grid):
    sources, whole = on_grid
    small = document.gather(sources, room=1200)
    tap = small["seeds"][0]["taps"]["block0.proj"]
    held, largest = decode(tap["field"]["held"]) == 1, decode(tap["nodes"]["largest"])
    assert 0 < held.sum() < len(held)
    assert largest[held].min() >= largest[~held].max()
    assert any("left out" in line for line in small["left_out"])
    assert not any("left out" in line for line in whole["left_out"])


def held(sources, room):
    """{tap: what a page of this room holds of its field}, and the page's document."""
    found = document.gather(sources, room=room)
    return {name: tap["field"] for name, tap in found["seeds"][0]["taps"].items()}, found


def test_factors_that_do_not_fit_give_way_to_the_largest_entries(planted):
    sources, whole = planted
    parts, small = held(sources, 1200)
    assert {field["form"] for field in parts.values()} == {"entries"}
    size = sum(len(field[key]["data"]) for field in parts.values() for key in ("place", "value"))
    assert size < 600, "matrices have half of the room"
    assert any("left out" in line for line in small["left_out"])
    forms = [tap["field"]["form"] for tap in whole["seeds"][0]["taps"].values()]
    assert set(forms) == {"factors"}


def test_factors_stand_while_all_of_them_fit_and_the_widest_give_way_first():
    """One site is four times as wide as the others: equal shares alone would not do."""
    random = np.random.default_rng(0)
    own = {f"block0.{site}": random.normal(size=(n, 9)).astype("f4") for site, n in
           (("heads", 10), ("hidden", 40), ("ff", 10))}  # fmt: skip
    taps = {tap: snp.Factors(rows, rows[::-1].copy()) for tap, rows in own.items()}
    all_of_it = sum(fields.size(fields.factors(field)) for field in taps.values())
    for room, wide in ((all_of_it, "factors"), (all_of_it - 1, "entries")):
        parts = fields.held_fields(taps, room)
        assert list(parts) == list(taps)
        forms = {tap: part["form"] for tap, part in parts.items()}
        assert forms == {"block0.heads": "factors", "block0.hidden": wide, "block0.ff": "factors"}
        assert sum(map(fields.size, parts.values())) <= room


def test_a_page_of_both_forms_says_what_it_lacks(planted):
    """At `room` the narrower taps stand as factors and `hidden` as entries."""
    sources, _ = planted
    forms = []
    for room in range(1500, 9000, 250):
        parts, small = held(sources, room)
        forms.append({part["form"] for part in parts.values()})
        if len(forms[-1]) == 2:
            assert any("above 0.1 of a node's maximum" in line for line in small["left_out"])
            break
    assert {"factors", "entries"} in forms


@pytest.mark.parametrize(("room", "there"), [(1200, False), (5400, True)])
def test_heads_have_their_own_matrices_where_nodes_have_not(planted, room, there):
    """The sums of all nodes, those left out too; or it says that they are not there."""
    sources, _ = planted
    parts, small = held(sources, room)
    assert parts["block0.heads"]["form"] == "entries"
    for block in small["seeds"][0]["heads"]:
        if parts[f"block{block['block']}.heads"]["form"] == "factors":
            assert "matrices" not in block, "the page adds up those of the nodes"
        elif there:
            with h5py.File(sources.networks[0].matrices[block["block"]]) as file:
                matrices = snp.read(file["heads"]).matrices()
            expected = [matrices[own].sum(0) for own in (slice(4), slice(4, 8), slice(8, 12))]
            np.testing.assert_allclose(decode(block["matrices"]), expected, rtol=1e-5)
        else:
            assert block["matrices"] is None
    said = any("room for the matrices of heads" in line for line in small["left_out"])
    assert said != there


def test_neighbours_are_the_connections_that_andc_keeps(planted):
    sources, found = planted
    model, _ = training.load_model(sources.networks[0].model)
    edge = next(e for e in model.edges() if e.source == "block1.heads")
    weight = edge.weight.detach().numpy()
    known = {}
    with h5py.File(sources.networks[0].readouts[1]) as file:
        for site in ("heads", "proj"):
            means, weights = file[site]["class_means/train"][:, 0], file[site]["weights"][:, 0]
            known[site] = [
                {i for i in range(5) if m.max() > 0 and m[i, i] / m.max() > artifacts.THETA}
                for m in np.einsum("in,jn->nij", means, weights)
            ]
    (before,) = found["seeds"][0]["taps"]["block1.proj"]["before"]
    assert (before["tap"], before["of"]) == ("block1.heads", 12)
    for node in range(12):
        kept = [u for u in range(12) if known["heads"][u] & known["proj"][node]]
        kept.sort(key=lambda u: -abs(weight[node, u]))
        assert decode(before["count"])[node] == len(kept)
        first = kept[: decode(before["shown"])[node]]
        assert list(decode(before["node"])[node][: len(first)]) == first
        shown = decode(before["weight"])[node][: len(first)]
        np.testing.assert_allclose(shown, weight[node, first], rtol=1e-3)


@pytest.mark.parametrize("fixture", ["planted", "on_grid"])
def test_similar_nodes_have_the_largest_cosine(fixture, request):
    sources, found = request.getfixturevalue(fixture)
    flat, owner = [], []
    for block, site, _, matrices in taps_of(sources, found):
        flat.append(matrices.reshape(12, -1))
        owner += [f"block{block}.{site}"] * 12
    flat = np.concatenate(flat)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    names = list(found["seeds"][0]["taps"])
    for row, name in enumerate(owner):
        cosine = flat @ flat[row]
        cosine[row] = -2
        if fixture == "on_grid":
            cosine[[other != name for other in owner]] = -2
        part = found["seeds"][0]["taps"][name]["similar"]
        nearest = {key: decode(part[key])[row % 12, 0] for key in ("tap", "node", "cosine")}
        assert nearest["tap"] == names.index(owner[cosine.argmax()])
        assert nearest["node"] == cosine.argmax() % 12
        assert nearest["cosine"] == pytest.approx(cosine.max(), abs=1e-3)


def test_the_lit_tokens_add_most_beyond_the_mean(planted):
    sources, found = planted
    files = sources.networks[0]
    model, _ = training.load_model(files.model)
    task = training.Task.from_dataset(datasets.load(sources.dataset))
    with h5py.File(files.pooling) as file:
        query, scale = (torch.from_numpy(file["block1.ff"][key][:]) for key in ("query", "scale"))
    with torch.no_grad(), capture(model, ["block1.ff"], lambda _, t: t) as captured:
        model(task.prepared(task.test_inputs))
        tokens = captured["block1.ff"]
    weights = pooling.token_weights(tokens.values, query, scale)
    part = found["seeds"][0]["taps"]["block1.ff"]["inputs"]
    assert part["grid"] == list(tokens.grid)
    for name, sign in (("highest", 1), ("lowest", -1), ("token", 1)):
        index, place, level = (decode(part["lists"][name][k]) for k in ("index", "place", "level"))
        for node, rank in ((0, 0), (5, 2), (11, 7)):
            own = index[node, rank]
            each = sign * tokens.values[own, :, node] * (1 if name == "token" else weights[own])
            beyond = (each - each.mean()).clamp(min=0)
            assert place[node, rank, 0] == beyond.argmax()
            expected = (15 * beyond / beyond.max()).round()[place[node, rank].astype(int)]
            np.testing.assert_allclose(level[node, rank], expected, atol=1)


def test_pictures_come_back_as_they_were(planted):
    sources, found = planted
    shown, pixels = found["inputs"], datasets.load(sources.dataset).test.inputs
    assert shown["lossless"]
    sheet = np.asarray(Image.open(BytesIO(b64decode(shown["sheets"][0]))))
    for place, index in enumerate(decode(shown["index"])):
        row, column = divmod(place, shown["columns"])
        cell = sheet[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, 0]
        np.testing.assert_array_equal(cell, pixels[index][..., 0])


def test_the_most_wanted_inputs_come_first():
    lists = [np.array([[7, 3], [7, 2]]), np.array([[2, 7]])]
    assert list(inputs.most_wanted(lists)) == [7, 2, 3]  # 2.5, 1.5 and 0.5


def test_what_has_no_room_is_left_out_and_said(planted):
    sources, whole = planted
    small = document.gather(sources, room=60_000)
    assert len(small["seeds"]) == 1
    assert any(line.startswith("Seed 4: there was no room") for line in small["left_out"])
    assert not any(line.startswith("Seed") for line in whole["left_out"])


def test_fewer_inputs_are_listed_where_room_is_scarce():
    lists = {"block0.proj": {"highest": {"index": np.zeros((1000, 8))}}}
    assert [network.shown(lists, room) for room in (1e6, 100_000, 50_000, 10)] == [8, 4, 2, 2]


def test_confusions_count_the_test_inputs(planted):
    sources, found = planted
    with h5py.File(sources.networks[0].logits) as file:
        chosen, labels = file["logits"][:].argmax(1), file["labels"][:]
    counts = decode(found["seeds"][0]["confusions"])
    assert counts.sum() == len(labels)
    for i, j in np.ndindex(5, 5):
        assert counts[i, j] == sum((labels == i) & (chosen == j))


def test_the_head_table_is_split_by_what_it_is_about(planted):
    sources, found = planted
    table = pd.read_csv(sources.networks[0].heads[1])
    part = found["seeds"][0]["heads"][1]
    row = table[(table["head"] == 2) & (table.label == 3)].iloc[0]
    for column in ("share_test", "expert", "drop_auc"):
        assert decode(part["labels"][column])[2, 3] == pytest.approx(
            float(row[column]), nan_ok=True
        )
    assert part["heads"]["head_noise"][2] == row.head_noise
    assert part["all"]["Q"] == pytest.approx(row.Q, rel=1e-5)


def test_counts_of_connections_are_those_of_the_masks(planted):
    _, found = planted
    seed = found["seeds"][0]
    known = {
        tap: np.unpackbits(decode(part), axis=1)[:, :5].astype(bool)
        for tap, part in seed["train_diagonals"].items()
    }
    mask = pruning.andc_mask(known["block0.heads"], known["block0.proj"])
    (after,) = seed["taps"]["block0.heads"]["after"]
    np.testing.assert_array_equal(decode(after["count"]), mask.sum(0))
