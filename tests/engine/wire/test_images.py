"""Pictures on the wire: every format both ways, and nothing hostile gets through."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from velatura.png import Raster
from velatura.png import encode as write
from velatura.v1 import pixels_pb2 as pb
from velatura_engine.errors import Invalid, Unsupported
from velatura_engine.pixels.picture import Picture
from velatura_engine.wire.images import RAW, decode, encode

GENERATOR = np.random.default_rng(0)


def read(message: pb.Image, max_pixels: int = 10**6) -> Picture:
    return decode(message, message.data, field="image", max_side=16384, max_pixels=max_pixels)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("format", RAW)
def test_raw_formats_round_trip_exactly(format):
    kind, channels = RAW[format]
    if np.issubdtype(kind, np.floating):
        pixels = GENERATOR.random((5, 7, channels)).astype(kind).astype(np.float32)
    else:
        pixels = GENERATOR.integers(0, np.iinfo(kind).max, (5, 7, channels)).astype(kind)
    message = encode(Picture(pixels, "data"), format, recipe=None)
    assert np.array_equal(read(message).pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_round_trips_exactly(channels):
    pixels = GENERATOR.integers(0, 256, (5, 7, channels)).astype(np.uint8)
    assert np.array_equal(read(encode(Picture(pixels), pb.PIXEL_FORMAT_PNG, recipe=None)).pixels, pixels)


def test_sixteen_bit_grey_keeps_its_depth():
    pixels = GENERATOR.integers(0, 65536, (5, 7, 1)).astype(np.uint16)
    assert np.array_equal(read(encode(Picture(pixels, "data"), pb.PIXEL_FORMAT_PNG, recipe=None)).pixels, pixels)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_its_depth(channels):
    pixels = GENERATOR.integers(0, 65536, (5, 7, channels)).astype(np.uint16)
    file = write(
        Raster(width=7, height=5, channels=channels, bits=16, data=pixels.astype("<u2").tobytes())
    )  # the client's own writer, without Pillow
    assert np.array_equal(read(pb.Image(data=file, format=pb.PIXEL_FORMAT_PNG)).pixels, pixels)
    with pytest.raises(Invalid):
        read(pb.Image(data=file[:-40], format=pb.PIXEL_FORMAT_PNG))


def test_a_png_carries_its_recipe_and_what_other_tools_read():
    message = encode(Picture(np.zeros((2, 2, 3), np.uint8)), 0, recipe={"format": 1}, parameters="brick\nSteps: 4")
    text = Pillow.open(io.BytesIO(message.data)).text
    assert text["velatura"] == '{"format": 1}' and text["parameters"].endswith("Steps: 4")


def test_premultiplied_colour_is_divided_out():
    pixels = np.array([[[0.25, 0.1, 0.0, 0.5]]], np.float32)
    message = pb.Image(
        data=pixels.tobytes(), format=pb.PIXEL_FORMAT_RGBA32F, width=1, height=1, alpha=pb.ALPHA_MODE_PREMULTIPLIED
    )
    assert np.allclose(read(message).pixels[0, 0], (0.5, 0.2, 0.0, 0.5))


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 x 60,000."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**5))), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


WHOLE = png(GENERATOR.integers(0, 256, (64, 64, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (WHOLE[: len(WHOLE) // 2], pb.PIXEL_FORMAT_PNG),
        (b"not a picture", pb.PIXEL_FORMAT_PNG),
        (WHOLE, pb.PIXEL_FORMAT_JPEG),
        (bomb(), pb.PIXEL_FORMAT_PNG),
        (b"", pb.PIXEL_FORMAT_PNG),
        (bytes(10), pb.PIXEL_FORMAT_RGB8),
        (WHOLE, pb.PIXEL_FORMAT_UNSPECIFIED),
    ],
    ids=["truncated", "garbage", "other kind", "bomb", "empty", "short raw", "no format"],
)
def test_a_hostile_picture_is_refused_by_the_field_s_name(content, format):
    with pytest.raises(Invalid) as caught:
        read(pb.Image(data=content, format=format, width=64, height=64))
    assert caught.value.field.startswith("image") and caught.value.remedy


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded():
    with pytest.raises(Invalid, match="64 x 64"):
        read(pb.Image(data=WHOLE, format=pb.PIXEL_FORMAT_PNG), max_pixels=1000)


def test_openexr_is_refused_with_the_way_out():
    with pytest.raises(Unsupported) as caught:
        read(pb.Image(data=b"v/1\x01", format=pb.PIXEL_FORMAT_EXR))
    assert "R32F" in caught.value.remedy
