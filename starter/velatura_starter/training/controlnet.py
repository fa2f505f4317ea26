"""Train the depth ControlNet on renders; UNet and text encoder stay frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import ControlNetModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from ..architecture import build_controlnet, build_text, build_unet
from .clock import Average, Budget, learning_rate, load, save, set_rate
from .export import averaged
from .latents import Scenes
from .objective import Denoising, noised, spread_times
from .precision import mixed
from .together import average_gradients, rank_and_world
from .unet import Feeder, Pools

Log = Callable[[str], None]


def frozen_parts(run: Path, feeder: Feeder) -> tuple[nn.Module, nn.Module]:
    """The averaged UNet and text encoder of the run, without gradients."""
    state = load(run / "unet.pt")
    assert state is not None, "train the UNet first"
    average = Average({})
    average.shadow = state["average"]
    words = feeder.tokenizer
    text = build_text(len(words), words.bos_token_id, words.eos_token_id)
    return averaged(build_unet(), average, "unet"), averaged(text, average, "text")


def hint_of(scenes: Scenes, numbers: list[int]) -> Tensor:
    """Disparity hints (B, 3, 128, 128) in 0..1."""
    return (scenes.hints[numbers].float() / 255).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()


def train_controlnet(
    run: Path,
    pools: Pools,
    *,
    minutes: float,
    seed: int = 2,
    peak: float = 8e-4,
    start: Path | None = None,
    export: Callable[[Average], None] = lambda _: None,
    log: Log = print,
) -> None:
    """Train until the budget is used; ``controlnet.pt`` holds state and average.

    Most steps see quarters of the renders: depth is followed locally, and they cost a fourth. Without a checkpoint it
    begins from the ControlNet of the weights folder ``start``, or from the UNet.
    """
    rank, world = rank_and_world()
    generator = torch.Generator().manual_seed(seed + 1000 * rank)
    torch.manual_seed(seed)
    feeder = Feeder(pools, run / "tokenizer", generator, world)
    unet, text = frozen_parts(run, feeder)
    control = build_controlnet(unet)  # type: ignore[arg-type]
    if start:
        earlier = ControlNetModel.from_pretrained(start / "depth", torch_dtype=torch.float32)
        control.load_state_dict(earlier.state_dict())
    control.requires_grad_(True).train()
    for model in (unet, control):
        model.set_attn_processor(AttnProcessor())
    parts, parameters = {"controlnet": control}, list(control.parameters())
    optimizer = torch.optim.AdamW(parameters, peak, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, budget, step = Average(parts, 0.998), Budget(minutes * 60), 0
    if state := load(run / "controlnet.pt"):
        control.load_state_dict(state["controlnet"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, step, budget.spent = state["average"], state["step"], state["spent"]
        generator.manual_seed(seed + 1000 * rank + step)
        feeder.plan.manual_seed(step)
    loss_of = Denoising(unet, control)
    saved, mean, fraction = budget.used(), 0.0, budget.fraction()
    while fraction < 1:
        quarter = float(torch.rand(1, generator=feeder.plan)) < 0.75
        numbers = feeder.integers(len(pools.scenes.latents), (48 if quarter else 16) // world)
        set_rate(optimizer, learning_rate(fraction, step, peak=peak, warmup=50))
        loss = control_step(loss_of, text, pools.scenes, numbers, feeder, step, quarter)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        fraction = average_gradients(parameters, budget.fraction())
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(parts, step)
        step += 1
        mean = loss.item() if step == 1 else 0.97 * mean + 0.03 * loss.item()
        if rank > 0:
            continue
        if step % 25 == 0:
            log(f"controlnet {step} {budget.used():.0f}s loss {mean:.4f}")
        if budget.used() - saved > 180 or fraction >= 1:
            saved = budget.used()
            state = {"controlnet": control.state_dict(), "optimizer": optimizer.state_dict()}
            save(run / "controlnet.pt", state | {"average": average.shadow, "step": step, "spent": budget.used()})
            export(average)


def control_step(
    loss_of: nn.Module, text: nn.Module, scenes: Scenes, numbers: list[int], feeder: Feeder, step: int, quarter: bool
) -> Tensor:
    """Noise the renders ``numbers`` or a quarter of each, and score the guess that the hint helped.

    15 % of the captions are empty.
    """
    dice, batch = feeder.generator, len(numbers)
    x, hint, said = (
        scenes.latents[numbers].float(),
        hint_of(scenes, numbers),
        feeder.tokens["scenes"][numbers, step % 2],
    )
    if quarter:
        y0, x0 = feeder.integers(17, 2)
        x = x[..., y0 : y0 + 16, x0 : x0 + 16].contiguous()
        hint = hint[..., 4 * y0 : 4 * y0 + 64, 4 * x0 : 4 * x0 + 64].contiguous()
    said[torch.rand(batch, generator=dice) < 0.15] = feeder.empty
    t = spread_times(batch, dice, 0.6)
    z, v, weight = noised(x, torch.randn(x.shape, generator=dice), t)
    with mixed():
        return loss_of(z, t, text(said)[0], v, weight, hint)
