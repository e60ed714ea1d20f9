"""Augmentation as batched tensor code on the device of the data: each image drawn differently.

Images are float (B, channels, height, width) in [0, 1] until they are normalised. All randomness
comes from torch's global state of that device. The operations are timm's; docs/training.md lists
where they differ.
"""

import math

import torch
import torch.nn.functional as F

from nodal.training.mixing import mix
from nodal.training.randaugment import pick_cubic, rand_augment

RATIO = (3 / 4, 4 / 3)  # of a crop's width to its height
ERASED_AREA, ERASED_RATIO = (0.02, 1 / 3), (0.3, 1 / 0.3)
ATTEMPTS = 10  # at a rectangle that fits into the image


def uniform(images, low=0.0, high=1.0):
    """One draw per image: (B, 1, 1, 1)."""
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high)


def flip(images):
    """Mirror each image left to right with probability 1/2."""
    return torch.where(uniform(images) < 0.5, images.flip(3), images)


def shift(images, pixels):
    """Move each image by up to `pixels` in both directions; the edge is filled by reflection."""
    B, _, H, W = images.shape
    pixels = min(pixels, H - 1, W - 1)
    padded = F.pad(images, [pixels] * 4, mode="reflect")
    top, left = torch.randint(0, 2 * pixels + 1, (2, B, 1), device=images.device)
    rows = (top + torch.arange(H, device=images.device))[:, None, :, None]
    columns = (left + torch.arange(W, device=images.device))[:, None, None, :]
    image = torch.arange(B, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def crop(images, smallest, interpolation):
    """Resize a random part of each image to the whole (arXiv 1409.4842).

    The part's area is `smallest` to 1 of the image's, its ratio of width to height 3/4 to 4/3.
    """
    H, W = images.shape[2:]
    height, width, fits = _rectangles(images, (smallest, 1), [1 / r for r in RATIO[::-1]])
    whole = torch.tensor([min(H, round(W / RATIO[0])), min(W, round(H * RATIO[1]))])
    whole = whole.to(images).view(2, 1, 1, 1, 1)
    top, left = _corner(images, height, width)
    middle = ((torch.tensor([H, W]).to(images).view(2, 1, 1, 1, 1) - whole) / 2).floor()
    height, width = torch.where(fits, height, whole[0]), torch.where(fits, width, whole[1])
    top, left = torch.where(fits, top, middle[0]), torch.where(fits, left, middle[1])
    return resized_crop(
        images, top, left, height, width, pick_cubic(len(images), interpolation, images.device)
    )


def resized_crop(images, top, left, height, width, cubic):
    """That part of each image, resized to the image's size as PIL does (the part is no larger).

    top, left, height, width: pixels, (B, 1, 1, 1). cubic: bool (B,), bicubic or else bilinear.
    """
    H, W = images.shape[2:]
    rows = _resampling(H, top, height, cubic)
    columns = _resampling(W, left, width, cubic)
    return (rows @ images @ columns.transpose(2, 3)).clamp(0, 1)


def _resampling(size, start, length, cubic):
    """(B, 1, size, size): the share of pixel i in pixel o when a part of the axis is enlarged."""
    pixel = torch.arange(size, device=start.device)
    place = start + (pixel[:, None] + 0.5) * length / size
    d = (pixel + 0.5 - place).abs()
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    weights = torch.where(d < 1, near, torch.where(d < 2, far, 0))
    weights = torch.where(cubic.view(-1, 1, 1, 1), weights, (1 - d).clamp(min=0))
    weights = weights * ((pixel >= start) & (pixel < start + length))
    return weights / weights.sum(3, keepdim=True)


def erase(images, probability):
    """Random erasing (arXiv 1708.04896): a rectangle of normal noise; images are normalised."""
    height, width, fits = _rectangles(images, ERASED_AREA, ERASED_RATIO, strictly=True)
    top, left = _corner(images, height, width)
    row = torch.arange(images.shape[2], device=images.device).view(1, 1, -1, 1)
    column = torch.arange(images.shape[3], device=images.device)
    box = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
    box = box & fits & (uniform(images) < probability)
    return torch.where(box, torch.randn_like(images), images)


def _rectangles(images, area, ratio, strictly=False):
    """For each image the first of ten random rectangles that fits into it.

    area: of the image's, from and to. ratio: of height to width. Returns height, width and whether
    one did fit, each (B, 1, 1, 1).
    """
    H, W = images.shape[2:]
    shape = (len(images), ATTEMPTS)
    pixels = torch.empty(shape, device=images.device).uniform_(*area) * H * W
    ratio = torch.empty(shape, device=images.device).uniform_(*map(math.log, ratio)).exp()
    height, width = (pixels * ratio).sqrt().round(), (pixels / ratio).sqrt().round()
    fits = (height <= H - strictly) & (width <= W - strictly)
    failed = (fits.cumsum(1) == 0).sum(1, keepdim=True)
    first = failed.clamp(max=ATTEMPTS - 1)
    chosen = (height.gather(1, first), width.gather(1, first), failed < ATTEMPTS)
    return (part.view(-1, 1, 1, 1) for part in chosen)


def _corner(images, height, width):
    """Top and left of rectangles of those sizes, anywhere within the image."""
    H, W = images.shape[2:]
    top = torch.floor(uniform(images) * (H - height + 1))
    left = torch.floor(uniform(images) * (W - width + 1))
    return top, left


def augment(images, labels, n_classes, mean, std, settings):
    """uint8 (B, channels, H, W) and labels (B,) -> normalised images and label distributions.

    settings: the train section, of which crop, interpolation, flip, shift, randaugment, erasing,
    mixup, cutmix, mix, mix_switch and label_smoothing count. mean, std: (1, channels, 1, 1),
    fractions of full scale.
    """
    images = images.float() / 255
    if settings["crop"] < 1:
        images = crop(images, settings["crop"], settings["interpolation"])
    if settings["flip"]:
        images = flip(images)
    if settings["shift"]:
        images = shift(images, settings["shift"])
    if settings["randaugment"]:
        images = rand_augment(images, settings["randaugment"], mean, settings["interpolation"])
    images = (images - mean) / std
    if settings["erasing"]:
        images = erase(images, settings["erasing"])
    targets = smoothed(labels, n_classes, settings["label_smoothing"])
    return mix(images, targets, settings)


def smoothed(labels, n_classes, smoothing):
    """labels (B,) -> distributions (B, C): a share `smoothing` of each spread over all labels."""
    targets = torch.full((len(labels), n_classes), smoothing / n_classes, device=labels.device)
    return targets.scatter_add_(1, labels[:, None], torch.full_like(targets[:, :1], 1 - smoothing))
