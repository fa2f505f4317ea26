"""PNG without a library: 8 and 16 bits, grey, grey and alpha, RGB, RGBA, and the texts that travel in the file.

After the PNG specification (W3C, third edition). Palettes, fewer bits, colour keys and interlacing are refused by name.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from .errors import Invalid, Unsupported

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 1 << 26
MAX_TEXT = 16 << 20  # bytes of one text
_CHANNELS = {0: 1, 4: 2, 2: 3, 6: 4}
_COLOR_TYPE = {channels: code for code, channels in _CHANNELS.items()}


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Plain pixels. `data` is row-major, top row first, packed; 16-bit values are little-endian.

    `channels`: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA (straight alpha). `bits`: 8 or 16. `texts` travelled along.
    """

    width: int
    height: int
    channels: int
    bits: int = 8
    data: bytes = field(repr=False)
    texts: dict[str, str] = field(default_factory=dict)


def _broken(why: str) -> Invalid:
    return Invalid(f"This is not a whole PNG file: {why}", field="image", reason="BROKEN_PNG")


def chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and content of each chunk, checked by its sum. Raises Invalid."""
    if file[:8] != SIGNATURE:
        raise _broken("it does not begin like one")
    place = 8
    while place < len(file):
        if place + 12 > len(file):
            raise _broken("it ends too soon")
        length, name = struct.unpack_from(">I4s", file, place)
        end = place + 12 + length
        if end > len(file):
            raise _broken("it ends too soon")
        content = file[place + 8 : end - 4]
        if zlib.crc32(content, zlib.crc32(name)) != struct.unpack_from(">I", file, end - 4)[0]:
            raise _broken(f"its {name.decode('latin-1')!r} part is damaged")
        yield name, content
        if name == b"IEND":
            return
        place = end
    raise _broken("it ends too soon")


def decode(file: bytes, max_pixels: int = MAX_PIXELS) -> Raster:
    """The pixels of a PNG file. Raises Invalid (broken, too large) or Unsupported (palette, interlaced, …)."""
    header: tuple[int, int, int, int] | None = None
    packed: list[bytes] = []
    texts: dict[str, str] = {}
    for name, content in chunks(file):
        if name == b"IHDR":
            header = _read_header(content, max_pixels)
        elif name == b"IDAT":
            packed.append(content)
        elif name == b"tRNS":
            raise Unsupported("PNG files with a transparent colour cannot be read here", field="image")
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            texts.update(_read_text(name, content))
    if header is None or not packed:
        raise _broken("it holds no picture")
    width, height, channels, bits = header
    stride = width * channels * bits // 8
    lines = _inflate(b"".join(packed), (stride + 1) * height)
    if len(lines) != (stride + 1) * height:
        raise _broken("pixels are missing")
    data = _unfilter(lines, stride, height, channels * bits // 8)
    if bits == 16:
        data = _swapped(data)
    return Raster(width=width, height=height, channels=channels, bits=bits, data=data, texts=texts)


def size(file: bytes) -> tuple[int, int]:
    """Width and height of a PNG file in pixels, from its first bytes."""
    if file[:8] != SIGNATURE or file[12:16] != b"IHDR" or len(file) < 24:
        raise _broken("it does not begin like one")
    return struct.unpack_from(">II", file, 16)


def encode(raster: Raster, level: int = 4) -> bytes:
    """A PNG file of the pixels and texts. `level`: 0 (fast) to 9 (small). Raises Invalid where sizes disagree."""
    stride = raster.width * raster.channels * raster.bits // 8
    if len(raster.data) != stride * raster.height or not stride:
        raise Invalid(f"{len(raster.data)} bytes are not {raster.width} × {raster.height} pixels", field="image")
    data = memoryview(_swapped(raster.data) if raster.bits == 16 else raster.data)
    lines = b"".join(b"\0" + data[start : start + stride] for start in range(0, len(data), stride))
    header = struct.pack(">IIBBBBB", raster.width, raster.height, raster.bits, _COLOR_TYPE[raster.channels], 0, 0, 0)
    texts = b"".join(_text_chunk(key, text) for key, text in raster.texts.items())
    packed = zlib.compress(lines, level)
    return SIGNATURE + _chunk(b"IHDR", header) + texts + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def read_texts(file: bytes) -> dict[str, str]:
    """The texts in a PNG file by their keys; the picture is not unpacked."""
    texts: dict[str, str] = {}
    for name, content in chunks(file):
        if name in (b"tEXt", b"zTXt", b"iTXt"):
            texts.update(_read_text(name, content))
    return texts


def write_text(file: bytes, key: str, text: str) -> bytes:
    """The PNG file with a text under `key` (1 to 79 Latin-1 characters), in place of one that was there."""
    parts = [SIGNATURE]
    for name, content in chunks(file):
        if name in (b"tEXt", b"zTXt", b"iTXt") and content.partition(b"\0")[0] == key.encode("latin-1"):
            continue
        parts.append(_chunk(name, content))
        if name == b"IHDR":
            parts.append(_text_chunk(key, text))
    return b"".join(parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))


def _text_chunk(key: str, text: str) -> bytes:
    if not 1 <= len(key) <= 79:
        raise Invalid("keys have 1 to 79 characters", field="key")
    return _chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _read_text(name: bytes, content: bytes) -> dict[str, str]:
    key, _, rest = content.partition(b"\0")
    encoding, squeezed = "latin-1", name == b"zTXt"
    if name == b"zTXt":
        rest = rest[1:]  # after the method
    elif name == b"iTXt":
        if len(rest) < 2:
            raise _broken("a text is damaged")
        encoding, squeezed = "utf-8", rest[0] == 1
        rest = rest[2:].split(b"\0", 2)[-1]  # after language and translated key
    if squeezed:
        rest = _inflate(rest, MAX_TEXT)
    return {key.decode("latin-1"): rest.decode(encoding, "replace")}


def _read_header(content: bytes, max_pixels: int) -> tuple[int, int, int, int]:
    if len(content) != 13:
        raise _broken("its header is damaged")
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", content)
    if not width or not height:
        raise _broken("it holds no picture")
    if width * height > max_pixels:
        raise Invalid(
            f"The picture has {width} × {height} pixels, more than {max_pixels} in all",
            field="image",
            reason="TOO_LARGE",
            remedy="Use a smaller picture.",
        )
    if color not in _CHANNELS or bits not in (8, 16) or interlaced:
        kind = "interlaced" if interlaced else "palette" if color == 3 else f"{bits}-bit"
        raise Unsupported(
            f"PNG files of the {kind} kind cannot be read here", field="image", remedy="Save it with 8 bits a channel."
        )
    return width, height, _CHANNELS[color], bits


def _inflate(packed: bytes, limit: int) -> bytes:
    """What is packed, and never more than `limit` bytes of it."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, limit)
        if not unpacker.eof and unpacker.decompress(unpacker.unconsumed_tail, 1):
            raise _broken("it holds more than it says")
    except zlib.error as error:
        raise _broken("its pixels are damaged") from error
    return found


