"""Small pictures in panels: thumbnails of the history, and glimpses of what is being painted."""

from __future__ import annotations

import base64
import os
import tempfile
import zlib

import bpy
import bpy.utils.previews
import numpy as np

SIDE = 96  # pixels of a thumbnail's longer side at most
ROW = 32  # pixels of one in a list
_shown: dict[str, bpy.utils.previews.ImagePreviewCollection] = {}
"""The collection that Blender keeps the pictures in, under "all"."""
_fresh: dict[int, str] = {}
"""Thumbnails of images that were only just made, by their `session_uid`."""


def thumbnail(picture: bpy.types.Image) -> str:
    """A small copy of an image, as words to be kept in a file: the one that was made with it, else of its pixels."""
    words = _fresh.pop(picture.session_uid, None)
    if words is not None:
        return words
    width, height = picture.size
    if not width or not height:
        return ""
    flat = np.empty(width * height * picture.channels, np.float32)
    picture.pixels.foreach_get(flat)
    return small(np.clip(flat.reshape(height, width, picture.channels)[::-1], 0, 1) * np.float32(255))


def small(pixels: np.ndarray) -> str:
    """A small copy of pixels (H, W, C), row 0 on top, up to 255 or 16 bits, in words. Touches no Blender data."""
    height, width, channels = pixels.shape
    step = -(-max(width, height) // SIDE)
    rows = pixels[::-1][step // 2 :: step, step // 2 :: step, :3]
    rows = np.repeat(rows[..., :1], 3, axis=2) if channels < 3 else rows
    rows = rows >> 8 if rows.dtype == np.uint16 else np.rint(rows)
    body = base64.b85encode(zlib.compress(np.ascontiguousarray(rows, np.uint8).tobytes(), 6)).decode()
    return f"{rows.shape[1]}x{rows.shape[0]}:{body}"


def know(picture: bpy.types.Image, words: str) -> None:
    """A new image's small copy, so that nobody has to read its pixels for it."""
    _fresh[picture.session_uid] = words


def forget() -> None:
    """What is known of new images, as soon as the history has them."""
    _fresh.clear()


def unpack(thumb: str) -> np.ndarray | None:
    """The pixels (H, W, 3) uint8 of a thumbnail, row 0 at the bottom; None where it is none."""
    size, _, body = thumb.partition(":")
    try:
        width, height = map(int, size.split("x"))
        return np.frombuffer(zlib.decompress(base64.b85decode(body)), np.uint8).reshape(height, width, 3)
    except (ValueError, zlib.error):
        return None


def of_thumbnail(thumb: str) -> int:
    """The icon of a thumbnail, 0 where it has none."""
    known = _all()
    if thumb and thumb not in known:
        pixels = unpack(thumb)
        if pixels is not None:
            _fill(known.new(thumb), pixels.astype(np.float32) / 255)
    return known[thumb].icon_id if thumb in known else 0


def show_glimpse(name: str, file: bytes) -> None:
    """Decode a JPEG file that changes, to be shown under this name. Not while something is drawn."""
    pixels = decode(file)
    if pixels is not None:
        known, key = _all(), f"glimpse {name}"
        _fill(known[key] if key in known else known.new(key), pixels)


def of_glimpse(name: str) -> int:
    """The icon of the newest glimpse under this name, 0 where there is none."""
    known, key = _all(), f"glimpse {name}"
    return known[key].icon_id if key in known else 0


def decode(file: bytes) -> np.ndarray | None:
    """A picture file's colours (H, W, 3) float32, row 0 at the bottom, 256 pixels a side at most; None: it is none.

    Blender's own reader of thumbnails does it: an image of the file's would make Blender look at the whole scene anew.
    """
    known = _all()
    handle, path = tempfile.mkstemp(suffix=".jpg", dir=bpy.app.tempdir)
    try:
        with os.fdopen(handle, "wb") as held:
            held.write(file)
        read = known.load(path, path, "IMAGE")
        width, height = read.image_size
        flat = np.empty(width * height * 4, np.float32)
        if flat.size:
            read.image_pixels_float.foreach_get(flat)
        return flat.reshape(height, width, 4)[..., :3] if flat.size else None
    finally:
        if path in known:
            del known[path]
        os.unlink(path)


def _fill(shown: bpy.types.ImagePreview, pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    whole = np.ones((height, width, 4), np.float32)
    whole[..., :3] = pixels
    shown.image_size = (width, height)
    shown.image_pixels_float.foreach_set(whole.ravel())
    rows, columns = (np.arange(ROW) * side // ROW for side in (height, width))
    shown.icon_size = (ROW, ROW)
    shown.icon_pixels_float.foreach_set(whole[rows[:, None], columns].ravel())


def _all() -> bpy.utils.previews.ImagePreviewCollection:
    if "all" not in _shown:
        _shown["all"] = bpy.utils.previews.new()
    return _shown["all"]


def register() -> None:
    """Nothing yet: the first picture makes the collection."""


def unregister() -> None:
    """Let the pictures go."""
    known = _shown.pop("all", None)
    _shown.clear()
    if known is not None:
        bpy.utils.previews.remove(known)
