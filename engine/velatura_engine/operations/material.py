"""A picture's material: one plan -> one picture for each map. Only colours are sRGB; all else is plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ..events import Artifact
from ..pixels.picture import Picture, as_srgb
from ..plan import MaterialPlan
from ..runtime.materials import RULES, complete
from .context import Context

LEAST_RELIEF = 2.0
"""Pixels of height that black to white means at the least: a flat picture's noise is not to fill the whole range."""


def make_maps(plan: MaterialPlan, context: Context) -> list[Picture]:
    """Run one reading; emits an artifact for each map, in the plan's order, and returns the pictures."""
    context.stage(f"{plan.step_id}:material")
    image = torch.from_numpy(np.ascontiguousarray(as_srgb(context.picture(plan.image))))
    picture = image.permute(2, 0, 1)[None]  # (1, 3, H, W)

    def tick(done: int, total: int) -> None:
        context.check()
        context.progress(done, total)

    axes = "x" * plan.tile_x + "y" * plan.tile_y
    reader = RULES if plan.model is None else context.models.material(plan.model)
    made = reader(picture, axes, tick)
    if plan.model is not None and not set(plan.maps) <= made.keys():
        rest = RULES if plan.beside is None else context.models.material(plan.beside)
        made = complete(made, rest(picture, axes, tick), axes)
    context.progress(1, 1)
    pictures = []
    for index, name in enumerate(plan.maps):
        picture_of, scores = _WRITERS.get(name, _grey)(made[name], plan)
        context.emit(
            Artifact(
                step_id=plan.step_id, index=index, kind=name, name=name, picture=picture_of, scores=scores,
                hidden=plan.hidden,
            )
        )  # fmt: skip
        pictures.append(picture_of)
    return pictures


Written = tuple[Picture, Mapping[str, float]]


def _albedo(values: torch.Tensor, plan: MaterialPlan) -> Written:
    return Picture(_rows(values), "srgb"), {}


def _normal(values: torch.Tensor, plan: MaterialPlan) -> Written:
    flip = torch.tensor([1.0, -1.0 if plan.y_down else 1.0, 1.0]).view(1, 3, 1, 1)
    return Picture(_rows(values * flip * 0.5 + 0.5), "data"), {}


def _height(values: torch.Tensor, plan: MaterialPlan) -> Written:
    low, high = float(values.min()), float(values.max())
    relief = max(high - low, LEAST_RELIEF)
    shares = ((values - (high + low) / 2) / relief + 0.5).clamp(0, 1)
    steps = np.rint(_rows(shares.unsqueeze(1)).astype(np.float64) * 65535).astype(np.uint16)
    return Picture(steps, "data"), {"relief": relief}


def _grey(values: torch.Tensor, plan: MaterialPlan) -> Written:
    return Picture(_rows(values.unsqueeze(1)), "data"), {}


def _rows(values: torch.Tensor) -> np.ndarray:
    """(1, C, H, W) to (H, W, C) float32."""
    return np.ascontiguousarray(values[0].permute(1, 2, 0).float().cpu().numpy())


_WRITERS: Mapping[str, Callable[[torch.Tensor, MaterialPlan], Written]] = {
    "albedo": _albedo,
    "normal": _normal,
    "height": _height,
}
