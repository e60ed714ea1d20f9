"""Image files of rare kinds: of 16 and 32 bits, of several images, damaged ones, large ones."""

import struct
import zlib

import numpy as np
import pytest
from made import colour, png
from nodal.datasets.decode import Decoder, decode
from nodal.datasets.images import BATCH_BYTES, Findings
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
    assert len(decoder.findings.damaged) == 1


def deep_png(values):
    """A PNG of 16 bits a channel, put together by hand; values: (H, W, 3)."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_colours_of_16_bits_are_found_though_pillow_reads_8():
    findings = Findings()
    image = decode("a.png", deep_png(np.full((4, 4, 3), (4095, 2000, 100))), 4, 3, findings)
    assert image[0, 0].tolist() == [15, 7, 0]
    assert findings.deep == [4095]
    ppm = b"P6 4 4 65535\n" + np.full((4, 4, 3), 40000, ">u2").tobytes()
    assert (decode("a.ppm", ppm, 4, 3, findings) == 156).all()
    assert findings.deep == [4095, 40191]
    for usual in (png(colour(3)), png(colour(3), format="JPEG"), png(colour(3), format="TIFF")):
        decode("a", usual, 4, 3, findings)
    assert len(findings.deep) == 2


@pytest.mark.parametrize("kind", ["GIF", "MPO", "TIFF", "WEBP"])
def test_of_several_images_in_a_file_the_first_is_taken_and_it_is_named(kind):
    findings, options = Findings(), {"lossless": True} if kind == "WEBP" else {}
    frames = [colour((value, 0, 0)) for value in (200, 100, 50)]
    several = png(frames[0], format=kind, save_all=True, append_images=frames[1:], **options)
    assert np.abs(decode("several", several, 12, 3, findings)[..., 0].astype(int) - 200).max() < 4
    decode("one", png(frames[0], format=kind, **options), 12, 3, findings)
    assert findings.several == ["several"]
    if kind == "TIFF":  # cut within what is not used
        assert (decode("cut", several[:-300], 12, 3, findings)[..., 0] == 200).all()
    with pytest.raises(NodalError):
        decode("damaged", several[:20], 12, 3, findings)
    assert "damaged" not in findings.several


def test_large_files_are_not_all_read_before_the_first_is_decoded():
    """Photographs of a camera: 512 of them are gigabytes."""
    content, read = png(colour((9, 9, 9))) + bytes(5_000_000), []

    def items():
        for i in range(40):
            read.append(i)
            yield str(i), content, i

    taken = 0
    for images, labels in Decoder(12, 3).batches(items()):
        taken += len(images)
        waiting = (len(read) - taken + len(images)) * len(content)
        assert waiting <= BATCH_BYTES + len(content)
        assert (images == 9).all()
        assert len(labels) == len(images)
    assert taken == 40
