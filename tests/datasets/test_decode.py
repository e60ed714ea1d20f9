"""Image files of rare kinds: pixels of 16 and 32 bits, damaged metadata."""

import numpy as np
import pytest
from made import colour, png
from nodal.datasets.decode import Decoder, decode
from nodal.errors import NodalError
from PIL import Image

SIGNED = {339: 2}  # TIFF's SampleFormat


def tiff(dtype, value, **options):
    return png(Image.fromarray(np.full((4, 4), value, dtype)), format="TIFF", **options)


@pytest.mark.parametrize(
    "content",
    [
        tiff(np.uint16, 40000),
        png(Image.new("I;16", (4, 4), 40000)),
        png(Image.new("I", (4, 4), 40000), format="PPM"),
    ],
    ids=["tiff", "png", "pgm"],
)
def test_sixteen_unsigned_bits_are_scaled(content):
    assert (decode("a", content, 4, 1) == 40000 >> 8).all()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tiff(np.uint16, 40000, tiffinfo=SIGNED), "signed or 32-bit"),
        (tiff(np.int32, 200), "signed or 32-bit"),
        (tiff(np.float32, 200), "floating-point"),
    ],
    ids=["int16", "int32", "float32"],
)
def test_pixels_of_no_known_scale_are_refused(content, kind):
    """Hounsfield units for instance, where air is -1000: what would be black, what white?"""
    with pytest.raises(NodalError, match=f"a.tif: not a readable image .{kind} pixels; expected"):
        decode("a.tif", content, 4, 1)


def test_a_photograph_with_damaged_exif_is_named_and_can_be_left_out():
    """Pillow reads its pixels and its orientation, and stumbles as it writes the EXIF anew."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0100] = 6, 24  # turned; a width
    whole = png(colour(0), format="JPEG", exif=exif)
    damaged = whole.replace(b"\x01\x00\x00\x04", b"\x01\x00\x00\x07")  # a width that is no number
    assert damaged != whole
    with pytest.raises(NodalError, match=r"b\.jpg: not a readable image"):
        decode("b.jpg", damaged, 4, 3)
    decoder = Decoder(4, 3)
    ((images, labels),) = decoder.batches([("a.jpg", whole, 0), ("b.jpg", damaged, 1)])
    assert images.shape == (1, 4, 4, 3)
    assert labels.tolist() == [0]
    assert len(decoder.damaged) == 1
