"""PNG files against Pillow, which knows nothing of our reader and writer."""

import contextlib
import io
import os
import random
import struct
import zlib

import pytest
from velatura import errors, png

Image = pytest.importorskip("PIL.Image")

MODES = {(1, 8): "L", (2, 8): "LA", (3, 8): "RGB", (4, 8): "RGBA", (1, 16): "I;16"}
KINDS = [(channels, bits) for bits in (8, 16) for channels in (1, 2, 3, 4)]


def noise(width, height, channels, bits):
    return random.Random(1).randbytes(width * height * channels * bits // 8)


def file_of(channels, bits, filters, width=7, height=10, data=None):
    """A PNG file built by hand, with a filter for each row in turn: `filters` says how."""
    data = data or noise(width, height, channels, bits)
    step, stride = channels * bits // 8, width * channels * bits // 8
    big = b"".join(data[i : i + 2][::-1] for i in range(0, len(data), 2)) if bits == 16 else data
    lines, above = [], bytes(stride)
    for y in range(height):
        row = big[y * stride : (y + 1) * stride]
        kind = filters[y % len(filters)]
        lines.append(bytes([kind]) + bytes(filtered(kind, row, above, step)))
        above = row
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    body = zlib.compress(b"".join(lines))
    return png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""), data


def filtered(kind, row, above, step):
    for x, value in enumerate(row):
        a = row[x - step] if x >= step else 0
        b = above[x]
        c = above[x - step] if x >= step else 0
        nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        yield (value - (0, a, b, (a + b) // 2, nearest)[kind]) % 256


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize(("channels", "bits"), KINDS)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (64, 33)])
def test_what_we_write_we_read(channels, bits, size):
    data = noise(*size, channels, bits)
    raster = png.Raster(width=size[0], height=size[1], channels=channels, bits=bits, data=data)
    assert png.decode(png.encode(raster)) == raster


@pytest.mark.parametrize(("channels", "bits"), list(MODES))
def test_pillow_reads_what_we_write(channels, bits):
    data = noise(17, 9, channels, bits)
    file = png.encode(png.Raster(width=17, height=9, channels=channels, bits=bits, data=data))
    opened = Image.open(io.BytesIO(file))
    assert (opened.size, opened.mode) == ((17, 9), MODES[channels, bits])
    assert opened.tobytes() == data


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_pillow_reads_the_upper_bytes_of_our_16_bit_colours(channels):
    # Pillow opens 16-bit colour with 8 bits: it keeps the upper byte of each value.
    data = noise(17, 9, channels, 16)
    opened = Image.open(io.BytesIO(png.encode(png.Raster(width=17, height=9, channels=channels, bits=16, data=data))))
    if channels == 2:
        opened = opened.convert("LA")
    assert opened.tobytes() == data[1::2]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("picture", ["noise", "ramp"])
def test_we_read_what_pillow_writes(mode, picture):
    channels, bits = next(key for key, name in MODES.items() if name == mode)
    count = 40 * 30 * channels * bits // 8
    data = noise(40, 30, channels, bits) if picture == "noise" else bytes(i * 7 // 5 % 256 for i in range(count))
    buffer = io.BytesIO()
    Image.frombytes(mode, (40, 30), data).save(buffer, "PNG", optimize=True)
    raster = png.decode(buffer.getvalue())
    assert (raster.width, raster.height, raster.channels, raster.bits) == (40, 30, channels, bits)
    assert raster.data == data


@pytest.mark.parametrize(("channels", "bits"), KINDS)
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 0, 3, 1, 2]], ids=str)
def test_every_filter_is_undone_as_pillow_undoes_it(channels, bits, filters):
    file, data = file_of(channels, bits, filters)
    assert png.decode(file).data == data
    opened = Image.open(io.BytesIO(file))
    if (channels, bits) in MODES:
        assert opened.tobytes() == data
    else:
        assert (opened.convert("LA") if channels == 2 else opened).tobytes() == data[1::2]


