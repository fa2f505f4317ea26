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


def thumbnail(picture: bpy.types.Image) -> str:
    """A small copy of an image, as words to be kept in a file."""
    width, height = picture.size
    if not width or not height:
        return ""
    step = -(-max(width, height) // SIDE)
    flat = np.empty(width * height * picture.channels, np.float32)
    picture.pixels.foreach_get(flat)
    small = flat.reshape(height, width, picture.channels)[step // 2 :: step, step // 2 :: step, :3]
    if small.shape[2] < 3:
        small = np.repeat(small[..., :1], 3, axis=2)
    rows = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
    body = base64.b85encode(zlib.compress(np.ascontiguousarray(rows).tobytes(), 6)).decode()
    return f"{rows.shape[1]}x{rows.shape[0]}:{body}"


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
