"""Painting with any pipeline of diffusers: it is called with what its arguments take, one picture after the other."""

from __future__ import annotations

import time
from math import log
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderKLQwenImage
from PIL import Image

from ..errors import Unsupported
from ..events import Preview, Warning
from ..plan import DiffusePlan
from ..runtime import autoencoder
from ..runtime.latents import latent_space
from ..runtime.preview import PreviewMap, fit
from ..runtime.seams import Moment, observe
from ..runtime.tokens import Tokens
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
    glimpses = _Glimpses(pipeline, plan, context)
    for number, dice in enumerate(generators(plan.seeds)):
        with torch.inference_mode():
            images = _call(pipeline, plan, context, scene, dice, number, glimpses)
        if images is None or len(images) != 1:
            raise Unsupported(
                f"{plan.model.pipeline} of {plan.model.title} made no picture", field="model",
                remedy="use a model whose pipeline paints pictures",
            )  # fmt: skip
        pictures.append(_fitted(images[0], width, height))
    context.stage(f"{plan.step_id}:decode")
    return pictures


def _call(
    pipeline: Any, plan: DiffusePlan, context: Context, scene: Scene, dice: torch.Generator, number: int,
    glimpses: _Glimpses,
) -> Any:  # fmt: skip
    takes, steps = plan.model.takes, len(plan.seeds)
    width, height = plan.canvas

    def after(moment: Moment) -> None:
        context.check()
        context.progress(number * moment.total + moment.done, steps * moment.total)
        glimpses.show(moment, number)

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


class _Glimpses:
    """Previews of a pipeline's latents where its VAE tells what they are: those of `AutoencoderKL` and of films, in
    rows and columns, or two by two as tokens."""

    def __init__(self, pipeline: Any, plan: DiffusePlan, context: Context) -> None:
        self.vae, self.plan, self.context = getattr(pipeline, "vae", None), plan, context
        self.last = time.monotonic()
        self._map: PreviewMap | None = None

    def show(self, moment: Moment, number: int) -> None:
        """A glimpse, where one is due and can be had."""
        ask, now = self.context.preview, time.monotonic()
        if ask is None or moment.next_timestep is None or now - self.last < ask.interval:
            return
        self.last = now
        if not isinstance(self.vae, AutoencoderKL | AutoencoderKLQwenImage):
            return
        if self._map is None:
            self._map = self._fitted(self.vae)
        latents = self._grid(moment.denoised, len(self._map.matrix) - 1)
        if latents is None:
            return
        pixels = self._map.picture(latents[0], ask.size)
        self.context.emit(Preview(pixels=pixels, index=number, step=moment.done, step_id=self.plan.step_id))

    def _fitted(self, vae: Any) -> PreviewMap:
        space = latent_space(vae.config)

        def encode(pictures: torch.Tensor) -> torch.Tensor:
            return space.enter(autoencoder.encode(vae, pictures))

        blank = torch.zeros(1, 3, 128, 128, device=vae.device, dtype=vae.dtype)
        return fit(encode, 128 // encode(blank).shape[-1], vae.device, vae.dtype)

    def _grid(self, latents: torch.Tensor, channels: int) -> torch.Tensor | None:
        """Latents (1, C, h, w); None where they are of another kind."""
        if latents.ndim == 5 and latents.shape[2] == 1:
            latents = latents[:, :, 0]
        if latents.ndim == 4 and latents.shape[1] == channels:
            return latents
        if latents.ndim != 3 or latents.shape[2] != channels * 4:
            return None
        # Pipelines may choose sizes of their own, near the canvas' proportions.
        count, (width, height) = latents.shape[1], self.plan.canvas
        rows = min(
            (rows for rows in range(1, count + 1) if count % rows == 0),
            key=lambda rows: abs(log(count / rows**2 * height / width)),
        )
        return Tokens("pairs", 2 * count // rows, 2 * rows).grid(latents)


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
