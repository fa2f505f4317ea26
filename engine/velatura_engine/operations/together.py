"""Painting several views of one scene all at once: at every step what each is becoming is made of what all show.

Latents are blended while the views begin to be painted, so that they agree on what goes where, the more for those that
face a place, so that nothing is smeared. What comes out is blended once more as pixels, where a latent is too coarse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ..events import Artifact, Event, Preview
from ..pixels.masks import quantize
from ..pixels.picture import Picture, as_srgb
from ..plan import DiffusePlan, ViewsPlan
from ..planning.sizes import Size
from ..request import Viewpoint
from ..runtime.guesses import Change
from ..runtime.models import Loaded
from ..textures.eyes import ViewArrays
from ..textures.sharing import Sharing
from ..textures.views import FLOOR
from .canvas import fit
from .context import Context
from .diffuse import paint

UNTIL = 0.3
"""Share of the run during which views are made to agree; after it details are each view's own."""
GENTLE, STEEP = 4.0, 12.0
"""Powers of the cosine that views are weighed by, at the beginning and at the end of that."""
LAST = 12.0
"""The same for the pixels that come out: so high that they are not smeared."""


def paint_together(plan: ViewsPlan, context: Context) -> list[Picture]:
    """Paint the views that have no picture; returns all, RGBA, in which a pixel counts by how much of it the view has
    from nobody else: a copy is a little softer than what it repeats. Kept ones count as before."""
    kept = {n: context.picture(view.color) for n, view in enumerate(plan.views) if view.color is not None}
    painted = [number for number in range(len(plan.views)) if number not in kept]
    parts = tuple(part for part in plan.parts if part is not None)
    batch = replace(parts[0], seeds=tuple(part.seeds[0] for part in parts), beside=parts)
    with _as_views(context, painted):
        made = paint(batch, context, partial(_agreeing, plan, batch, context, kept, painted))
    width, height = batch.size
    arrays = [_arrays(view, batch.size, batch.size, context) for view in plan.views]
    shown = dict(zip(painted, map(as_srgb, made), strict=True))
    shown |= {number: fit(as_srgb(picture), batch.size, batch.size) for number, picture in kept.items()}
    stack = torch.stack([torch.from_numpy(np.ascontiguousarray(shown[n])).permute(2, 0, 1) for n in sorted(shown)])
    sharing = Sharing(arrays, (width, height), context.check)
    blended = sharing.blend(stack, LAST, painted).permute(0, 2, 3, 1).numpy()
    counts = sharing.own(LAST, painted)[..., None].numpy().clip(FLOOR, 1)
    pictures = dict(kept)
    for number, values, own in zip(painted, blended, counts, strict=True):
        whole = np.concatenate([values.clip(0, 1), own], axis=2)
        pictures[number] = Picture(quantize(whole, np.uint8))
    return [pictures[number] for number in range(len(plan.views))]


def _agreeing(
    plan: ViewsPlan, batch: DiffusePlan, context: Context, kept: dict[int, Picture], painted: list[int], model: Loaded
) -> Change:
    """What changes the guesses (B, C, h, w) of the painted views."""
    width, height = (side // batch.model.latent_factor for side in batch.canvas)
    arrays = [_arrays(view, batch.size, batch.canvas, context) for view in plan.views]
    sharing = Sharing(arrays, (width, height), context.check)
    fixed = {number: _latents(picture, batch, model) for number, picture in kept.items()}
    turn = iter(range(1 << 30))

    def change(guess: torch.Tensor, part: float) -> torch.Tensor:
        if next(turn) % plan.agreement.every or part > UNTIL:
            return guess
        context.check()
        own = dict(zip(painted, guess.cpu(), strict=True)) | fixed
        exponent = GENTLE + (STEEP - GENTLE) * part / UNTIL
        everything = torch.stack([own[number] for number in range(len(plan.views))])
        return sharing.blend(everything, exponent, painted).to(guess)

    return change


def _latents(picture: Picture, batch: DiffusePlan, model: Loaded) -> torch.Tensor:
    """Latents (C, h, w) of a picture on the canvas."""
    whole = fit(as_srgb(picture), batch.size, batch.canvas)
    pixels = torch.from_numpy(np.ascontiguousarray(whole)).permute(2, 0, 1)[None]
    return model.encode(pixels.to(model.device, model.dtype) * 2 - 1)[0].float().cpu()


def _arrays(view: Viewpoint, size: Size, canvas: Size, context: Context) -> ViewArrays:
    """A view on its canvas, which goes on to the right and below where the picture is smaller: nothing is there."""
    depth = context.picture(view.depth.image).pixels[..., 0]
    rows, columns = depth.shape
    width, height = (round(own * whole / side) for own, whole, side in zip((columns, rows), canvas, size, strict=True))
    across, down = columns / width, rows / height
    clip = np.array(view.camera_to_clip, float)
    clip[0] = clip[0] * across + clip[3] * (across - 1)
    clip[1] = clip[1] * down + clip[3] * (1 - down)
    return ViewArrays(
        world_to_camera=view.world_to_camera, camera_to_clip=clip, color=np.zeros((1, 1, 3), np.float32),
        depth=np.pad(depth, ((0, height - rows), (0, width - columns))), weight=view.weight,
    )  # fmt: skip


@contextmanager
def _as_views(context: Context, painted: list[int]) -> Iterator[None]:
    """While it lasts, glimpses are those of the views painted, and unfinished artifacts are kept back."""
    emit = context.emit

    def told(event: Event) -> None:
        if isinstance(event, Preview):
            emit(replace(event, index=painted[event.index]))
        elif not isinstance(event, Artifact):
            emit(event)

    context.emit = told
    try:
        yield
    finally:
        context.emit = emit
