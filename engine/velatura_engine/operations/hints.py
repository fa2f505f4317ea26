"""The hints of a painting's controls: made, brought to the picture's size, and ready for the canvas."""

from __future__ import annotations

import numpy as np

from ..pixels import masks
from ..pixels.depth import hint, hit
from ..pixels.picture import as_single, as_srgb
from ..plan import ControlPlan, DiffusePlan, Preparation
from ..planning.sizes import Size
from ..preprocessors import Given, preprocessor
from ..request import Depth, Resize
from .canvas import extend, fit, framed
from .context import Context
from .scene import disparity_of


def hint_of(control: ControlPlan, plan: DiffusePlan, context: Context) -> np.ndarray:
    """The hint of one control at the canvas' size, (H, W, 3) float32.

    What a preprocessor makes of a picture is made at the picture's final size, so that lines stay as thin as they are
    drawn; what it makes of depth is made of the depth as it came, whose far and near must not be mixed before.
    """
    image = control.image
    if isinstance(image, Preparation):
        made = _made(image, control.resize, plan, context)
    else:
        made = hint(disparity_of(image, context)) if isinstance(image, Depth) else as_srgb(context.picture(image))
        made = resized(made, _covered((made.shape[1], made.shape[0]), plan), control.resize)
    return framed(made, plan)


def _covered(given: Size, plan: DiffusePlan) -> Size:
    """What a hint of that size lies over: the old picture where it is exactly as large, else the whole new canvas."""
    margins = plan.frame.margins if plan.frame else None
    if not margins:
        return plan.size
    width, height = plan.size
    old = width - margins.left - margins.right, height - margins.top - margins.bottom
    return old if given == old else plan.size


def prepare(preparation: Preparation, given: Given, context: Context) -> np.ndarray:
    """The hint (H, W, 3) float32 that a preprocessor makes, with the depth and the annotator that were planned."""
    facts = {name: getattr(given, name) for name in ("picture", "mask", "x", "y")}
    if preparation.depth is not None:
        facts |= {"z": _metric(preparation.depth, context), "disparity": disparity_of(preparation.depth, context)}
    if preparation.annotator is not None:
        facts["estimate"] = context.models.annotator(preparation.annotator)
    if preparation.helper is not None:
        facts["find"] = context.models.annotator(preparation.helper)
    return preprocessor(preparation.preprocessor).build(Given(**facts), **preparation.knobs)


def _made(preparation: Preparation, mode: Resize, plan: DiffusePlan, context: Context) -> np.ndarray:
    """A hint made for a painting, at the picture's size."""
    tiling = plan.tiling
    if preparation.image is None:
        made = prepare(preparation, Given(x=tiling.x, y=tiling.y), context)
        return resized(made, _covered((made.shape[1], made.shape[0]), plan), mode)
    source = context.picture(preparation.image)
    size = _covered((source.width, source.height), plan)
    inner = _inner((source.width, source.height), size, mode)
    picture = _cropped(as_srgb(source), size, mode)
    # A picture that is cut or padded along an axis does not go on behind its edge.
    x, y = (
        tiled and side == wanted for tiled, side, wanted in zip((tiling.x, tiling.y), inner, plan.size, strict=True)
    )
    given = Given(picture=picture, mask=_repainted(plan, picture.shape, context), x=x, y=y)
    return _padded(prepare(preparation, given, context), size)


def _repainted(plan: DiffusePlan, shape: tuple[int, ...], context: Context) -> np.ndarray | None:
    """The painting's mask, of it the middle part that a picture of that shape covers."""
    if plan.mask is None:
        return None
    mask = masks.widen(as_single(context.picture(plan.mask)), plan.inpaint.grow, plan.inpaint.feather)
    if plan.frame and (shape[1], shape[0]) == plan.size:
        mask = extend(mask, plan.frame.margins, 1)
    top, left = ((whole - side) // 2 for whole, side in zip(mask.shape, shape, strict=False))
    return mask[top : top + shape[0], left : left + shape[1]]


def _metric(depth: Depth, context: Context) -> np.ndarray | None:
    """Distances (H, W) float32 in metres, 0 where nothing was hit; None for relative depth."""
    if not depth.metric:
        return None
    z = context.picture(depth.image).pixels[..., 0]
    valid = hit(z)
    if depth.validity is not None:
        valid &= as_single(context.picture(depth.validity)) > 0.5
    return np.where(valid, z, 0).astype(np.float32)


def resized(values: np.ndarray, size: Size, mode: Resize) -> np.ndarray:
    """(H, W, C) brought to `size` (width, height): stretched, whole with black around, or filling it and cut."""
    return _padded(_cropped(values, size, mode), size)


def _inner(given: Size, size: Size, mode: Resize) -> Size:
    """Width and height that a picture gets before it is cut or padded."""
    if mode == "stretch":
        return size
    scales = [wanted / side for wanted, side in zip(size, given, strict=True)]
    scale = min(scales) if mode == "fit" else max(scales)
    width, height = (max(1, round(side * scale)) for side in given)
    return width, height


def _cropped(values: np.ndarray, size: Size, mode: Resize) -> np.ndarray:
    """(H, W, C) resized, its middle cut out where it is larger than `size`."""
    inner = _inner((values.shape[1], values.shape[0]), size, mode)
    values = fit(values, inner, inner)
    left, top = (max(0, (side - wanted) // 2) for side, wanted in zip(inner, size, strict=True))
    return values[top : top + size[1], left : left + size[0]]


def _padded(values: np.ndarray, size: Size) -> np.ndarray:
    """(H, W, C) in the middle of `size`, black around."""
    height, width = values.shape[:2]
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    around = ((top, size[1] - height - top), (left, size[0] - width - left), (0, 0))
    return np.pad(values, around) if any(map(any, around)) else values
