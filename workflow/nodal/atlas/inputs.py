"""Inputs as the page shows them: one function for each kind.

A function takes the dataset, the indices wanted of its test split (the most wanted first) and the
room in bytes, and returns what the document holds of the first of them that fit.
"""

import base64
import io

import numpy as np

from nodal.atlas.arrays import encode, size, unsigned

SIDE = 64  # pixels of a picture's longer side at most
SHEET = 16  # pictures on a side of a sheet
QUALITY = 60


def picture(pixels):
    """uint8 (H, W, channels) -> RGB picture, its longer side at most SIDE pixels.

    One channel is grey; of two, or of more than three, the first is shown.
    """
    from PIL import Image

    plain = pixels if pixels.shape[2] == 3 else pixels[..., :1].repeat(3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(plain))
    longer = max(image.size)
    if longer > SIDE:
        shape = [max(1, round(side * SIDE / longer)) for side in image.size]
        image = image.resize(shape, Image.Resampling.LANCZOS)
    return image


def sheets(pictures, lossless):
    """Pictures of one size -> sheets of SHEET x SHEET of them, WebP as base64."""
    from PIL import Image

    width, height = pictures[0].size
    encoded = []
    for start in range(0, len(pictures), SHEET**2):
        part = pictures[start : start + SHEET**2]
        sheet = Image.new("RGB", (SHEET * width, -(-len(part) // SHEET) * height))
        for i, image in enumerate(part):
            sheet.paste(image, (i % SHEET * width, i // SHEET * height))
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=QUALITY, lossless=lossless, method=4)
        encoded.append(base64.b64encode(buffer.getvalue()).decode("ascii"))
    return encoded


def images(dataset, wanted, room):
    """uint8 (N, H, W, channels) -> {"index", "width", "height", "sheets"}.

    Lossless where all fit so; else as photographs are compressed, in whole sheets while they fit.
    """
    order = np.argsort(wanted, kind="stable")
    pixels = dataset.test.inputs[wanted[order]]
    pictures = [None] * len(wanted)
    for place, array in zip(order, pixels, strict=True):
        pictures[place] = picture(array)
    small = max(pictures[0].size) < SIDE
    made, lossless = (sheets(pictures, True), True) if small else ([], False)
    if not small or sum(map(len, made)) > room:
        made, lossless = sheets(pictures, False), False
    fit = int((np.cumsum([len(sheet) for sheet in made]) <= room).sum())
    held = wanted[: fit * SHEET**2]
    return {
        "kind": "image", "index": unsigned(held), "width": pictures[0].width,
        "height": pictures[0].height, "columns": SHEET, "lossless": lossless,
        "sheets": made[:fit],
    }  # fmt: skip


def texts(dataset, wanted, room):
    """Token ids (N, T), 0 for padding -> {"index", "tokens" (n, T), "vocabulary"}.

    dataset.vocabulary: the text of each id; the page holds those that occur.
    """
    order = np.argsort(wanted, kind="stable")
    tokens = np.empty((len(wanted), dataset.test.inputs.shape[1]), np.int64)
    tokens[order] = dataset.test.inputs[wanted[order]]
    held = len(wanted)
    while True:
        used, place = np.unique(np.append(tokens[:held], 0), return_inverse=True)
        words = [str(dataset.vocabulary[i]) for i in used]
        length = int((tokens[:held] > 0).sum(1).max(initial=1))
        part = {
            "kind": "text", "index": unsigned(wanted[:held]),
            "tokens": unsigned(place[:-1].reshape(held, -1)[:, :length]), "vocabulary": words,
        }  # fmt: skip
        if size(part) <= room or held == 0:
            return part
        held = held * 3 // 4


KINDS = {"image": images, "text": texts}


def shown(dataset, wanted, room):
    """What the document holds of the test inputs `wanted`, (n,) indices, the most wanted first."""
    if not len(wanted):
        return {"kind": dataset.inputs.kind, "index": encode(wanted, "u1")}
    return KINDS[dataset.inputs.kind](dataset, wanted, room)


def most_wanted(lists):
    """Indices in lists [(D, K) arrays] -> each input once, by how many lists name it and how high.

    An entry of rank r counts 1 / (r + 1); equals in ascending order.
    """
    n = max((int(index.max(initial=-1)) for index in lists), default=-1) + 1
    score = np.zeros(n)
    for index in lists:
        weight = np.broadcast_to(1 / (1 + np.arange(index.shape[1])), index.shape)
        np.add.at(score, index.ravel(), weight.ravel())
    order = np.argsort(-score, kind="stable")
    return order[score[order] > 0]
