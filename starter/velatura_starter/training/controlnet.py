"""Train the depth ControlNet on renders; UNet and text encoder stay frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import ControlNetModel
from torch import Tensor

from ..architecture import build_controlnet, build_unet
from ..device import device
from .course import Course, follow
from .export import attend_plainly, blank_text, frozen
from .latents import Scenes
from .objective import Denoising
from .precision import mixed
from .unet import Feeder, Pools


@dataclass(frozen=True, slots=True)
class Views:
    """A batch of renders or quarters of renders: latents (B, 4, h, w), hints (B, 3, 4h, 4w) 0..1, tokens (B, T)."""

    x: Tensor
    hint: Tensor
    tokens: Tensor


def draw_views(feeder: Feeder) -> Views:
    """The next batch: depth is followed locally, so three of four are quarters, which cost a fourth.

    15 % of the captions are empty.
    """
    scenes = feeder.pools.scenes
    quarter = feeder.chance() < 0.75
    numbers, said, _ = feeder.pick(scenes, feeder.size(48 if quarter else 16), 0.15)
    x, hint = scenes.latents[numbers].float(), hint_of(scenes, numbers)
    if quarter:
        y0, x0 = (int(17 * feeder.chance()) for _ in "yx")
        x = x[..., y0 : y0 + 16, x0 : x0 + 16].contiguous()
        hint = hint[..., 4 * y0 : 4 * y0 + 64, 4 * x0 : 4 * x0 + 64].contiguous()
    return Views(x, hint, said)


def hint_of(scenes: Scenes, numbers: Tensor) -> Tensor:
    """Disparity hints (B, 3, 128, 128) in 0..1."""
    return (scenes.hints[numbers].float() / 255).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()


def train_controlnet(run: Path, pools: Pools, course: Course, *, seed: int = 2, start: Path | None = None) -> None:
    """Train until the budget is used; ``controlnet.pt`` holds state and average.

    Without a checkpoint it begins from the ControlNet of the weights folder ``start``, or from the UNet.
    """
    feeder = Feeder(pools, run / "tokenizer", seed)
    torch.manual_seed(seed)
    unet = frozen(run / "unet.pt", "unet", build_unet())
    text = frozen(run / "unet.pt", "text", blank_text(run))
    control = build_controlnet(unet)  # type: ignore[arg-type]
    if start:
        earlier = ControlNetModel.from_pretrained(start / "depth", torch_dtype=torch.float32)
        control.load_state_dict(earlier.state_dict())
    control.to(device()).requires_grad_(True).train()
    attend_plainly(control)
    loss_of = Denoising(unet, control)

    def score(_: float) -> tuple[str, Tensor]:
        views = draw_views(feeder)
        z, t, v, weight = feeder.noised(views.x, 0.6)
        with mixed():
            loss = loss_of(z, t, text(views.tokens)[0], v, weight, views.hint)
        return str(views.x.shape[-1]), loss

    follow(course, run / "controlnet.pt", {"controlnet": control}, score, feeder.reseed)
