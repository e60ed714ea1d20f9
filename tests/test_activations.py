"""The dump against a forward pass by hand."""

import h5py
import numpy as np
import pytest
import torch
from nodal import activations, datasets, models, pooling, snp, taps, training
from nodal.errors import NodalError

SETTINGS = {"sites": ["hidden", "heads"], "batch_size": 100}


def run(model, task, folder, forms, **changes):
    """Dump into a folder; returns {block: file} of activations."""
    targets = activations.Targets(
        {f"block{b}": folder / f"block{b}.h5" for b in range(2)},
        {f"block{b}": folder / f"extremes{b}.h5" for b in range(2)},
        folder / "logits.h5",
    )
    activations.dump(model, task, forms, {**SETTINGS, **changes}, "fp32", targets, {"seed": 0})
    return targets.activations


@pytest.fixture(scope="module")
def trained(digits):
    torch.manual_seed(0)
    task = training.Task.from_dataset(digits[1])
    config = {"name": "cct", "width": 8, "depth": 2, "heads": 2}
    return models.build(config, 10, digits[1].inputs).eval(), task


@pytest.fixture(scope="module")
def queries():
    generator = torch.Generator().manual_seed(0)
    return {
        f"block{b}.{site}": (torch.randn(8, generator=generator), torch.ones(8))
        for b in range(2)
        for site in ("hidden", "heads")
    }


@pytest.fixture(scope="module")
def dumped(trained, queries, tmp_path_factory):
    folders = {form: tmp_path_factory.mktemp(form) for form in ("sequence", "grid")}
    run(*trained, folders["sequence"], pooling.Sequence(queries))
    run(*trained, folders["grid"], pooling.Grid(2))
    return folders


@pytest.fixture(scope="module")
def captured(trained):
    """{split: every tap's tokens}, from one pass without batches."""
    model, task = trained
    with torch.no_grad(), taps.capture(model) as found:
        model(task.prepared(task.train_inputs))
        train = dict(found)
        logits = model(task.prepared(task.test_inputs))
        return {"train": train, "test": dict(found), "logits": logits}


