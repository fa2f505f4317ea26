"""Painting with any pipeline of diffusers: it is called with what its arguments take, one picture after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import Unsupported
from ..events import Warning
from ..plan import DiffusePlan
from ..runtime.seams import Moment, observe
from .context import Context
from .noise import generators
from .scene import Scene


def paint_generic(plan: DiffusePlan, context: Context, scene: Scene) -> list[np.ndarray]:
    """Pictures (H, W, 3) float32 0..1 of the canvas' size, one a seed. Raises Unsupported where none come out."""
    _warn(plan, context)
    pipeline = context.models.generic(plan.model)
    context.stage(f"{plan.step_id}:diffuse")
    width, height = plan.canvas
    pictures = []
    for number, dice in enumerate(generators(plan.seeds)):
        with torch.inference_mode():
            images = _call(pipeline, plan, context, scene, dice, number)
        if images is None or len(images) != 1:
            raise Unsupported(
                f"{plan.model.pipeline} of {plan.model.title} made no picture", field="model",
                remedy="use a model whose pipeline paints pictures",
            )  # fmt: skip
        pictures.append(_fitted(images[0], width, height))
    context.stage(f"{plan.step_id}:decode")
    return pictures


def _call(pipeline: Any, plan: DiffusePlan, context: Context, scene: Scene, dice: torch.Generator, number: int) -> Any:
    takes, steps = plan.model.takes, len(plan.seeds)
    width, height = plan.canvas

    def after(moment: Moment) -> None:
        context.check()
        context.progress(number * moment.total + moment.done, steps * moment.total)

    scheduler: Any = getattr(pipeline, "scheduler", None)
    observed = hasattr(scheduler, "step")
    if observed:
        pipeline.scheduler = type(scheduler).from_config(scheduler.config)
        observe(pipeline.scheduler, after)
    offered: dict[str, Any] = {
        "prompt": plan.prompt.text, "num_inference_steps": plan.steps, "guidance_scale": plan.guidance,
        "generator": dice, "width": width, "height": height, "output_type": "np",
    }  # fmt: skip
    if plan.negative.text:
        offered["negative_prompt"] = plan.negative.text
    if scene.init is not None:
        offered |= {"image": _picture(scene.init), "strength": plan.strength}
    if scene.mask is not None:
        offered["mask_image"] = _picture(scene.mask)
    if not observed:
        offered["callback_on_step_end"] = lambda *_: context.check() or {}
    call = {name: value for name, value in offered.items() if name in takes}
    try:
        if plan.model.modular:
            return pipeline(**call, output=["images"])["images"]
        return getattr(pipeline(**call), "images", None)
    finally:
        if observed:
            pipeline.scheduler = scheduler


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))


def _fitted(picture: Any, width: int, height: int) -> np.ndarray:
    """A picture as the canvas is: some pipelines choose sizes of their own."""
    values = np.asarray(picture, np.float32)
    if values.shape[:2] == (height, width):
        return values[..., :3]
    small = Image.fromarray((values[..., :3] * 255).round().astype(np.uint8)).resize(
        (width, height), Image.Resampling.LANCZOS
    )
    return np.asarray(small, np.float32) / 255


def _warn(plan: DiffusePlan, context: Context) -> None:
    spans = (span for branch in plan.prompt.at(0, 1) for chunk in branch.chunks for span in chunk)
    if any(span.weight != 1 for span in spans):
        context.emit(Warning(
            reason="PROMPT_WEIGHTS_IGNORED", field=plan.prompt.field,
            message=f"{plan.model.pipeline} reads its prompt by itself and does not hear weights of single words",
        ))  # fmt: skip
