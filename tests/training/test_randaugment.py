"""RandAugment: every operation against timm's own on PIL images, and its draws."""

import math

import numpy as np
import pytest
import torch
from nodal.training import randaugment
from PIL import Image, ImageOps

FILL = torch.tensor([125, 60, 200]) / 255
MODES = {False: Image.Resampling.BILINEAR, True: Image.Resampling.BICUBIC}


def smooth(n=4, height=14, width=22):
    """Random 8-bit images without sharp edges, (n, 3, height, width)."""
    torch.manual_seed(1)
    small = torch.rand(n, 3, 5, 7)
    images = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return (images * 255).round().to(torch.uint8)


def apply(name, images, level, cubic=False):
    n = len(images)
    levels = torch.full((n, 1, 1, 1), float(level))
    out = randaugment.apply(
        name, images.float() / 255, levels, FILL.view(1, 3, 1, 1), torch.full((n,), cubic)
    )
    return (out * 255).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize("level", [0.93, -0.93, 0.5])
@pytest.mark.parametrize("name", randaugment.OPERATIONS)
def test_an_operation_is_timms(monkeypatch, name, level, cubic):
    timm = pytest.importorskip("timm.data.auto_augment")
    if cubic and name not in randaugment.GEOMETRY:
        pytest.skip("takes no colour between pixels")
    monkeypatch.setattr(timm.random, "random", lambda: 0.9 if level < 0 else 0.1)
    hints = {"img_mean": (125, 60, 200), "interpolation": MODES[cubic], "translate_pct": 0.45}
    reference = timm.AugmentOp(name, prob=1.0, magnitude=10 * abs(level), hparams=hints)
    images = smooth()
    found = apply(name, images, level, cubic)
    for image, result in zip(images, found, strict=True):
        pil = Image.fromarray(image.permute(1, 2, 0).numpy())
        difference = np.abs(result - np.asarray(reference(pil)).astype(float))
        # PIL rounds to 8 bits on the way and has a steeper cubic; a place on the very edge of the
        # image may fall on either side of it.
        assert np.quantile(difference, 0.98) <= (6 if cubic else 2.1), name


def test_equalizing_is_pils_where_a_step_is_just_reached():
    """1,024 pixels, three of them the brightest: 1,021 others are four steps of 255, not of 256."""
    values = np.linspace(0, 200, 1024).astype(np.uint8)
    values[-3:] = 255
    images = torch.from_numpy(values.reshape(1, 1, 32, 32).repeat(3, 1))
    expected = np.asarray(ImageOps.equalize(Image.fromarray(images[0].permute(1, 2, 0).numpy())))
    assert (apply("Equalize", images, 1.0)[0].round() == expected).all()


def test_the_strongest_posterization_keeps_a_bit():
    images = smooth()
    assert (
        apply("PosterizeIncreasing", images, 1.0)
        == 128 * (images >= 128).permute(0, 2, 3, 1).numpy()
    ).all()


def test_timms_list_is_complete():
    timm = pytest.importorskip("timm.data.auto_augment")
    assert set(randaugment.OPERATIONS) == set(timm._RAND_INCREASING_TRANSFORMS)


@pytest.mark.parametrize("size", [(15, 15), (15, 45)])
def test_a_rotation_turns_by_up_to_thirty_degrees_whatever_the_proportions(size):
    """A bright spot right of the centre ends where trigonometry says."""
    height, width = size
    image = torch.zeros(1, 3, height, width)
    image[:, :, height // 2, width // 2 + 5] = 1
    level = torch.ones(1, 1, 1, 1)
    out = randaugment.apply("Rotate", image, level, torch.zeros(1, 3, 1, 1), torch.tensor([False]))
    weight = out[0, 0] / out[0, 0].sum()
    row = (weight.sum(1) * torch.arange(height)).sum() - height // 2
    column = (weight.sum(0) * torch.arange(width)).sum() - width // 2
    assert math.degrees(math.atan2(-row, column)) == pytest.approx(30, abs=3)
    assert math.hypot(row, column) == pytest.approx(5, abs=0.3)


def test_images_change_differently_and_stay_in_range():
    torch.manual_seed(0)
    same_image = torch.rand(1, 3, 16, 16).expand(64, -1, -1, -1).clone()
    out = randaugment.rand_augment(same_image, 9, torch.full((1, 3, 1, 1), 0.5), "random")
    assert out.min() >= -1e-5
    assert out.max() <= 1 + 1e-5
    assert len({image.numpy().tobytes() for image in out}) > 30


def test_operations_strengths_and_signs_are_drawn_as_published(monkeypatch):
    """Twice per image with probability 1/2; levels about 0.9, either sign; all 15 alike."""
    drawn = []

    def record(name, images, level, fill, cubic):
        drawn.extend(
            (name, value, c) for value, c in zip(level.view(-1).tolist(), cubic, strict=True)
        )
        return images

    monkeypatch.setattr(randaugment, "apply", record)
    torch.manual_seed(0)
    randaugment.rand_augment(torch.zeros(3000, 1, 2, 2), 9, torch.zeros(1, 1, 1, 1), "random")
    levels = torch.tensor([value for _, value, _ in drawn])
    assert len(drawn) == pytest.approx(3000, abs=150)
    assert (levels > 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert levels.abs().median() == pytest.approx(0.9, abs=0.01)
    assert levels[levels.abs() < 1].abs().std() < 0.06
    assert levels.abs().max() == 1
    assert np.mean([cubic for _, _, cubic in drawn]) == pytest.approx(0.5, abs=0.04)
    counts = np.unique([name for name, _, _ in drawn], return_counts=True)[1]
    assert len(counts) == 15
    assert counts.min() > 130


def test_at_magnitude_zero_nothing_is_moved(monkeypatch):
    monkeypatch.setattr(randaugment, "OPERATIONS", ("Rotate", "ShearX", "TranslateYRel"))
    images = smooth(8).float() / 255
    fill = FILL.view(1, 3, 1, 1)
    out = randaugment.rand_augment(images, 0, fill, probability=1.0, spread=0.0)
    torch.testing.assert_close(out, images, atol=1e-4, rtol=0.0)
