"""Augmentation against its definitions and against torchvision's and timm's own."""

import math

import pytest
import torch
from nodal import training
from nodal.training import augment
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as theirs


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(64, 3, 16, 16)


def test_shift_moves_each_image_by_its_own_offset(images):
    shifted = augment.shift(images, 4)
    padded = torch.nn.functional.pad(images, [4] * 4, mode="reflect")
    offsets = set()
    for image, source in zip(shifted, padded, strict=True):
        found = [(i, j) for i in range(9) for j in range(9)
                 if torch.equal(image, source[:, i : i + 16, j : j + 16])]  # fmt: skip
        assert len(found) == 1
        offsets.add(found[0])
    assert len(offsets) > 20


def test_flip_mirrors_about_half_of_the_images(images):
    flipped = augment.flip(images)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, images, strict=True)]
    untouched = [torch.equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, untouched, strict=True))
    assert 16 < sum(mirrored) < 48


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_a_resized_crop_is_torchvisions(mode):
    torch.manual_seed(0)
    images = torch.rand(4, 3, 12, 20)
    boxes = [(0, 0, 12, 20), (2, 5, 9, 14), (1, 0, 11, 20), (3, 6, 5, 6)]
    places = torch.tensor(boxes, dtype=torch.float).T.reshape(4, 4, 1, 1, 1)
    cubic = torch.full((4,), mode == "bicubic")
    found = augment.resized_crop(images, *places, cubic)
    for image, result, box in zip(images, found, boxes, strict=True):
        expected = theirs.resized_crop(
            image, *box, (12, 20), getattr(InterpolationMode, mode.upper()), antialias=True
        )
        torch.testing.assert_close(result, expected.clamp(0, 1), atol=1e-5, rtol=0)


def rectangles(draw):
    """Top, left, height and width of every box that `draw` makes of images of ones."""
    found = []
    for image in draw:
        rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
        found.append((len(rows), len(columns), rows[0].item(), columns[0].item()))
    return torch.tensor(found, dtype=torch.float).T


def same_quantiles(ours, theirs, tolerance):
    """Two samples of a quantity have the same distribution, by their quantiles."""
    at = torch.linspace(0.05, 0.95, 10)
    torch.testing.assert_close(
        torch.quantile(ours, at), torch.quantile(theirs, at), atol=tolerance, rtol=0
    )


@pytest.mark.parametrize("size", [(32, 32), (16, 40)])
def test_crops_are_drawn_as_timm_draws_them(monkeypatch, size):
    timm = pytest.importorskip("timm.data.transforms")
    from PIL import Image

    torch.manual_seed(0)
    drawn = []
    monkeypatch.setattr(
        augment, "resized_crop", lambda images, *box: drawn.append(torch.stack(box[:4]))
    )
    augment.crop(torch.zeros(1500, 1, *size), 0.8, "random")
    ours = drawn[0].view(4, -1)
    blank = Image.new("L", size[::-1])
    draw = timm.RandomResizedCropAndInterpolation.get_params
    reference = torch.tensor([draw(blank, (0.8, 1), (3 / 4, 4 / 3)) for _ in range(1500)]).T
    for a, b in zip(ours, reference.float(), strict=True):
        same_quantiles(a, b, 1.1)
    assert (ours[0] + ours[2] <= size[0]).all()
    assert (ours[1] + ours[3] <= size[1]).all()


def test_erasing_is_drawn_as_timm_draws_it():
    timm = pytest.importorskip("timm.data.random_erasing")
    torch.manual_seed(0)
    ones = torch.full((1500, 1, 24, 24), 7.0)
    ours = rectangles((augment.erase(ones, 1.0) != 7)[:, 0])
    reference = timm.RandomErasing(1.0, mode="pixel", device="cpu")(ones.clone())
    for a, b in zip(ours, rectangles((reference != 7)[:, 0]), strict=True):
        same_quantiles(a, b, 1.1)
    touched = (augment.erase(ones, 0.25) != 7).flatten(1).any(1).float().mean()
    assert touched == pytest.approx(0.25, abs=0.04)
    assert torch.equal(augment.erase(ones, 0.0), ones)


def test_what_is_erased_is_noise_in_every_pixel():
    torch.manual_seed(0)
    zeros = torch.zeros(500, 3, 16, 16)
    noise = augment.erase(zeros, 1.0)
    noise = noise[noise != 0]
    assert noise.mean().abs() < 0.02
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert len(noise.unique()) > 0.99 * len(noise)


def test_targets_are_smoothed_and_images_normalised():
    images = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8)
    mean, std = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.25)
    settings = training.complete({"label_smoothing": 0.1})
    out, targets = augment.augment(images, torch.arange(5), 5, mean, std, settings)
    torch.testing.assert_close(targets, 0.9 * torch.eye(5) + 0.02)
    torch.testing.assert_close(out, (images.float() / 255 - 0.5) / 0.25)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_whole_recipe_on_any_number_of_channels(channels):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (32, channels, 8, 12), dtype=torch.uint8)
    settings = training.complete(
        {"crop": 0.8, "interpolation": "random", "flip": True, "shift": 1, "randaugment": 9,
         "erasing": 0.25, "mixup": 0.8, "cutmix": 1.0, "mix": "batch"}
    )  # fmt: skip
    moments = torch.full((2, 1, channels, 1, 1), 0.5)
    out, targets = augment.augment(images, torch.arange(32) % 4, 4, *moments, settings)
    assert out.shape == images.shape
    assert torch.isfinite(out).all()
    torch.testing.assert_close(targets.sum(1), torch.ones(32))


def test_randaugment_interpolates_as_the_recipe_says():
    images = torch.randint(0, 256, (64, 3, 12, 12), dtype=torch.uint8)
    moments, found = torch.full((2, 1, 3, 1, 1), 0.5), {}
    for way in ("bilinear", "bicubic"):
        settings = training.complete({"randaugment": 9, "interpolation": way})
        torch.manual_seed(0)
        found[way], _ = augment.augment(images, torch.arange(64) % 4, 4, *moments, settings)
    assert not torch.equal(found["bilinear"], found["bicubic"])


def test_ratios_of_crops_are_symmetric_on_a_logarithmic_scale():
    assert math.log(augment.RATIO[0]) == pytest.approx(-math.log(augment.RATIO[1]))