def test_the_picture_may_be_split_over_many_chunks():
    data = noise(30, 30, 3, 8)
    packed = zlib.compress(b"".join(b"\0" + data[y * 90 : y * 90 + 90] for y in range(30)))
    parts = b"".join(chunk(b"IDAT", packed[i : i + 100]) for i in range(0, len(packed), 100))
    header = struct.pack(">IIBBBBB", 30, 30, 8, 2, 0, 0, 0)
    file = png.SIGNATURE + chunk(b"IHDR", header) + parts + chunk(b"tIME", bytes(7)) + chunk(b"IEND", b"")
    assert png.decode(file).data == data


def test_texts_go_both_ways_with_pillow():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("plain", "grün")
    info.add_text("squeezed", "a" * 1000, zip=True)
    info.add_itxt("wide", "日本", zip=True)
    buffer = io.BytesIO()
    Image.new("L", (2, 2)).save(buffer, "PNG", pnginfo=info)
    expected = {"plain": "grün", "squeezed": "a" * 1000, "wide": "日本"}
    assert png.read_texts(buffer.getvalue()) == expected == png.decode(buffer.getvalue()).texts
    file = png.write_text(buffer.getvalue(), "velatura", "ü 日本")
    opened = Image.open(io.BytesIO(file))
    opened.load()
    assert opened.text == expected | {"velatura": "ü 日本"}


def test_a_text_written_again_takes_the_place_of_the_first():
    file = png.encode(png.Raster(width=1, height=1, channels=1, data=b"\0", texts={"velatura": "old"}))
    assert png.read_texts(png.write_text(file, "velatura", "new")) == {"velatura": "new"}
    assert file.count(b"iTXt") == png.write_text(file, "velatura", "new").count(b"iTXt")


def test_a_file_cut_anywhere_is_a_broken_file():
    file, _ = file_of(4, 8, [4])
    for end in range(len(file)):
        with pytest.raises(errors.Invalid):
            png.decode(file[:end])


def test_a_flipped_bit_anywhere_is_noticed_or_harmless():
    file, data = file_of(3, 8, [1, 2])
    for place in range(len(file)):
        damaged = bytearray(file)
        damaged[place] ^= 0x10
        with contextlib.suppress(errors.Invalid, errors.Unsupported):
            assert png.decode(bytes(damaged)).data == data


def bomb(width, height, unpacked, name=b"IDAT"):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(unpacked), 9)
    return png.SIGNATURE + chunk(b"IHDR", header) + chunk(name, body) + chunk(b"IEND", b"")


def test_a_picture_too_large_is_refused_before_it_is_unpacked():
    with pytest.raises(errors.Invalid, match="pixels") as caught:
        png.decode(bomb(100_000, 100_000, 10))
    assert caught.value.reason == "TOO_LARGE"


def test_a_bomb_behind_a_small_header_is_not_unpacked():
    import tracemalloc

    file = bomb(4, 4, 200 << 20)
    tracemalloc.start()
    with pytest.raises(errors.Invalid):
        png.decode(file)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_bomb_in_a_text_is_not_unpacked():
    text = b"key\0\1\0\0\0" + zlib.compress(bytes(64 << 20), 9)
    file = png.SIGNATURE + chunk(b"iTXt", text) + chunk(b"IEND", b"")
    with pytest.raises(errors.Invalid):
        png.read_texts(file)


def test_too_few_pixels_are_noticed():
    with pytest.raises(errors.Invalid, match="missing"):
        png.decode(bomb(100, 100, 50))


@pytest.mark.parametrize("mode", ["P", "1"])
def test_other_kinds_are_refused_by_name(mode):
    buffer = io.BytesIO()
    Image.new(mode, (4, 4)).save(buffer, "PNG")
    with pytest.raises(errors.Unsupported, match="palette" if mode == "P" else "1-bit"):
        png.decode(buffer.getvalue())


def test_interlaced_files_are_refused_by_name():
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 1)
    with pytest.raises(errors.Unsupported, match="interlaced"):
        png.decode(png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_random_bytes_are_never_more_than_invalid():
    for _ in range(200):
        with pytest.raises(errors.Invalid):
            png.decode(png.SIGNATURE + os.urandom(60))


def test_sizes_that_disagree_are_not_written():
    with pytest.raises(errors.Invalid):
        png.encode(png.Raster(width=3, height=3, channels=3, data=bytes(26)))
