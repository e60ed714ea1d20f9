"""The dump against a forward pass by hand."""

import h5py
import numpy as np
import pytest
import torch
from nodal import activations, datasets, models, snp, taps, training
from nodal.errors import NodalError


def test_pooling_is_the_mean_over_cells():
    tokens = torch.randn(2, 16, 3)
    image = tokens.view(2, 4, 4, 3)
    pooled = activations.pool(tokens, 2)
    for r, (top, left) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        cell = image[:, top : top + 2, left : left + 2].mean((1, 2))
        torch.testing.assert_close(pooled[:, r], cell)
    torch.testing.assert_close(activations.pool(tokens, 1)[:, 0], tokens.mean(1))
    assert activations.pool(tokens, 9) is tokens, "a small tap keeps its own tokens"
    odd = torch.randn(2, 49, 3)
    image = odd.transpose(1, 2).reshape(2, 3, 7, 7)
    adaptive = torch.nn.functional.adaptive_avg_pool2d(image, 2).flatten(2).transpose(1, 2)
    torch.testing.assert_close(activations.pool(odd, 2), adaptive)


def test_tokens_that_are_no_square_are_refused():
    with pytest.raises(NodalError, match=r"activations\.grid: 15 tokens"):
        activations.pool(torch.zeros(1, 15, 2), 2)


@pytest.fixture
def dumped(digits, tmp_path):
    torch.manual_seed(0)
    _, dataset = digits
    task = training.Task.from_dataset(dataset)
    config = {"name": "cct", "width": 8, "depth": 2, "heads": 2}
    model = models.build(config, 10, dataset.image_shape).eval()
    paths = {f"block{b}": tmp_path / f"block{b}.h5" for b in range(2)}
    settings = {"grid": 2, "sites": ["hidden", "heads"], "batch_size": 100}
    activations.dump(model, task, settings, "fp32", paths, {"seed": 0})
    return model, task, paths


def test_a_streamed_dump_is_the_same_to_the_byte(digits, dumped, tmp_path):
    model, _, paths = dumped
    other = {block: tmp_path / "streamed" / path.name for block, path in paths.items()}
    settings = {"grid": 2, "sites": ["hidden", "heads"], "batch_size": 100}
    with datasets.opened(digits[0]) as dataset:
        task = training.Task.streamed(dataset)
        activations.dump(model, task, settings, "fp32", other, {"seed": 0})
    for block, path in paths.items():
        assert path.read_bytes() == other[block].read_bytes()


def test_dump_holds_what_the_model_computes(dumped):
    model, task, paths = dumped
    with torch.no_grad(), taps.capture(model) as captured:
        model(task.normalise(task.test_images))
    with h5py.File(paths["block1"]) as file:
        assert set(file) == {"hidden", "heads", "labels"}
        expected = activations.pool(captured["block1.hidden"], 2)
        stored = file["hidden/test"][:]
        assert stored.dtype == np.float16
        np.testing.assert_allclose(stored, expected, atol=2e-3)
        np.testing.assert_array_equal(file["labels/test"][:], task.test_labels)
        with torch.no_grad(), taps.capture(model, ["block1.hidden"]) as captured:
            model(task.normalise(task.train_images))
        rms = captured["block1.hidden"].square().mean((0, 1)).sqrt()
        np.testing.assert_allclose(file["hidden/rms"][:], rms, rtol=1e-4)


def test_streamed_class_means_are_those_of_the_dump(dumped):
    _, _, paths = dumped
    with h5py.File(paths["block0"]) as file:
        for split in ("train", "test"):
            a, y = file[f"heads/{split}"][:].astype(np.float64), file[f"labels/{split}"][:]
            expected = np.stack([a[y == c].mean(0) for c in range(10)])
            np.testing.assert_allclose(
                file[f"heads/class_means/{split}"][:], expected, rtol=1e-5, atol=1e-6
            )
            np.testing.assert_allclose(snp.class_means(a, y, 10), expected, rtol=1e-5, atol=1e-6)
