"""Mixup and cutmix: shares are those of the pixels, and the published form is timm's."""

import numpy as np
import pytest
import torch
from nodal import training
from nodal.training import mixing

BOTH = {"mixup": 0.8, "cutmix": 1.0}


@pytest.mark.parametrize("mode", ["image", "batch"])
@pytest.mark.parametrize("changes", [{"cutmix": 0}, {"mixup": 0}, {}])
def test_mixed_targets_are_the_shares_of_the_pixels(changes, mode):
    """Image i is i everywhere, so its mean after mixing says whose pixels it holds."""
    settings = training.complete({**BOTH, **changes, "mix": mode})
    values = torch.arange(32.0)
    images = values.view(-1, 1, 1, 1).expand(32, 1, 16, 16)
    for seed in range(5):
        torch.manual_seed(seed)
        mixed, targets = mixing.mix(images, torch.eye(32), settings)
        torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ values, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(targets.sum(1), torch.ones(32))
        shares = targets.diagonal()
        assert len(shares.unique()) == 1 if mode == "batch" else len(shares.unique()) > 10


def test_nothing_is_mixed_where_nothing_is_asked():
    images, targets = torch.rand(4, 1, 3, 3), torch.eye(4)
    mixed, same = mixing.mix(images, targets, training.complete({}))
    assert mixed is images
    assert same is targets


def test_the_switch_is_the_probability_of_cutmix():
    settings = training.complete({**BOTH, "mix_switch": 0.2})
    torch.manual_seed(0)
    images = torch.arange(2000.0).view(-1, 1, 1, 1).expand(2000, 1, 8, 8)
    mixed, _ = mixing.mix(images, torch.zeros(2000, 1), settings)
    blended = (mixed.amax((1, 2, 3)) - mixed.amin((1, 2, 3)) == 0) & (mixed != images)[:, 0, 0, 0]
    assert blended.float().mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("mode", ["batch", "image"])
def test_cutmix_alone_blends_no_pixel_and_mixup_alone_all(mode):
    images = torch.arange(64.0).view(-1, 1, 1, 1).expand(64, 1, 8, 8)
    for kind, whole in (("cutmix", True), ("mixup", False)):
        settings = training.complete({"mixup": 0, "cutmix": 0, kind: 0.8, "mix": mode})
        torch.manual_seed(0)
        mixed, _ = mixing.mix(images, torch.eye(64), settings)
        assert bool((mixed == mixed.round()).all()) is whole, kind


@pytest.mark.parametrize("size", [(16, 16), (9, 31)])
def test_the_box_is_timms(monkeypatch, size):
    timm = pytest.importorskip("timm.data.mixup")
    random = np.random.default_rng(0)
    for _ in range(200):
        share, row, column = random.random(3)
        share = np.float32(share)
        centres = iter((int(row * size[0]), int(column * size[1])))
        monkeypatch.setattr(np.random, "randint", lambda *_, c=centres, **__: next(c))
        top, bottom, left, right = timm.rand_bbox(size, share)
        centre = torch.tensor([row, column], dtype=torch.float).view(2, 1, 1, 1, 1)
        box = mixing.cut_box(size, torch.full((1, 1, 1, 1), float(share)), centre)[0, 0]
        expected = torch.zeros(size, dtype=torch.bool)
        expected[top:bottom, left:right] = True
        assert torch.equal(box, expected)


def test_clipped_boxes_leave_seven_tenths_of_an_image():
    """Of sides s, s^2 uniform, E[(s - s^2/4)^2] = 1/2 - 1/5 + 1/48 is cut; less of whole pixels."""
    torch.manual_seed(0)
    share, centre = torch.rand(4000, 1, 1, 1), torch.rand(2, 4000, 1, 1, 1)
    kept = 1 - mixing.cut_box((32, 32), share, centre).float().mean().item()
    assert kept == pytest.approx(0.70, abs=0.015)
    fine = 1 - mixing.cut_box((256, 256), share[:500], centre[:, :500]).float().mean().item()
    assert fine == pytest.approx(1 - (1 / 2 - 1 / 5 + 1 / 48), abs=0.03)


def test_a_batch_is_mixed_as_timm_mixes_it(monkeypatch):
    timm = pytest.importorskip("timm.data.mixup")
    settings = training.complete({"mixup": 0.8, "mix": "batch"})
    monkeypatch.setattr(mixing, "_beta", lambda *_: torch.full((1, 1, 1, 1), 0.3))
    monkeypatch.setattr(np.random, "beta", lambda *_, **__: 0.3)
    torch.manual_seed(0)
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    mixed, targets = mixing.mix(images, torch.eye(6), settings)
    reference = timm.Mixup(mixup_alpha=0.8, label_smoothing=0.0, num_classes=6)
    expected, their_targets = reference(images.clone(), labels)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(targets, their_targets)


def test_a_batch_is_cut_as_timm_cuts_it(monkeypatch):
    """The box, whose centre lies near an edge, the partner, and the share that is left."""
    timm = pytest.importorskip("timm.data.mixup")
    settings = training.complete({"cutmix": 1.0, "mix": "batch"})
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    monkeypatch.setattr(mixing, "_beta", lambda *_: torch.full((1, 1, 1, 1), 0.3))
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, 0.9))
    monkeypatch.setattr(np.random, "beta", lambda *_, **__: 0.3)
    monkeypatch.setattr(np.random, "randint", lambda *_, **__: int(0.9 * 8))
    mixed, targets = mixing.mix(images, torch.eye(6), settings)
    reference = timm.Mixup(mixup_alpha=0, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=6)
    expected, their_targets = reference(images.clone(), labels)
    assert (mixed != images).any()
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(targets, their_targets)