@pytest.mark.parametrize("form", ["sequence", "grid"])
def test_a_streamed_dump_is_the_same_to_the_byte(digits, trained, queries, dumped, tmp_path, form):
    forms = pooling.Sequence(queries) if form == "sequence" else pooling.Grid(2)
    with datasets.opened(digits[0]) as dataset:
        run(trained[0], training.Task.streamed(dataset), tmp_path, forms)
    for path in dumped[form].glob("*.h5"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_dump_holds_what_the_model_computes(trained, queries, dumped, captured):
    tokens = captured["test"]["block1.hidden"]
    with h5py.File(dumped["grid"] / "block1.h5") as file:
        assert set(file) == {"hidden", "heads", "labels"}
        expected = pooling.grid_pool(taps.Tokens(tokens, (4, 4)), 2)
        assert file["hidden/grid/test"].dtype == np.float16
        stored = activations.read(file["hidden/grid"], "test")[:]
        np.testing.assert_allclose(stored, expected, atol=2e-3)
        np.testing.assert_array_equal(file["labels/test"][:], trained[1].test_labels)
        rms = captured["train"]["block1.hidden"].square().mean((0, 1)).sqrt()
        np.testing.assert_allclose(file["hidden/rms"][:], rms, rtol=1e-4)
    with h5py.File(dumped["sequence"] / "block1.h5") as file:
        assert file["hidden/mean/test"].dtype == np.float32
        np.testing.assert_allclose(file["hidden/mean/test"][:, 0], tokens.mean(1), atol=1e-5)
        expected = pooling.sequence_pool(tokens, *queries["block1.hidden"])
        np.testing.assert_allclose(file["hidden/sequence/test"][:, 0], expected, atol=1e-5)


def test_batch_size_changes_nothing_beyond_rounding(trained, queries, dumped, tmp_path):
    run(*trained, tmp_path, pooling.Sequence(queries), batch_size=333)
    with (
        h5py.File(tmp_path / "block1.h5") as one,
        h5py.File(dumped["sequence"] / "block1.h5") as two,
    ):
        for name in ("heads/sequence/test", "heads/mean/class_means/train", "heads/rms"):
            np.testing.assert_allclose(one[name][:], two[name][:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["sequence", "mean", "grid"])
def test_streamed_class_means_are_those_of_the_dump(dumped, form):
    with h5py.File(dumped["grid" if form == "grid" else "sequence"] / "block0.h5") as file:
        group = file[f"heads/{form}"]
        for split in ("train", "test"):
            a = activations.read(group, split)[:].astype(np.float64)
            y = file[f"labels/{split}"][:]
            expected = np.stack([a[y == c].mean(0) for c in range(10)])
            found = group[f"class_means/{split}"][:]
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(snp.class_means(a, y, 10), expected, rtol=1e-5, atol=1e-6)


def test_logits_are_the_networks_own(trained, dumped, captured):
    with h5py.File(dumped["grid"] / "logits.h5") as file:
        np.testing.assert_allclose(file["logits"][:], captured["logits"], atol=1e-5)
        np.testing.assert_array_equal(file["labels"][:], trained[1].test_labels)


def test_extremes_are_the_ends_and_the_middle_of_each_nodes_range(dumped, captured):
    tokens = captured["test"]["block1.heads"]
    with h5py.File(dumped["sequence"] / "extremes1.h5") as file:
        pooled = tokens.mean(1).numpy()
        for n in range(8):
            order = np.argsort(pooled[:, n])
            found = {k: file[f"heads/mean/{k}/index"][n] for k in ("highest", "middle", "lowest")}
            np.testing.assert_array_equal(found["highest"], order[::-1][:8])
            np.testing.assert_array_equal(found["lowest"], order[:8])
            rank = np.argsort(order)[found["middle"]]
            assert np.abs(rank - 224.5).max() < 9
        value, index, position = (
            file[f"heads/token/{k}"][:] for k in ("value", "index", "position")
        )
        largest = tokens.amax(1).sort(0, descending=True).values[:8].T
        np.testing.assert_allclose(value, largest, atol=1e-5)
        at = tokens.numpy()[index, position, np.arange(8)[:, None]]
        np.testing.assert_allclose(at, value, atol=1e-5)


class Small(torch.nn.Module):
    """Activations far from one, as float16 alone could not hold them."""

    def __call__(self, tap, tokens):
        return {"grid": pooling.grid_pool(tokens, 2) * self.scale}


def test_extremes_of_some_nodes_at_a_time_are_the_same(
    trained, queries, dumped, tmp_path, monkeypatch
):
    monkeypatch.setattr(activations, "SORTED", 1000)
    for form, forms in (("sequence", pooling.Sequence(queries)), ("grid", pooling.Grid(2))):
        run(*trained, tmp_path / form, forms)
        for name in ("extremes0.h5", "extremes1.h5"):
            assert (tmp_path / form / name).read_bytes() == (dumped[form] / name).read_bytes()


def test_a_value_beyond_16_bits_of_the_first_inputs_scale_is_said(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(activations, "WAITING", 0)

    def late(tap, tokens):
        """As in data that stand by label, a filter that the first labels leave all but dead."""
        pooled = pooling.grid_pool(tokens, 2)
        return {"grid": pooled * (1 if len(pooled) < 100 else 1e-6)}

    said = r"grid: an activation is 65,504 times .* activations\.batch_size"
    with pytest.raises(NodalError, match=said):
        run(*trained, tmp_path, late)


def test_activations_that_are_not_numbers_are_not_called_large(trained, tmp_path):
    def broken(tap, tokens):
        return {"grid": pooling.grid_pool(tokens, 2) * torch.nan}

    with pytest.raises(NodalError, match=r"grid: activations that are not finite; did training di"):
        run(*trained, tmp_path, broken)


@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_activations_of_any_scale_are_held(trained, dumped, tmp_path, scale):
    forms = Small()
    forms.scale = scale
    run(*trained, tmp_path, forms)
    with h5py.File(tmp_path / "block1.h5") as one, h5py.File(dumped["grid"] / "block1.h5") as two:
        found = activations.read(one["heads/grid"], "test")[:] / scale
        expected = activations.read(two["heads/grid"], "test")[:]
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("form", "waiting", "rows"),
    [("sequence", 0, 100), ("sequence", 5000, 700), ("grid", 0, 100), ("grid", 5000, 200)],
)
def test_what_waits_to_be_written_changes_nothing(
    trained, queries, dumped, form, waiting, rows, tmp_path, monkeypatch
):
    monkeypatch.setattr(activations, "WAITING", waiting)
    forms = {"sequence": pooling.Sequence(queries), "grid": pooling.Grid(2)}
    run(*trained, tmp_path, forms[form])
    with (
        h5py.File(tmp_path / "block1.h5") as often,
        h5py.File(dumped[form] / "block1.h5") as once,
    ):
        found, expected = often[f"hidden/{form}"], once[f"hidden/{form}"]
        assert found["train"].chunks[0] == rows  # inputs that were written at once
        for split in ("train", "test"):
            pairs = [(activations.read(group, split)[:] for group in (found, expected))]
            pairs.append(group[f"class_means/{split}"][:] for group in (found, expected))
            for one, other in pairs:
                np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4)
