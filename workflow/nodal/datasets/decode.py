"""Image files of any common kind -> square uint8 arrays of one size."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps

from nodal.errors import NodalError

BATCH = 512


def decode(name, data, size, channels):
    """Bytes of an image file -> (size, size, channels) uint8.

    The shorter side is resized to `size` and the middle cut out. Transparency is laid over white,
    16-bit images are scaled to 8. Raises NodalError naming the file if it does not decode.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image = _eight_bit(ImageOps.exif_transpose(image))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (size, size):
                image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
            return np.asarray(image).reshape(size, size, channels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NodalError(f"{name}: not a readable image ({error})") from error


def _eight_bit(image):
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels; expected 8 or 16 bit")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image)
    return image


def decode_all(items, size, channels):
    """Iterable of (name, bytes, label) -> batches (images (n, size, size, channels), labels (n,)).

    Decodes on two threads (the decoders release Python's lock); at most one batch is in memory.
    """
    with ThreadPoolExecutor(2) as pool:
        batch = []
        for item in items:
            batch.append(item)
            if len(batch) == BATCH:
                yield _decode_batch(pool, batch, size, channels)
                batch = []
        if batch:
            yield _decode_batch(pool, batch, size, channels)


def _decode_batch(pool, batch, size, channels):
    names, data, labels = zip(*batch, strict=True)
    n = len(batch)
    images = pool.map(decode, names, data, [size] * n, [channels] * n)
    return np.stack(list(images)), np.asarray(labels)
