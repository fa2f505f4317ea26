"""What a painting starts from, fetched and shaped for its canvas, and what of the painted comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from ..pixels import masks
from ..pixels.depth import disparity
from ..pixels.picture import Picture, as_single, as_srgb, srgb_to_linear
from ..plan import DiffusePlan, PassagePlan
from ..planning.sizes import Size
from ..request import Depth
from .context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The pictures a painting starts from, at the canvas' size: (H, W, C) float32, masks and depth (H, W)."""

    original: Picture | None = None
    init: np.ndarray | None = None
    mask: np.ndarray | None = None
    composite: np.ndarray | None = None
    depth: np.ndarray | None = None
    regions: tuple[np.ndarray | None, ...] = field(default_factory=tuple)
    """Where each of the prompt's passages holds, then each of the negative's; None is everywhere."""


def fetch(plan: DiffusePlan, context: Context) -> Scene:
    """Fetch and shape everything that the plan names."""
    depth = None if plan.depth is None else fit(disparity_of(plan.depth, context), plan.size, plan.canvas)
    regions = tuple(_region(passage, plan, context) for passage in (*plan.passages, *plan.negative_passages))
    if plan.init is None:
        return Scene(depth=depth, regions=regions)
    original = context.picture(plan.init)
    picture = as_srgb(original)
    mask = composite = None
    if plan.mask is not None:
        composite = as_single(context.picture(plan.mask))
        mask = masks.widen(composite, plan.inpaint.grow, plan.inpaint.feather)
        noise = np.random.default_rng(plan.seeds[0])
        picture = masks.fill(picture, mask, plan.inpaint.fill or "original", noise)
        composite = mask if plan.inpaint.grow or plan.inpaint.feather else composite
        mask = fit(mask, plan.size, plan.canvas)
    return Scene(
        original=original,
        init=fit(picture, plan.size, plan.canvas),
        mask=mask,
        composite=composite,
        depth=depth,
        regions=regions,
    )


def _region(passage: PassagePlan, plan: DiffusePlan, context: Context) -> np.ndarray | None:
    return None if passage.mask is None else fit(as_single(context.picture(passage.mask)), plan.size, plan.canvas)


def disparity_of(depth: Depth, context: Context) -> np.ndarray:
    """Disparity (H, W) float32 0..1 of a depth that was asked for, as large as it came."""
    picture = context.picture(depth.image)
    values = picture.pixels[..., 0] if depth.metric else as_single(picture)
    valid = None if depth.validity is None else as_single(context.picture(depth.validity)) > 0.5
    if depth.metric:
        return disparity(values, valid, depth.near, depth.far)
    return values if valid is None else np.where(valid, values, 0).astype(np.float32)


def fit(values: np.ndarray, size: Size, canvas: Size) -> np.ndarray:
    """(H, W) or (H, W, C) float32 -> resized to `size` (width, height), its edge repeated to fill `canvas`."""
    tensor = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(values))).permute(2, 0, 1)[None]
    width, height = size
    if tensor.shape[-2:] != (height, width):
        tensor = F.interpolate(tensor, size=(height, width), mode="bilinear", antialias=True)
    tensor = F.pad(tensor, (0, canvas[0] - width, 0, canvas[1] - height), mode="replicate")
    shaped = tensor[0].permute(1, 2, 0).numpy()
    return shaped[..., 0] if values.ndim == 2 else shaped


def finish(plan: DiffusePlan, scene: Scene, picture: np.ndarray) -> Picture:
    """Crop to the size asked for; with a mask lay it over the original, whose other pixels stay as they were."""
    width, height = plan.size
    picture = picture[:height, :width]
    if scene.composite is None or scene.original is None:
        return Picture(picture)
    original, linear = scene.original, scene.original.space == "linear"
    pixels = original.pixels[..., :3] if original.channels >= 3 else np.repeat(original.pixels[..., :1], 3, axis=2)
    laid = masks.lay(pixels, srgb_to_linear(picture) if linear else picture, scene.composite)
    laid = np.concatenate([laid, original.pixels[..., 3:]], axis=2) if original.channels == 4 else laid
    return Picture(laid, "linear" if linear else "srgb")
