"""The canvas of a repainting: grown by its margins, cropped to what is painted, and back again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from ..pixels import masks
from ..pixels.fills import Wrap
from ..pixels.picture import Picture, as_single
from ..plan import DiffusePlan
from ..planning.frame import Frame, frame, overlap
from ..planning.sizes import Size
from ..request import Outpaint
from .context import Context

YIELD = 0.45
"""Mask value at which old pixels beside new ones begin to be painted along, so that the two grow together."""


def settle(plan: DiffusePlan, context: Context) -> DiffusePlan:
    """The plan with the frame of a mask that an earlier step has made by now."""
    if plan.frame is None or plan.frame.settled or plan.mask is None or plan.init is None:
        return plan
    init, mask = context.picture(plan.init), as_single(context.picture(plan.mask))
    found = frame((init.width, init.height), mask, plan.frame.margins, plan.inpaint, plan.frame.rules)
    whole = (0, 0, *found.whole)
    # Later steps were promised a layer as large as the picture.
    return replace(plan, frame=replace(found, layer=whole), canvas=found.canvas)


def extend(values: np.ndarray, margins: Outpaint, fill: float = 0) -> np.ndarray:
    """(H, W, C) or (H, W) with margins of `fill`."""
    sides = ((margins.top, margins.bottom), (margins.left, margins.right), (0, 0))[: values.ndim]
    return np.pad(values, sides, constant_values=fill) if margins else values


def grow(picture: Picture, margins: Outpaint) -> Picture:
    """A picture with black margins, opaque where it has alpha."""
    pixels = extend(picture.pixels, margins)
    if margins and picture.channels in (2, 4):
        pixels[new(picture, margins), -1] = masks.quantize(np.ones(1), pixels.dtype)[0]
    return Picture(pixels, picture.space)


def new(picture: Picture, margins: Outpaint) -> np.ndarray:
    """Which pixels (H, W) of a grown canvas lie in its margins."""
    return extend(np.zeros((picture.height, picture.width), bool), margins, True)


def blended(picture: Picture, margins: Outpaint, wrap: Wrap) -> np.ndarray:
    """Mask (H, W) of old pixels that are painted along with new margins: over an eighth of the side, fading out."""
    width, height = picture.width, picture.height
    across, down = overlap((width + margins.left + margins.right, height + margins.top + margins.bottom))
    x, y = np.arange(width), np.arange(height)
    # Where an axis wraps, new pixels on one side meet the old ones on the other.
    left, right = (margin or (wrap[0] and other) for margin, other in _both(margins.left, margins.right))
    top, bottom = (margin or (wrap[1] and other) for margin, other in _both(margins.top, margins.bottom))
    ramp = np.zeros((height, width), np.float32)
    for margin, away, length in (
        (left, x[None, :], across), (right, (width - 1 - x)[None, :], across),
        (top, y[:, None], down), (bottom, (height - 1 - y)[:, None], down),
    ):  # fmt: skip
        if margin:
            ramp = np.maximum(ramp, np.clip(1 - away / length, 0, 1).astype(np.float32))
    return extend(YIELD * ramp, margins)


def _both(first: int, second: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (first, second), (second, first)


def crop(values: np.ndarray, frame: Frame) -> np.ndarray:
    """The frame's box of (H, W, C) or (H, W)."""
    left, top, width, height = frame.box
    return values[top : top + height, left : left + width]


def framed(values: np.ndarray, plan: DiffusePlan) -> np.ndarray:
    """A hint or depth (H, W) or (H, W, C), as it belongs onto the canvas that is painted.

    One of exactly the old picture's size lies over the old picture, its edge repeated outward; any other lies over the
    whole new canvas.
    """
    if plan.frame is None:
        return fit(values, plan.size, plan.canvas)
    margins, whole = plan.frame.margins, plan.frame.whole
    old = whole[1] - margins.top - margins.bottom, whole[0] - margins.left - margins.right
    if margins and values.shape[:2] == old:
        sides = ((margins.top, margins.bottom), (margins.left, margins.right), (0, 0))[: values.ndim]
        values = np.pad(values, sides, mode="edge")
    return fit(crop(fit(values, whole, whole), plan.frame), plan.frame.size, plan.canvas)


def fit(values: np.ndarray, size: Size, canvas: Size) -> np.ndarray:
    """(H, W) or (H, W, C) float32 -> resized to `size` (width, height), its edge repeated to fill `canvas`."""
    tensor = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(values))).permute(2, 0, 1)[None]
    width, height = size
    if tensor.shape[-2:] != (height, width):
        tensor = F.interpolate(tensor, size=(height, width), mode="bilinear", antialias=True)
    tensor = F.pad(tensor, (0, canvas[0] - width, 0, canvas[1] - height), mode="replicate")
    shaped = tensor[0].permute(1, 2, 0).numpy()
    return shaped[..., 0] if values.ndim == 2 else shaped


def back(painted: np.ndarray, frame: Frame) -> np.ndarray:
    """What was painted (H, W, 3) on the canvas -> the frame's box at the picture's own scale."""
    width, height = frame.size
    tensor = torch.from_numpy(np.ascontiguousarray(painted[:height, :width])).permute(2, 0, 1)[None]
    box = frame.box[3], frame.box[2]
    if tensor.shape[-2:] != box:
        tensor = F.interpolate(tensor, size=box, mode="bicubic", antialias=True).clamp(0, 1)
    return tensor[0].permute(1, 2, 0).numpy()
