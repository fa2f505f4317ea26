"""Which part of a picture is painted, and at which size: for a mask in a large picture, and for a canvas that grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..pixels import masks
from ..request import Inpaint, Outpaint
from .sizes import Size

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

OVERLAP = 8
"""A growing canvas is blended over this part of its side with the old picture: an eighth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a frame has to obey: the model's multiple and native side, the pixels allowed, and which axes wrap."""

    multiple: int
    native: int
    pixels: int | None
    wrap: tuple[bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A part of a picture.

    `margins` is what the canvas grows by, `whole` its size with them. Of that `box` is painted at `size`, within
    `canvas`, which is the model's multiple. `layer` encloses everything that can change. Not `settled`: the mask is
    yet to be made, and box and layer are the whole picture.
    """

    margins: Outpaint
    whole: Size
    box: Box
    size: Size
    canvas: Size
    layer: Box
    rules: Rules
    settled: bool = True


def frame(init: Size, mask: np.ndarray | None, margins: Outpaint, inpaint: Inpaint, rules: Rules) -> Frame:
    """The frame of a mask (H, W) of the size of `init`, of new margins, or of both."""
    whole = grown(init, margins)
    changed = _changed(init, mask, margins, inpaint)
    layer = _around(_within(changed, whole), changed, whole, rules.wrap) if changed else (0, 0, *whole)
    if inpaint.context is None:
        box, size = (0, 0, *whole), whole
        canvas = _multiple(whole[0], rules.multiple), _multiple(whole[1], rules.multiple)
    else:
        box, size, canvas = _crop(_widened(layer, init, margins, inpaint.context, whole), whole, rules)
    return Frame(margins=margins, whole=whole, box=box, size=size, canvas=canvas, layer=layer, rules=rules)


def unsettled(init: Size, margins: Outpaint, inpaint: Inpaint, rules: Rules) -> Frame:
    """The frame of a mask that an earlier step will make: as large as it can become."""
    whole = grown(init, margins)
    canvas = _multiple(whole[0], rules.multiple), _multiple(whole[1], rules.multiple)
    if inpaint.context is not None:
        least = _multiple(rules.native, rules.multiple)
        canvas = max(canvas, (least, least), key=math.prod)
    box = (0, 0, *whole)
    return Frame(
        margins=margins, whole=whole, box=box, size=whole, canvas=canvas, layer=box, rules=rules, settled=False
    )


def grown(init: Size, margins: Outpaint) -> Size:
    """Size of a picture with its margins."""
    return init[0] + margins.left + margins.right, init[1] + margins.top + margins.bottom


def overlap(whole: Size) -> Size:
    """How far the blending with new margins reaches into the old picture, pixels along x and y."""
    return -(-whole[0] // OVERLAP), -(-whole[1] // OVERLAP)


def _changed(init: Size, mask: np.ndarray | None, margins: Outpaint, inpaint: Inpaint) -> Box | None:
    """What encloses the new margins and the mask with all that it can grow by, on the grown canvas; may reach out."""
    width, height = grown(init, margins)
    boxes: list[Box] = [
        box
        for box in (
            (0, 0, margins.left, height),
            (0, 0, width, margins.top),
            (width - margins.right, 0, margins.right, height),
            (0, height - margins.bottom, width, margins.bottom),
        )
        if box[2] and box[3]
    ]
    if mask is not None and mask.any():
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        left, top = int(columns[0]), int(rows[0])
        boxes.append((left + margins.left, top + margins.top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1))
    if not boxes:
        return None
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return _outward((left, top, right - left, bottom - top), masks.reach(inpaint.grow, inpaint.feather))


def _outward(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + 2 * by, box[3] + 2 * by


def _within(box: Box, whole: Size) -> Box:
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(whole[0], box[0] + box[2]), min(whole[1], box[1] + box[3])
    return left, top, right - left, bottom - top


def _around(box: Box, reaching: Box, whole: Size, wrap: tuple[bool, bool]) -> Box:
    """The box, but whole along axes that wrap where it reaches across their edge."""
    left, top, width, height = box
    if wrap[0] and width < reaching[2]:
        left, width = 0, whole[0]
    if wrap[1] and height < reaching[3]:
        top, height = 0, whole[1]
    return left, top, width, height


def _widened(layer: Box, init: Size, margins: Outpaint, context: int, whole: Size) -> Box:
    """The layer with its context; of a growing canvas at least with what is blended into the old picture."""
    across, down = overlap(whole)
    context_x = max(context, across) if margins.left or margins.right else context
    context_y = max(context, down) if margins.top or margins.bottom else context
    left, top, width, height = layer
    return _within((left - context_x, top - context_y, width + 2 * context_x, height + 2 * context_y), whole)


def _crop(box: Box, whole: Size, rules: Rules) -> tuple[Box, Size, Size]:
    """The box as it is painted, its size there, and the canvas: near the model's native area, never less than it has.

    Less only where more is not allowed. Axes that wrap are painted over their whole length and unscaled, since a part
    of them cannot meet itself. Elsewhere the box is widened to the model's multiple where the picture has room, rather
    than filled up.
    """
    starts, lengths = list(box[:2]), list(box[2:])
    for axis in (0, 1):
        if rules.wrap[axis]:
            starts[axis], lengths[axis] = 0, whole[axis]
    factor, canvas = _scale((lengths[0], lengths[1]), rules)
    size = [0, 0]
    for axis in (0, 1):
        length = min(whole[axis], max(lengths[axis], round(canvas[axis] / factor)))
        size[axis] = canvas[axis] if length * factor > canvas[axis] - 1 else max(1, round(length * factor))
        starts[axis] = min(max(0, starts[axis] - (length - lengths[axis]) // 2), whole[axis] - length)
        lengths[axis] = length
    return (starts[0], starts[1], lengths[0], lengths[1]), (size[0], size[1]), canvas


def _scale(lengths: Size, rules: Rules) -> tuple[float, Size]:
    """How much larger a box is painted, and the canvas that holds it."""
    factor = 1.0 if any(rules.wrap) else max(1.0, rules.native / math.sqrt(math.prod(lengths)))
    least = rules.multiple**2
    while True:
        across, down = (_multiple(math.ceil(length * factor - 1e-6), rules.multiple) for length in lengths)
        fits = rules.pixels is None or across * down <= max(rules.pixels, least)
        if fits or any(rules.wrap):
            return factor, (across, down)
        factor *= 0.95


def _multiple(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
