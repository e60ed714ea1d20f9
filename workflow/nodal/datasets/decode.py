"""Image files of any common kind -> square uint8 arrays of one size."""

import io
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nodal.datasets.images import BATCH_BYTES
from nodal.errors import NodalError

BATCH = 512  # images in a batch at most


def decode(name, data, size, channels, deep=None):
    """Bytes of an image file -> (size, size, channels) uint8.

    The shorter side is resized to `size` and the middle cut out. Transparency is laid over white,
    unsigned 16-bit images are scaled to 8; `deep`, a list, then gets the largest value of one.
    Raises NodalError naming the file if it does not decode.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            _require_unsigned(image)
            if deep is not None and image.mode.startswith("I"):
                deep.append(int(np.asarray(image).max()))
            image = _eight_bit(ImageOps.exif_transpose(image))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (size, size):
                image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
            return np.asarray(image).reshape(size, size, channels)
    except UnidentifiedImageError as error:
        raise NodalError(f"{name}: not a readable image (of no known format)") from error
    except MemoryError:
        raise
    except Exception as error:  # a decoder may raise anything for bytes that are damaged
        raise NodalError(f"{name}: not a readable image ({error})") from error


def _require_unsigned(image):
    """Pillow has unsigned 16 bits of these two formats as 32 bits, of all others as what it is."""
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        kind = "floating-point" if image.mode == "F" else "signed or 32-bit"
        raise ValueError(f"{kind} pixels; expected unsigned ones of 8 or 16 bits")


def _eight_bit(image):
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image)
    return image


class Decoder:
    """Image files -> batches of images of one size; those that do not decode are left out.

    damaged: so far, one line for each that was left out, which names it. deep: the largest value of
    each of 16 bits.
    """

    def __init__(self, size, channels):
        self.size, self.channels = size, channels
        self.damaged, self.deep = [], []

    def batches(self, items):
        """Iterable of (name, bytes, label) -> (images (n, size, size, channels), labels (n,)).

        An error may stand in place of the bytes. Decodes on two threads (the decoders release
        Python's lock); at most one batch is in memory.
        """
        items, n = iter(items), BATCH_BYTES // (self.size**2 * self.channels)
        n = max(1, min(n, BATCH))
        with ThreadPoolExecutor(2) as pool:
            while batch := list(islice(items, n)):
                names, data, labels = zip(*batch, strict=True)
                images = list(pool.map(self._decode, names, data))
                good = [i for i, image in enumerate(images) if not isinstance(image, NodalError)]
                self.damaged += [str(image) for image in images if isinstance(image, NodalError)]
                if good:
                    yield np.stack([images[i] for i in good]), np.array([labels[i] for i in good])

    def _decode(self, name, data):
        if isinstance(data, NodalError):
            return data
        try:
            return decode(name, data, self.size, self.channels, self.deep)
        except NodalError as error:
            return error