def _swapped(data: bytes) -> bytes:
    words = array("H", data)
    words.byteswap()
    return words.tobytes()


def _unfilter(lines: bytes, stride: int, height: int, step: int) -> bytes:
    """Undoes the row filters. `step` is the distance to the pixel on the left, in bytes."""
    rows = []
    above = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind = lines[start]
        row = bytearray(lines[start + 1 : start + 1 + stride])
        if kind == 1:
            for channel in range(step):
                row[channel::step] = bytes(accumulate(row[channel::step], _sum))
        elif kind == 2:
            row = bytearray((this + up) & 255 for this, up in zip(row, above, strict=True))
        elif kind == 3:
            _average(row, above, step)
        elif kind == 4:
            _paeth(row, above, step)
        elif kind:
            raise _broken("a row is damaged")
        rows.append(row)
        above = row
    return b"".join(rows)


def _sum(one: int, other: int) -> int:
    return (one + other) & 255


def _average(row: bytearray, above: bytearray, step: int) -> None:
    for x in range(min(step, len(row))):
        row[x] = (row[x] + (above[x] >> 1)) & 255
    for x in range(step, len(row)):
        row[x] = (row[x] + ((row[x - step] + above[x]) >> 1)) & 255


def _paeth(row: bytearray, above: bytearray, step: int) -> None:
    for x in range(min(step, len(row))):
        row[x] = (row[x] + above[x]) & 255
    for x in range(step, len(row)):
        left, up, corner = row[x - step], above[x], above[x - step]
        by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - corner - corner)
        if by_left <= by_up and by_left <= by_corner:
            row[x] = (row[x] + left) & 255
        elif by_up <= by_corner:
            row[x] = (row[x] + up) & 255
        else:
            row[x] = (row[x] + corner) & 255
