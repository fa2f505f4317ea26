"""Draw pictures with the shipped pipeline and its measured settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from torch import Tensor

from . import controlnet_path, model_path, weights_path
from .device import device, roomy
from .padding import periodic


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sampling settings: pixels a side, steps, classifier-free guidance."""

    size: int = 128
    steps: int = 20
    guidance: float = 4.0


def vocabulary(path: Path | None = None) -> dict:
    """What the model knows and its default settings: weights/vocabulary.json."""
    return json.loads(((path or weights_path()) / "vocabulary.json").read_text(encoding="utf-8"))


def load_pipeline(path: Path | None = None) -> StableDiffusionPipeline:
    """The texture pipeline in float32, silent, on a card where there is one."""
    pipe = StableDiffusionPipeline.from_pretrained(path or model_path(), torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device())


def load_depth_pipeline(path: Path | None = None, control: Path | None = None) -> StableDiffusionControlNetPipeline:
    """The texture pipeline with the depth ControlNet in float32, silent, on a card where there is one."""
    extra = ControlNetModel.from_pretrained(control or controlnet_path(), torch_dtype=torch.float32)
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        path or model_path(), controlnet=extra, torch_dtype=torch.float32
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device())


def paint(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    settings: Settings,
    *,
    seed: int = 0,
    axes: str = "xy",
    batch: int | None = None,
) -> Tensor:
    """Textures (N, 3, size, size) in 0..1 for the prompts; every picture has its own seed."""
    out, batch = [], batch or roomy(16, 128)
    for start in range(0, len(prompts), batch):
        said = list(prompts[start : start + batch])
        dice = [torch.Generator().manual_seed(seed + start + i) for i in range(len(said))]
        with periodic(pipe.unet, pipe.vae, axes=axes):
            result = pipe(
                said, height=settings.size, width=settings.size, num_inference_steps=settings.steps,
                guidance_scale=settings.guidance, generator=dice, output_type="pt",
            )  # fmt: skip
        out.append(result.images.float().cpu())
    return torch.cat(out)


def paint_depth(
    pipe: StableDiffusionControlNetPipeline,
    prompts: Sequence[str],
    hints: Tensor,
    settings: Settings,
    *,
    seed: int = 0,
    batch: int | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Pictures (N, 3, H, W) in 0..1 that follow disparity hints (N, H, W) in 0..1 (near 1, background 0)."""
    out, batch = [], batch or roomy(16, 128)
    for start in range(0, len(prompts), batch):
        said = list(prompts[start : start + batch])
        dice = [torch.Generator().manual_seed(seed + start + i) for i in range(len(said))]
        hint = hints[start : start + batch].unsqueeze(1).expand(-1, 3, -1, -1)
        result = pipe(
            said, image=hint, height=hint.shape[-2], width=hint.shape[-1], num_inference_steps=settings.steps,
            guidance_scale=settings.guidance, generator=dice, output_type="pt", controlnet_conditioning_scale=scale,
        )  # fmt: skip
        out.append(result.images.float().cpu())
    return torch.cat(out)
