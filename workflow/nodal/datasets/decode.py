"""Image files of any common kind -> square uint8 arrays of one size."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nodal.datasets.images import BATCH_BYTES, Findings
from nodal.errors import NodalError

BATCH = 512  # images in a batch at most
WITH_FRAMES = ("AVIF", "MPO", "PNG", "WEBP")  # formats of one image or several
COUNTED = ("GIF", "TIFF")  # and those whose images are found by going through the file


def decode(name, data, size, channels, findings=None):
    """Bytes of an image file -> (size, size, channels) uint8.

    The shorter side is resized to `size` and the middle cut out. Transparency is laid over white,
    unsigned 16-bit images are scaled to 8, of several in a file the first is taken; findings, if
    given, get to know of such. Raises NodalError naming the file if it does not decode.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            _require_unsigned(image)
            several, largest = _has_several(data, image), _largest(image)
            image = _eight_bit(ImageOps.exif_transpose(image))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (size, size):
                image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
            array = np.asarray(image).reshape(size, size, channels)
    except UnidentifiedImageError as error:
        raise NodalError(f"{name}: not a readable image (of no known format)") from error
    except MemoryError:
        raise
    except Exception as error:  # a decoder may raise anything for bytes that are damaged
        raise NodalError(f"{name}: not a readable image ({error})") from error
    if findings is not None:
        findings.deep += [largest] * (largest is not None)
        findings.several += [name] * several
    return array


def _largest(image):
    """The largest value of an image of 16 bits, if it is one: Pillow may bring it to 8 itself."""
    arguments = image.tile[0][3] if image.tile else ""
    stored, *rest = arguments if isinstance(arguments, tuple) and arguments else (arguments,)
    if image.mode.startswith("I"):
        return int(np.asarray(image).max())
    if re.search(";16[BLN]$", str(stored)) or (image.format == "PPM" and rest and rest[0] > 255):
        return int(np.asarray(image.convert("RGB")).max()) * 256 + 255
    return None


def _has_several(data, image):
    """Whether there is more than one image in a file, by its head where that says so."""
    if image.format not in COUNTED:
        return image.format in WITH_FRAMES and getattr(image, "n_frames", 1) > 1
    # In a reader of its own, which may stumble behind the first image.
    with suppress(Exception), Image.open(io.BytesIO(data)) as again:
        return again.n_frames > 1
    return False


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

    findings: of the files so far.
    """

    def __init__(self, size, channels):
        self.size, self.channels = size, channels
        self.findings = Findings()

    def batches(self, items):
        """Iterable of (name, bytes, label) -> (images (n, size, size, channels), labels (n,)).

        An error may stand in place of the bytes. Decodes on two threads (the decoders release
        Python's lock); at most one batch is in memory, and two files at full size.
        """
        n = max(1, min(BATCH_BYTES // (self.size**2 * self.channels), BATCH))
        with ThreadPoolExecutor(2) as pool:
            for batch in _lots(items, n):
                names, data, labels = zip(*batch, strict=True)
                images = list(pool.map(self._decode, names, data))
                good = [i for i, image in enumerate(images) if not isinstance(image, NodalError)]
                self.findings.damaged += [str(i) for i in images if isinstance(i, NodalError)]
                if good:
                    yield np.stack([images[i] for i in good]), np.array([labels[i] for i in good])

    def _decode(self, name, data):
        if isinstance(data, NodalError):
            return data
        try:
            return decode(name, data, self.size, self.channels, self.findings)
        except NodalError as error:
            return error


def _lots(items, n):
    """Lists of n items at most, and of files of BATCH_BYTES and one more at most."""
    lot, size = [], 0
    for item in items:
        lot.append(item)
        size += 0 if isinstance(item[1], NodalError) else len(item[1])
        if len(lot) == n or size >= BATCH_BYTES:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
