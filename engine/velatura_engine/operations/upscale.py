"""Making a picture larger: one plan -> one picture, in the colours, channels and number format it came in."""

from __future__ import annotations

import numpy as np

from ..events import Artifact
from ..pixels.picture import Picture, to_float
from ..plan import UpscalePlan
from ..upscalers import upscaler
from ..upscalers._kernel import Enlarge
from .context import Context


def enlarge(plan: UpscalePlan, context: Context) -> list[Picture]:
    """Run one enlarging; emits an artifact and returns the picture for later steps."""
    context.stage(f"{plan.step_id}:upscale")
    before = context.picture(plan.image)
    make: Enlarge = upscaler(plan.upscaler).build(**plan.knobs)
    picture = larger(before, make, plan.outputs[0], plan.tile_x, plan.tile_y)
    context.emit(Artifact(step_id=plan.step_id, index=0, kind="image", picture=picture, hidden=plan.hidden))
    return [picture]


def larger(picture: Picture, make: Enlarge, size: tuple[int, int], tile_x: bool, tile_y: bool) -> Picture:
    """A picture at another size. Colours count by their alpha, so that what is clear lends none to what is not."""
    values, kind = to_float(picture.pixels), picture.pixels.dtype
    clear = picture.channels in (2, 4) and picture.space != "data"
    if clear:
        values = np.concatenate([values[..., :-1] * values[..., -1:], values[..., -1:]], axis=2)
    values = make(values, size, tile_x, tile_y)
    if clear:
        alpha = np.clip(values[..., -1:], 0, 1)
        values = np.concatenate([np.where(alpha > 0, values[..., :-1] / np.maximum(alpha, 1e-6), 0), alpha], axis=2)
    if np.issubdtype(kind, np.integer):
        top = float(np.iinfo(kind).max)
        return Picture(np.clip(np.rint(values * top), 0, top).astype(kind), picture.space)
    # A kernel that rings must not make light negative; plain numbers may be.
    return Picture(values if picture.space == "data" else np.maximum(values, 0), picture.space)
