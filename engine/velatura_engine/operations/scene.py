"""What a painting starts from, fetched and shaped for its canvas, and what of the painted comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..pixels import colour, masks
from ..pixels.borders import shifted
from ..pixels.depth import disparity
from ..pixels.fills import Wrap, fill
from ..pixels.picture import Picture, as_single, as_srgb, srgb_to_linear
from ..plan import DiffusePlan, PassagePlan
from ..planning.frame import Frame
from ..request import Depth
from . import canvas
from .canvas import framed
from .context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The pictures a painting starts from.

    At the canvas' size: `init` (H, W, 3) float32, `mask` and `depth` (H, W). In the picture's own
    pixels: `original`, grown to the new canvas, and of the frame's box `composite` (H, W): how much of each new pixel
    is laid over it.
    """

    original: Picture | None = None
    init: np.ndarray | None = None
    mask: np.ndarray | None = None
    composite: np.ndarray | None = None
    depth: np.ndarray | None = None
    regions: tuple[np.ndarray | None, ...] = field(default_factory=tuple)
    """Where each of the prompt's passages holds, then each of the negative's; None is everywhere."""


def fetch(plan: DiffusePlan, context: Context) -> Scene:
    """Fetch and shape everything that the plan names."""
    depth = None if plan.depth is None else framed(disparity_of(plan.depth, context), plan)
    regions = tuple(_region(passage, plan, context) for passage in (*plan.passages, *plan.negative_passages))
    if plan.init is None:
        return Scene(depth=depth, regions=regions)
    picture = context.picture(plan.init)
    if plan.tiling.keep is not None:
        picture = shifted(picture, plan.tiling)
    if plan.frame is None:
        return Scene(original=picture, init=framed(as_srgb(picture), plan), depth=depth, regions=regions)
    given = None if plan.mask is None else as_single(context.picture(plan.mask))
    original, start, mask, composite = _to_repaint(plan, plan.frame, picture, given)
    size = plan.frame.size
    return Scene(
        original=original,
        init=canvas.fit(start, size, plan.canvas),
        mask=canvas.fit(mask, size, plan.canvas),
        composite=composite,
        depth=depth,
        regions=regions,
    )


def _to_repaint(
    plan: DiffusePlan, frame: Frame, picture: Picture, given: np.ndarray | None
) -> tuple[Picture, np.ndarray, np.ndarray, np.ndarray]:
    """The picture on its grown canvas; and of the frame's box the start (H, W, 3), what is painted, what is laid."""
    margins, inpaint = frame.margins, plan.inpaint
    original = canvas.grow(picture, margins)
    added = canvas.crop(canvas.new(picture, margins), frame)
    asked = np.zeros((picture.height, picture.width), np.float32) if given is None else given
    asked = canvas.crop(canvas.extend(asked, margins, 1), frame)
    # The frame leaves room for all that the mask grows by: nothing is lost at its sides.
    wrap = _wrap(plan)
    composite = masks.widen(asked, inpaint.grow, inpaint.feather, wrap) if inpaint.grow or inpaint.feather else asked
    mask = composite
    if margins:
        mask = np.maximum(mask, canvas.crop(canvas.blended(picture, margins, wrap), frame))
    if inpaint.color_match:
        mask = np.maximum(mask, canvas.YIELD * masks.widen(composite, plan.model.latent_factor, 0, wrap))
    start = canvas.crop(as_srgb(original), frame)
    if margins:  # there is nothing yet to start from
        start = fill(start, added.astype(np.float32), "surroundings", np.random.default_rng(0), wrap)
    mode = inpaint.fill or "original"
    if mode != "surroundings" or given is not None:
        start = fill(start, composite, mode, np.random.default_rng(plan.seeds[0]), wrap)
    return original, start, mask, composite


def _wrap(plan: DiffusePlan) -> Wrap:
    return plan.tiling.x, plan.tiling.y


def _region(passage: PassagePlan, plan: DiffusePlan, context: Context) -> np.ndarray | None:
    return None if passage.mask is None else framed(as_single(context.picture(passage.mask)), plan)


def disparity_of(depth: Depth, context: Context) -> np.ndarray:
    """Disparity (H, W) float32 0..1 of a depth that was asked for, as large as it came."""
    picture = context.picture(depth.image)
    values = picture.pixels[..., 0] if depth.metric else as_single(picture)
    valid = None if depth.validity is None else as_single(context.picture(depth.validity)) > 0.5
    if depth.metric:
        return disparity(values, valid, depth.near, depth.far)
    return values if valid is None else np.where(valid, values, 0).astype(np.float32)


def finish(plan: DiffusePlan, scene: Scene, picture: np.ndarray) -> tuple[Picture, tuple[int, int]]:
    """The picture that comes out, and where its left upper corner lies on the canvas.

    Without a mask it is cropped to the size asked for. Else the new pixels are laid over the original, whose others
    stay as they were; or they come back alone, as a layer whose alpha says how much of each is to be laid down.
    """
    frame = plan.frame
    if frame is None or scene.composite is None or scene.original is None:
        width, height = plan.size
        return Picture(picture[:height, :width]), (0, 0)
    original, linear = scene.original, scene.original.space == "linear"
    picture = canvas.back(picture, frame)
    if plan.inpaint.color_match:
        around = canvas.crop(as_srgb(original), frame)
        picture = colour.match(picture, around, scene.composite, _wrap(plan))
    kind = original.pixels.dtype
    painted = masks.quantize(srgb_to_linear(picture) if linear else picture, kind)
    alpha = masks.quantize(scene.composite, kind)
    space = "linear" if linear else "srgb"
    if plan.inpaint.layer:
        left, top, width, height = frame.layer
        sheet = np.zeros((original.height, original.width, 4), kind)
        canvas.crop(sheet, frame)[...] = np.concatenate([painted, alpha[..., None]], axis=2)
        return Picture(sheet[top : top + height, left : left + width].copy(), space), (left, top)
    pixels = original.pixels[..., :3] if original.channels >= 3 else np.repeat(original.pixels[..., :1], 3, axis=2)
    pixels = pixels.copy()
    inside = canvas.crop(pixels, frame)
    inside[...] = masks.lay(inside, painted, alpha)
    pixels = np.concatenate([pixels, original.pixels[..., 3:]], axis=2) if original.channels == 4 else pixels
    return Picture(pixels, space), (0, 0)
