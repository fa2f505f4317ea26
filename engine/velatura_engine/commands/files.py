"""Files in and out: pictures to start from, names for results that never overwrite anything."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from velatura import errors, pixels, png
from velatura.v1 import pixels_pb2

_READABLE = "Save it as PNG (8 or 16 bits), JPEG or WebP; depth in metres as .npy."

PREVIEW_SIDE = 1536
"""Longest side of a 3 x 3 sheet, pixels; larger tiles are shown smaller."""


def read(path: str, field: str) -> bytes:
    """A file's content. Raises Invalid naming the option."""
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as trouble:
        raise errors.Invalid(f"{path} cannot be read: {trouble.strerror or trouble}", field=field) from None


def picture(path: str, field: str, *, data: bool = False) -> pixels_pb2.Image:
    """A picture file as it is; `data` says that it holds plain numbers, not colours. Raises Invalid."""
    space = pixels_pb2.COLOR_SPACE_DATA if data else pixels_pb2.COLOR_SPACE_UNSPECIFIED
    try:
        image = pixels.from_file(read(path, field), color_space=space)
    except errors.Unsupported:
        raise errors.Invalid(f"{path} is not a PNG, JPEG or WebP file", field=field, remedy=_READABLE) from None
    if image.format == pixels_pb2.PIXEL_FORMAT_EXR:
        raise errors.Invalid(f"{path} is an OpenEXR file, which is not read yet", field=field, remedy=_READABLE)
    return image


def mask(path: str) -> pixels_pb2.Mask:
    """A mask file: white is painted anew, black stays."""
    return pixels_pb2.Mask(image=picture(path, "mask", data=True))


def depth(path: str, *, near: float | None, far: float | None, strength: float | None) -> pixels_pb2.DepthMap:
    """Depth from a file.

    `.npy` with floats: metres along the camera's axis. A PNG with both `near` and `far`: black is near, white is far,
    evenly between, and white itself is nothing. Any other picture: white is near, as depth estimators draw it. Raises
    Invalid.
    """
    if path.lower().endswith(".npy"):
        return pixels.depth_map(_array(path), near=near, far=far, strength=strength)
    image = picture(path, "depth", data=True)
    more: dict[str, Any] = {"strength": strength}
    if near is None and far is None:
        return pixels_pb2.DepthMap(image=image, encoding=pixels_pb2.DEPTH_ENCODING_DISPARITY, **more)
    if near is None or far is None or image.format != pixels_pb2.PIXEL_FORMAT_PNG:
        raise errors.Invalid("near and far go together, with a PNG or .npy file", field="depth")
    return pixels.depth_map(_metres(image, near, far), near=near, far=far, **more)


def _array(path: str) -> Any:
    import numpy as np

    try:
        array = np.load(io.BytesIO(read(path, "depth")), allow_pickle=False)
    except (ValueError, EOFError) as trouble:
        raise errors.Invalid(f"{path} is not a .npy file of plain numbers: {trouble}", field="depth") from None
    if array.ndim not in (2, 3) or array.dtype.kind != "f":
        raise errors.Invalid(f"{path} must hold floats of the shape (height, width)", field="depth")
    return array.astype("<f4")


def _metres(image: pixels_pb2.Image, near: float, far: float) -> Any:
    import numpy as np

    values = pixels.to_array(image)[..., 0]
    top = np.iinfo(values.dtype).max
    metres = near + values.astype("<f4") / top * (far - near)
    return np.where(values == top, 0, metres).astype("<f4")


def slug(words: str) -> str:
    """A file name of a prompt."""
    return re.sub(r"[^\w]+", "-", words.lower()).strip("-_")[:40].strip("-") or "picture"


def place(out: str, name: str, *parts: str) -> list[Path]:
    """Free paths for a result and what goes with it, all with the same beginning; "-2" and so on where it is taken.

    `out` is a folder, or a file whose name then replaces `name`. `parts` are endings such as ".png". Raises Invalid.
    """
    target = Path(out).expanduser()
    if target.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".glb", ".ply"):
        target, name = target.parent, target.stem
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as trouble:
        raise errors.Invalid(f"{target} cannot be made: {trouble.strerror}", field="out") from None
    number = 1
    while True:
        begin = name if number == 1 else f"{name}-{number}"
        paths = [target / f"{begin}{part}" for part in parts]
        if not any(path.exists() for path in paths):
            return paths
        number += 1


def write(path: Path, content: bytes) -> None:
    """A new file. Raises Invalid where that cannot be, or where it has appeared in between."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as trouble:
        raise errors.Invalid(f"{path} cannot be written: {trouble.strerror}", field="out") from None


def sheet(file: bytes, tile: str) -> bytes:
    """A picture repeated three times along the axes it tiles, as a PNG file."""
    from PIL import Image

    with Image.open(io.BytesIO(file)) as opened:
        picture = opened.convert("RGB")
    across, down = (3 if axis in tile else 1 for axis in "xy")
    factor = min(1.0, PREVIEW_SIDE / max(picture.width * across, picture.height * down))
    if factor < 1:
        picture = picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))))
    whole = Image.new("RGB", (picture.width * across, picture.height * down))
    for column in range(across):
        for row in range(down):
            whole.paste(picture, (column * picture.width, row * picture.height))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


def mixed(tiles: Sequence[bytes], tile: str) -> bytes:
    """Tiles of a set laid four times along the axes they tile, as a PNG file, the same way each time; no two alike side
    by side where there are enough."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(file)).convert("RGB") for file in tiles]
    across, down = (4 if axis in tile else 1 for axis in "xy")
    width, height = pictures[0].size
    whole = Image.new("RGB", (width * across, height * down))
    dice, laid = random.Random(0), {}
    for row in range(down):
        for column in range(across):
            beside = {laid.get((row - 1, column)), laid.get((row, column - 1))}
            laid[row, column] = dice.choice(
                [n for n in range(len(pictures)) if n not in beside] or range(len(pictures))
            )
            whole.paste(pictures[laid[row, column]], (column * width, row * height))
    factor = min(1.0, PREVIEW_SIDE / max(whole.size))
    if factor < 1:
        whole = whole.resize((max(1, round(whole.width * factor)), max(1, round(whole.height * factor))))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


def is_png(content: bytes) -> bool:
    """It begins like a PNG file."""
    return content.startswith(png.SIGNATURE)
