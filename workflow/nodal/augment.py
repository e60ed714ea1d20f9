"""Augmentation as batched tensor code on the device of the data: each image drawn differently.

Images are float (B, channels, height, width) in [0, 1] until they are normalised. All randomness
comes from torch's global state of that device.
"""

import math

import torch
import torch.nn.functional as F

GREY = (0.299, 0.587, 0.114)


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


def _affine(images, matrix, fill):
    """matrix: (B, 2, 3), output place -> input place in [-1, 1] coordinates."""
    grid = F.affine_grid(matrix, images.shape, align_corners=False)
    return F.grid_sample(images - fill, grid, align_corners=False) + fill


def _matrix(level, *rows):
    entries = [torch.zeros_like(level) + e for row in rows for e in row]
    return torch.stack(entries, dim=1).view(-1, 2, 3)


def _rotate(images, level, fill):
    angle = level.view(-1) * math.radians(30)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return _affine(images, _matrix(angle, (cos, -sin, 0), (sin, cos, 0)), fill)


def _shear_x(images, level, fill):
    return _affine(images, _matrix(level.view(-1), (1, 0.3 * level.view(-1), 0), (0, 1, 0)), fill)


def _shear_y(images, level, fill):
    return _affine(images, _matrix(level.view(-1), (1, 0, 0), (0.3 * level.view(-1), 1, 0)), fill)


def _translate_x(images, level, fill):
    return _affine(images, _matrix(level.view(-1), (1, 0, 0.9 * level.view(-1)), (0, 1, 0)), fill)


def _translate_y(images, level, fill):
    return _affine(images, _matrix(level.view(-1), (1, 0, 0), (0, 1, 0.9 * level.view(-1))), fill)


def _grey(images):
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _blend(images, other, level):
    return (other + (1 + 0.9 * level) * (images - other)).clamp(0, 1)


def _colour(images, level, fill):
    return _blend(images, _grey(images), level)


def _contrast(images, level, fill):
    return _blend(images, _grey(images).mean((1, 2, 3), keepdim=True), level)


def _brightness(images, level, fill):
    return _blend(images, torch.zeros_like(images), level)


def _sharpness(images, level, fill):
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 3, 3)
    smooth = F.conv2d(F.pad(images, [1] * 4, mode="replicate"), kernel, groups=images.shape[1])
    return _blend(images, smooth, level)


def _posterize(images, level, fill):
    bits = 4 - (level.abs() * 4).floor()
    step = 2 ** (8 - bits)
    return torch.floor(images * 255 / step) * step / 255


def _solarize(images, level, fill):
    return torch.where(images >= 1 - level.abs(), 1 - images, images)


def _solarize_add(images, level, fill):
    return torch.where(images < 0.5, (images + level.abs() * 110 / 255).clamp(max=1), images)


def _invert(images, level, fill):
    return 1 - images


def _autocontrast(images, level, fill):
    low = images.amin((2, 3), keepdim=True)
    span = images.amax((2, 3), keepdim=True) - low
    return torch.where(span > 0, (images - low) / span.clamp(min=1e-6), images)


def _equalize(images, level, fill):
    """Histogram equalisation per image and channel, as PIL's ImageOps.equalize."""
    B, C, H, W = images.shape
    values = (images * 255).round().long().view(B * C, H * W).clamp(0, 255)
    histogram = torch.zeros(B * C, 256, device=images.device)
    histogram.scatter_add_(1, values, torch.ones_like(values, dtype=torch.float))
    last = histogram.gather(1, values.amax(1, keepdim=True))
    step = torch.floor((H * W - last) / 255)
    cumulative = histogram.cumsum(1) - histogram
    table = ((cumulative + torch.floor(step / 2)) / step.clamp(min=1)).floor().clamp(0, 255)
    equalized = (table.gather(1, values) / 255).view(B, C, H, W)
    return torch.where((step > 0).view(B, C, 1, 1), equalized, images)


OPERATIONS = (
    _autocontrast, _equalize, _invert, _rotate, _posterize, _solarize, _solarize_add, _colour,
    _contrast, _brightness, _sharpness, _shear_x, _shear_y, _translate_x, _translate_y,
)  # fmt: skip


