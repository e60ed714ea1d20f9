"""RandAugment (arXiv 1909.13719) on a batch, with the operations and strengths of timm's `inc1`.

Images are float (n, channels, height, width) in [0, 1]; a level is (n, 1, 1, 1) in [-1, 1], the
magnitude over 10 with a random sign.
"""

import math

import torch
import torch.nn.functional as F

GREY = (0.299, 0.587, 0.114)


def pick_cubic(n, interpolation, device):
    """Which of n images are interpolated by a cubic: bool (n,). `random`: each with chance 1/2."""
    if interpolation == "random":
        return torch.rand(n, device=device) < 0.5
    return torch.full((n,), interpolation == "bicubic", device=device)


def _matrix(level, *rows):
    """(n, 2, 3), output place -> input place, in coordinates that run from -1 to 1."""
    entries = [torch.zeros_like(level) + e for row in rows for e in row]
    return torch.stack(entries, dim=1).view(-1, 2, 3)


def _rotate(level, height, width):
    angle = level * math.radians(30)
    cos, sin = torch.cos(angle), torch.sin(angle)
    flat, steep = height / width, width / height  # the coordinates' units differ
    return _matrix(level, (cos, -sin * flat, 0), (sin * steep, cos, 0))


def _shear_x(level, height, width):
    """About the upper left corner, as PIL's transformation counts."""
    slope = 0.3 * level * height / width
    return _matrix(level, (1, slope, slope), (0, 1, 0))


def _shear_y(level, height, width):
    slope = 0.3 * level * width / height
    return _matrix(level, (1, 0, 0), (slope, 1, slope))


def _translate_x(level, height, width):
    return _matrix(level, (1, 0, 0.9 * level), (0, 1, 0))


def _translate_y(level, height, width):
    return _matrix(level, (1, 0, 0), (0, 1, 0.9 * level))


def transform(images, matrix, fill, cubic):
    """Each image at the places its matrix points to; `fill` where they lie outside it.

    matrix: (n, 2, 3). cubic: bool (n,). fill: (1, channels, 1, 1).
    """
    grid = F.affine_grid(matrix, images.shape, align_corners=False)
    out = torch.empty_like(images)
    for mode, chosen in (("bicubic", cubic), ("bilinear", ~cubic)):
        index = chosen.nonzero().view(-1)
        if len(index):
            out[index] = F.grid_sample(
                images[index], grid[index], mode=mode, padding_mode="border", align_corners=False
            ).clamp(0, 1)
    inside = ((grid >= -1) & (grid < 1)).all(3)[:, None]
    return torch.where(inside, out, fill)


def _levels(images):
    """In units of an 8-bit level, whole numbers exact."""
    values = images * 255
    whole = values.round()
    return torch.where((values - whole).abs() < 1e-3, whole, values)


def _grey(images):
    """The luminance of three channels; the mean of any other number."""
    if images.shape[1] != len(GREY):
        return images.mean(1, keepdim=True)
    weights = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _blend(images, other, level):
    return (other + (1 + 0.9 * level) * (images - other)).clamp(0, 1)


def _colour(images, level):
    return _blend(images, _grey(images), level)


def _contrast(images, level):
    return _blend(images, _grey(images).mean((1, 2, 3), keepdim=True), level)


def _brightness(images, level):
    return _blend(images, torch.zeros_like(images), level)


def _sharpness(images, level):
    """The outermost pixels stay as they are: PIL's filter does not reach them."""
    if min(images.shape[2:]) < 3:
        return images
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 3, 3)
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, kernel, groups=images.shape[1])
    return _blend(images, smooth, level)


def _posterize(images, level):
    bits = (4 - (level.abs() * 4).floor()).clamp(min=1)
    step = 2 ** (8 - bits)
    return torch.floor(_levels(images) / step) * step / 255


def _solarize(images, level):
    return torch.where(_levels(images) >= 256 - (level.abs() * 256).floor(), 1 - images, images)


def _solarize_add(images, level):
    brighter = (images + (level.abs() * 110).floor() / 255).clamp(max=1)
    return torch.where(_levels(images) < 128, brighter, images)


def _invert(images, level):
    return 1 - images


def _autocontrast(images, level):
    low = images.amin((2, 3), keepdim=True)
    span = images.amax((2, 3), keepdim=True) - low
    return torch.where(span > 0, (images - low) / span.clamp(min=1e-6), images)


def _equalize(images, level):
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


COLOUR = {
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
    "Invert": _invert,
    "PosterizeIncreasing": _posterize,
    "SolarizeIncreasing": _solarize,
    "SolarizeAdd": _solarize_add,
    "ColorIncreasing": _colour,
    "ContrastIncreasing": _contrast,
    "BrightnessIncreasing": _brightness,
    "SharpnessIncreasing": _sharpness,
}
GEOMETRY = {
    "Rotate": _rotate,
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateXRel": _translate_x,
    "TranslateYRel": _translate_y,
}
OPERATIONS = (*COLOUR, *GEOMETRY)


def apply(name, images, level, fill, cubic):
    """One operation, by timm's name, on images with a level each. cubic: bool (n,)."""
    if name in COLOUR:
        return COLOUR[name](images, level)
    return transform(images, GEOMETRY[name](level.view(-1), *images.shape[2:]), fill, cubic)


def rand_augment(
    images, magnitude, fill, interpolation="bilinear", layers=2, probability=0.5, spread=0.5
):
    """RandAugment in the form `rand-m{magnitude}-mstd0.5-inc1`.

    Twice per image, with probability 1/2: one of 15 operations, its strength drawn normally about
    magnitude / 10, its sign at random. fill: (1, channels, 1, 1), the colour of uncovered pixels.
    """
    n, device = len(images), images.device
    for _ in range(layers):
        choice = torch.randint(len(OPERATIONS), (n,), device=device)
        level = torch.empty(n, 1, 1, 1, device=device).normal_(magnitude, spread).clamp(0, 10) / 10
        level = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, -level, level)
        cubic = pick_cubic(n, interpolation, device)
        choice[torch.rand(n, device=device) >= probability] = -1
        images = images.clone()
        for k, name in enumerate(OPERATIONS):
            chosen = (choice == k).nonzero().view(-1)
            if len(chosen):
                images[chosen] = apply(name, images[chosen], level[chosen], fill, cubic[chosen])
    return images
