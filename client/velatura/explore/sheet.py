"""The labelled sheet: small pictures in rows and columns with titles and values beside them, drawn by no library."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import png
from ..errors import VelaturaError
from . import fields, font
from .axes import Axis
from .folder import Folder, Made
from .grid import Grid

MAX_SIDE = 512
"""Longest side of a small picture, pixels."""
MAX_PIXELS = 24 << 20
"""Of all small pictures together: more of them are smaller."""
SCALE = 2
"""Pixels for a point of a letter."""
GAP = 8
"""Pixels between things."""
LEAST = 132
"""Least width of a column: room for eleven letters of a label."""
MARGIN = 196
"""Width of the labels on the left: sixteen letters."""
LINES = 4
"""Of a label above a column."""

PAPER, INK, FAINT, WRONG = (250, 250, 248), (28, 28, 30), (120, 120, 124), (158, 32, 32)
HOLE = (226, 226, 224)
Color = tuple[int, int, int]


class Canvas:
    """RGB pixels to draw on, 8 bits, in sRGB."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.data = bytearray(bytes(PAPER) * (width * height))

    def box(self, x: int, y: int, width: int, height: int, color: Color) -> None:
        """Fill a rectangle; what lies outside is left out."""
        left, right = max(0, x), min(self.width, x + width)
        for row in range(max(0, y), min(self.height, y + height)):
            place = (row * self.width + left) * 3
            self.data[place : place + max(0, right - left) * 3] = bytes(color) * max(0, right - left)

    def text(self, x: int, y: int, words: str, color: Color = INK) -> None:
        """Write one line, its upper left corner at x, y."""
        for letter in words:
            for row, points in enumerate(font.glyph(letter)):
                for column, point in enumerate(points):
                    if point == "#":
                        self.box(x + column * SCALE, y + row * SCALE, SCALE, SCALE, color)
            x += font.WIDTH * SCALE

    def picture(self, x: int, y: int, picture: png.Raster) -> None:
        """Lay RGB pixels down; they must lie within."""
        stride = picture.width * 3
        for row in range(picture.height):
            place = ((y + row) * self.width + x) * 3
            self.data[place : place + stride] = picture.data[row * stride : (row + 1) * stride]

    def file(self) -> bytes:
        """What was drawn, as a PNG file."""
        raster = png.Raster(width=self.width, height=self.height, channels=3, data=bytes(self.data))
        return png.encode(raster, level=6)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where things are, in pixels."""

    column: int
    row: int
    left: int
    labels: int
    block: int
    top: int


def draw(grid: Grid, made: tuple[Made, ...], folder: Folder) -> bytes:
    """The sheet of a grid as a PNG file; cells that failed say why, those that were not reached stay empty."""
    side = _side(grid)
    thumbs = {(one.x, one.y, one.z): _thumb(folder, one, side) for one in made}
    sizes = [(thumb.width, thumb.height) for thumb in thumbs.values() if thumb is not None]
    width, height = (max((size[axis] for size in sizes), default=min(side, LEAST)) for axis in (0, 1))
    layout = _layout(grid, width, height)
    across, down, deep = (len(axis) if axis else 1 for axis in (grid.x, grid.y, grid.z))
    canvas = Canvas(layout.left + across * (layout.column + GAP) + GAP, layout.top + deep * layout.block + GAP)
    _head(canvas, grid)
    for z in range(deep):
        _block(canvas, grid, layout, z)
    for one in made:
        x = layout.left + one.x * (layout.column + GAP)
        y = layout.top + (one.z + 1) * layout.block - GAP - (down - one.y) * (layout.row + GAP)
        _cell(canvas, layout, x, y, one, thumbs[one.x, one.y, one.z])
    return canvas.file()


def _side(grid: Grid) -> int:
    return max(32, min(MAX_SIDE, math.isqrt(MAX_PIXELS // grid.pictures)))


def _layout(grid: Grid, width: int, height: int) -> _Layout:
    column, row = max(width, LEAST), max(height, 2 * font.HEIGHT * SCALE)
    longest = max(len(_lines(label, column, LINES)) for label in grid.x.labels)
    labels = _tall(1 + longest) + GAP
    down = len(grid.y) if grid.y else 1
    block = (_tall(1) + GAP if grid.z else 0) + labels + down * (row + GAP) + GAP
    top = GAP + _tall(len(_title(grid, _whole_width(grid, column)))) + GAP
    return _Layout(column=column, row=row, left=_left(grid), labels=labels, block=block, top=top)


def _left(grid: Grid) -> int:
    return GAP + (MARGIN + GAP if grid.y else 0)


def _whole_width(grid: Grid, column: int) -> int:
    return _left(grid) + len(grid.x) * (column + GAP) - GAP


def _tall(lines: int) -> int:
    return lines * font.HEIGHT * SCALE


def _lines(text: str, width: int, lines: int) -> list[str]:
    return font.wrapped(text, width // (font.WIDTH * SCALE), lines)


def _title(grid: Grid, width: int) -> list[str]:
    return _lines(fields.painting(grid.job).prompt.text, width, 2)


def _head(canvas: Canvas, grid: Grid) -> None:
    for number, line in enumerate(_title(grid, canvas.width - 2 * GAP)):
        canvas.text(GAP, GAP + _tall(number), line)


def _block(canvas: Canvas, grid: Grid, layout: _Layout, z: int) -> None:
    """The labels of one value of z."""
    y = layout.top + z * layout.block
    canvas.box(GAP, y - GAP // 2, canvas.width - 2 * GAP, 1, FAINT)
    if grid.z:
        words = f"{grid.z.name}: {grid.z.labels[z]}"
        canvas.text(GAP, y, _lines(words, canvas.width - 2 * GAP, 1)[0])
        y += _tall(1) + GAP
    across = canvas.width - layout.left - GAP
    canvas.text(layout.left, y, _first(_lines(grid.x.name, across, 1)), FAINT)
    for x, label in enumerate(grid.x.labels):
        for number, line in enumerate(_lines(label, layout.column, LINES)):
            canvas.text(layout.left + x * (layout.column + GAP), y + _tall(1 + number), line)
    if grid.y:
        _rows(canvas, grid.y, layout, y)


def _rows(canvas: Canvas, axis: Axis, layout: _Layout, y: int) -> None:
    bottom = y + layout.labels
    canvas.text(GAP, bottom - GAP - _tall(1), _first(_lines(axis.name, MARGIN, 1)), FAINT)
    room = max(1, layout.row // (font.HEIGHT * SCALE))
    for number, label in enumerate(axis.labels):
        for line, words in enumerate(_lines(label, MARGIN, room)):
            canvas.text(GAP, bottom + number * (layout.row + GAP) + _tall(line), words)


def _first(lines: list[str]) -> str:
    return lines[0] if lines else ""


def _cell(canvas: Canvas, layout: _Layout, x: int, y: int, made: Made, thumb: png.Raster | None) -> None:
    if thumb is not None:
        canvas.picture(x, y, thumb)
        return
    canvas.box(x, y, layout.column, layout.row, HOLE)
    inner = layout.column - 2 * (GAP // 2)
    room = max(1, (layout.row - GAP) // (font.HEIGHT * SCALE))
    for number, line in enumerate(_lines(made.why or "cannot be shown", inner, room)):
        canvas.text(x + GAP // 2, y + GAP // 2 + _tall(number), line, WRONG)


def _thumb(folder: Folder, made: Made, side: int) -> png.Raster | None:
    """The picture, a whole number of times smaller, so that no side is longer than `side`; None where it has none."""
    content = folder.read(made.file) if made.file else None
    if content is None:
        return None
    try:
        return shrunk(png.decode(content), side)
    except VelaturaError:
        return None


def shrunk(picture: png.Raster, side: int) -> png.Raster:
    """RGB, 8 bits, with no side longer than `side`: each pixel is the mean of a square of the picture's."""
    times = -(-max(picture.width, picture.height) // side)
    size, channels = picture.bits // 8, picture.channels
    width, height = max(1, picture.width // times), max(1, picture.height // times)
    stride = picture.width * channels * size
    planes = (0, 1, 2) if channels >= 3 else (0, 0, 0)
    data = bytearray(width * height * 3)
    for y in range(height):
        rows = [
            picture.data[line * stride + size - 1 : (line + 1) * stride : size]  # the upper byte of each value
            for line in range(y * times, min((y + 1) * times, picture.height))
        ]
        for out, plane in enumerate(planes):
            every = channels * times
            parts = [
                row[plane + channels * shift :: every][:width]  # what is left over at the right is cut off
                for row in rows
                for shift in range(min(times, picture.width))
            ]
            mean = (
                parts[0] if len(parts) == 1 else bytes(sum(values) // len(parts) for values in zip(*parts, strict=True))
            )
            data[y * width * 3 + out : (y + 1) * width * 3 : 3] = mean
    return png.Raster(width=width, height=height, channels=3, data=bytes(data))
