"""Train the depth ControlNet on renders, for a UNet that is finished; UNet and text encoder stay frozen.

It learns twice: first what a render of such depth looks like, then to leave to the UNet what words mean. Renders alone
teach a small network few materials, and their captions leave out most of the colours that they show: of 24 walls that
were painted after the first lesson the judge named 46 % rightly, and 75 % where words were the UNet's (79 % of the
renders themselves). It knows the one UNet that it learned with: beside another one, also a later one of the same kind,
colours and materials are no longer those of the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..architecture import build_controlnet, build_unet
from ..device import device
from .course import Course, follow
from .export import attend_plainly, frozen
from .latents import Scenes
from .objective import noised, predict, spread_times, weighted_error, weights_at
from .precision import mixed
from .unet import Feeder

TURN = 560
"""Before this time, with 2.2 times as much noise as picture, the render's own answer is asked: its light and lines."""
EXACT = 3.0
"""How much more an error counts after it: there is no noise in what networks answer."""


@dataclass(frozen=True, slots=True)
class Scenery:
    """Renders of 128 and of 256 pixels."""

    scenes: Scenes
    wide: Scenes


@dataclass(frozen=True, slots=True)
class Views:
    """A batch of renders or of parts of them: latents (B, 4, h, w), hints (B, 3, 4h, 4w) 0..1, tokens (B, T)."""

    x: Tensor
    hint: Tensor
    tokens: Tensor


def draw_views(feeder: Feeder, scenery: Scenery) -> Views:
    """The next batch, one in three of the larger renders. Depth is followed locally, so two of three are quarters,
    which cost a fourth. 15 % of the captions are empty.
    """
    wide, quarter = feeder.chance() < 0.33, feeder.chance() < 0.67
    scenes, batch = (scenery.wide, 4) if wide else (scenery.scenes, 16)
    numbers, said, _ = feeder.pick(scenes, feeder.size(batch * (3 if quarter else 1)), 0.15)
    x, hint = scenes.latents[numbers].float(), hint_of(scenes, numbers)
    if quarter:
        side = x.shape[-1] // 2
        top, left = (int((side + 1) * feeder.chance()) for _ in "yx")
        x = x[..., top : top + side, left : left + side].contiguous()
        top, left, side = 4 * top, 4 * left, 4 * side
        hint = hint[..., top : top + side, left : left + side].contiguous()
    return Views(x, hint, said)


def hint_of(scenes: Scenes, numbers: Tensor) -> Tensor:
    """Disparity hints (B, 3, H, W) in 0..1."""
    return (scenes.hints[numbers].float() / 255).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()


def put(deep: Tensor, bare: Tensor, told: Tensor, hint: Tensor) -> Tensor:
    """``deep``, the answer (B, 4, h, w) to depth without words, and what words add where there is something: what the
    UNet answers to words, ``told``, beyond what it does without, ``bare``. Hints (B, 3, 4h, 4w): 0 is background.

    Guidance by several conditions, each with a part of its own (Liu et al., arXiv 2206.01714).
    """
    return deep + (F.max_pool2d(hint[:, :1], 4) > 0) * (told - bare)


def train_controlnet(
    run: Path, scenery: Scenery, feeder: Feeder, course: Course, unet: nn.Module, text: nn.Module
) -> None:
    """Train a ControlNet for the frozen UNet until the budget is used; ``controlnet.pt`` holds state and average.

    Without a checkpoint it begins as a copy of the UNet's encoder.
    """
    control = student_of(build_controlnet(unet))  # type: ignore[arg-type]

    def score(_: float) -> tuple[str, Tensor]:
        views = draw_views(feeder, scenery)
        z, t, v, weight = feeder.noised(views.x, 0.6)
        with mixed():
            answer = predict(unet, z, t, text(views.tokens)[0], control, views.hint)
        return str(views.x.shape[-1]), weighted_error(answer.float(), v, weight)

    follow(course, run / "controlnet.pt", {"controlnet": control}, score, feeder.reseed)


def train_worded_controlnet(
    run: Path, scenery: Scenery, feeder: Feeder, course: Course, unet: nn.Module, text: nn.Module
) -> None:
    """Train a copy of ``controlnet.pt``'s until the budget is used; ``worded.pt`` holds its state and average.

    What it is to answer is ``put`` together of three answers; the UNet's to words has guidance in it (`guided`).
    """
    wise = frozen(run / "controlnet.pt", "controlnet", build_controlnet(build_unet()))
    student = student_of(build_controlnet(build_unet()))
    student.load_state_dict(wise.state_dict())

    def score(_: float) -> tuple[str, Tensor]:
        views = draw_views(feeder, scenery)
        t = spread_times(len(views.x), feeder.generator, 0.6)
        z, v, _ = noised(views.x, feeder.noise(views.x.shape), t)
        with mixed():
            with torch.no_grad():
                said, unsaid = text(views.tokens)[0], text(feeder.empty.expand(len(t), -1))[0]
                deep = predict(unet, z, t, unsaid, wise, views.hint)
                worded = put(deep, *(predict(unet, z, t, words) for words in (unsaid, said)), views.hint).float()
            answer = predict(unet, z, t, said, student, views.hint).float()
        near = t < TURN
        asked = torch.where(near.view(-1, 1, 1, 1), v, worded)
        return str(views.x.shape[-1]), weighted_error(answer, asked, weights_at(t) * torch.where(near, 1.0, EXACT))

    follow(course, run / "worded.pt", {"controlnet": student}, score, feeder.reseed)


def student_of(control: nn.Module) -> nn.Module:
    """The ControlNet where it learns."""
    control.to(device()).requires_grad_(True).train()
    attend_plainly(control)
    return control