def rand_augment(images, magnitude, fill, layers=2, probability=0.5, spread=0.5):
    """RandAugment (arXiv 1909.13719) in the form `rand-m{magnitude}-mstd0.5-inc1`.

    Twice per image, with probability 1/2: one of 15 operations, its strength drawn normally about
    magnitude / 10, its sign at random. fill: (1, channels, 1, 1), the colour of uncovered pixels.
    """
    for _ in range(layers):
        choice = torch.randint(len(OPERATIONS), (len(images),), device=images.device)
        level = uniform(images)
        level = (magnitude + spread * level.normal_()).clamp(0, 10) / 10
        level = torch.where(uniform(images) < 0.5, -level, level)
        choice[uniform(images).view(-1) >= probability] = -1
        images = images.clone()
        for k, operation in enumerate(OPERATIONS):
            chosen = (choice == k).nonzero().view(-1)
            if len(chosen):
                images[chosen] = operation(images[chosen], level[chosen], fill)
    return images


def erase(images, probability):
    """Random erasing (arXiv 1708.04896): a rectangle of normal noise; images are normalised."""
    H, W = images.shape[2:]
    area = uniform(images, 0.02, 1 / 3) * H * W
    ratio = torch.exp(uniform(images, math.log(0.3), math.log(1 / 0.3)))
    height = torch.sqrt(area * ratio).round().clamp(1, H)
    width = torch.sqrt(area / ratio).round().clamp(1, W)
    box = _box(images, height, width) & (uniform(images) < probability)
    return torch.where(box, torch.randn_like(images), images)


def _box(images, height, width):
    """Boolean (B, 1, H, W): a rectangle of the given sizes (B, 1, 1, 1) at a random place."""
    H, W = images.shape[2:]
    top = torch.floor(uniform(images) * (H - height + 1))
    left = torch.floor(uniform(images) * (W - width + 1))
    row = torch.arange(H, device=images.device).view(1, 1, H, 1)
    column = torch.arange(W, device=images.device).view(1, 1, 1, W)
    return (row >= top) & (row < top + height) & (column >= left) & (column < left + width)


def mix(images, targets, mixup, cutmix, switch):
    """Mixup (arXiv 1710.09412) or, with probability `switch`, cutmix (arXiv 1905.04899).

    Pairs each image with another of the batch, with a share of its own. targets: (B, C) label
    distributions, mixed by the same shares. mixup, cutmix: their Beta parameters, 0 for none.
    """
    if not mixup and not cutmix:
        return images, targets
    partner = torch.randperm(len(images), device=images.device)
    use_cutmix = uniform(images) < (switch if mixup and cutmix else float(bool(cutmix)))
    share = torch.where(use_cutmix, _beta(images, cutmix or 1), _beta(images, mixup or 1))
    H, W = images.shape[2:]
    side = torch.sqrt(1 - share)
    box = _box(images, torch.floor(side * H), torch.floor(side * W))
    exact = 1 - box.float().mean((2, 3), keepdim=True)
    other = images[partner]
    cut = torch.where(box, other, images)
    blend = share * images + (1 - share) * other
    share = torch.where(use_cutmix, exact, share).view(-1, 1)
    mixed = torch.where(use_cutmix, cut, blend)
    return mixed, share * targets + (1 - share) * targets[partner]


def _beta(images, alpha):
    shape = torch.full((len(images), 1, 1, 1), float(alpha), device=images.device)
    a, b = torch._standard_gamma(shape), torch._standard_gamma(shape)
    return a / (a + b).clamp(min=1e-12)


def augment(images, labels, n_classes, mean, std, settings):
    """uint8 (B, channels, H, W) and labels (B,) -> normalised images and label distributions.

    settings: flip, shift, randaugment, erasing, mixup, cutmix, mix_switch and label_smoothing of
    the train section. mean, std: (1, channels, 1, 1), fractions of full scale.
    """
    images = images.float() / 255
    if settings["flip"]:
        images = flip(images)
    if settings["shift"]:
        images = shift(images, settings["shift"])
    if settings["randaugment"]:
        images = rand_augment(images, settings["randaugment"], mean)
    images = (images - mean) / std
    if settings["erasing"]:
        images = erase(images, settings["erasing"])
    smoothing = settings["label_smoothing"]
    targets = torch.full((len(labels), n_classes), smoothing / n_classes, device=images.device)
    targets.scatter_add_(1, labels[:, None], torch.full_like(targets[:, :1], 1 - smoothing))
    return mix(images, targets, settings["mixup"], settings["cutmix"], settings["mix_switch"])
