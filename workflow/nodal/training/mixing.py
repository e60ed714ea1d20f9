"""Mixup and cutmix: two images and their label distributions become one."""

import torch


def mix(images, targets, settings):
    """Mixup (arXiv 1710.09412) or, with probability `mix_switch`, cutmix (arXiv 1905.04899).

    images: (B, channels, H, W). targets: (B, C) label distributions, mixed by the images' shares.
    settings: mixup and cutmix, their Beta parameters, 0 for none; mix_switch; mix: with `batch`
    one kind, one share and one box for the whole batch, as published, image i with image B-1-i;
    with `image` a draw for each image, and a random partner.
    """
    mixup, cutmix, per_batch = settings["mixup"], settings["cutmix"], settings["mix"] == "batch"
    if not mixup and not cutmix:
        return images, targets
    draws = 1 if per_batch else len(images)
    device = images.device
    if per_batch:
        partner = torch.arange(len(images) - 1, -1, -1, device=device)
    else:
        partner = torch.randperm(len(images), device=device)
    switch = settings["mix_switch"] if mixup and cutmix else float(bool(cutmix))
    use_cutmix = torch.rand(draws, 1, 1, 1, device=device) < switch
    share = torch.where(use_cutmix, _beta(draws, cutmix, device), _beta(draws, mixup, device))
    centre = torch.rand(2, draws, 1, 1, 1, device=device)
    box = cut_box(images.shape[2:], share, centre)
    exact = 1 - box.float().mean((2, 3), keepdim=True)
    other = images[partner]
    mixed = torch.where(
        use_cutmix, torch.where(box, other, images), share * images + (1 - share) * other
    )
    share = torch.where(use_cutmix, exact, share).view(-1, 1)
    return mixed, share * targets + (1 - share) * targets[partner]


def cut_box(size, share, centre):
    """Boolean (n, 1, H, W): the part of an image that another's takes, clipped at the edges.

    size: (H, W). share: (n, 1, 1, 1), of the image that stays were nothing clipped. centre: (2, n,
    1, 1, 1) in [0, 1), row and column of the box's centre, anywhere in the image.
    """
    inside = []
    for axis, (length, middle) in enumerate(zip(size, centre, strict=True)):
        side = torch.floor(length * torch.sqrt(1 - share))
        start = torch.floor(middle * length) - torch.floor(side / 2)
        pixel = torch.arange(length, device=share.device)
        pixel = pixel[:, None] if axis == 0 else pixel
        inside.append((pixel >= start) & (pixel < start + side))
    return inside[0] & inside[1]


def _beta(n, alpha, device):
    """n draws of Beta(alpha, alpha), (n, 1, 1, 1)."""
    shape = torch.full((n, 1, 1, 1), float(alpha or 1), device=device)
    a, b = torch._standard_gamma(shape), torch._standard_gamma(shape)
    return a / (a + b).clamp(min=1e-12)
