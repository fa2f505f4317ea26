"""Teach the finished UNet what a picture looks like when little noise is left: its exact colour, and fine lines.

Guidance is learned where noise is strong. What it adds where a picture is nearly done (more colour, more contrast) is
too much (Kynkäänniemi et al., arXiv 2404.07724), and a sampler that draws its noise anew in every step adds it up until
the colour is another (`redrawn`). Fine lines are decided there as well, and a small network learns them last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..architecture import build_unet
from ..data.families import material_names
from ..device import device
from .course import Course, follow
from .export import attend_plainly, blank_text, frozen
from .latents import Tiles
from .likeness import unlike
from .objective import noised, pictured, predict, spread_times
from .precision import mixed
from .redrawn import Redrawn
from .unet import Feeder, Pools, Sample, both_ways, load_parts


@dataclass(frozen=True, slots=True)
class Fine:
    """How often a material is shown, and before which time the drawings' own answer is asked: with more noise than
    then, all is as before.
    """

    often: float
    until: int


FINE = {
    "marble": Fine(3.5, 700), "square tiles": Fine(3.0, 860), "stripes": Fine(3.0, 800), "planks": Fine(2.5, 860),
    "wood grain": Fine(2.5, 740), "concrete": Fine(2.0, 600), "grass": Fine(1.8, 560), "knit": Fine(1.7, 600),
    "scales": Fine(1.5, 560), "camouflage": Fine(1.3, 560),
}  # fmt: skip
"""Materials that are learned from the drawings here: fine lines, and grids that are decided early. Others keep what
they have. 560 is 2.2 times as much noise as picture, 860 is twelve times.
"""
TURN = 560
"""Three lessons in four are about times before this one."""
NEAR = 600
"""Before this time, with 2.6 times as much noise as picture, a picture's colour can be told."""
EXACT, COLOUR, TEXTURE = 3.0, 8.0, 4.0
"""How much more an error counts where the answer before is asked, which has no noise in it, and the error's mean; and
what it counts that pictures made of redrawn ones are unlike the drawings.
"""


def lesson(sample: Sample, t: Tensor, v: Tensor, before: Tensor, redrawn: int) -> tuple[Tensor, Tensor]:
    """What to answer at times t (B,), of the drawings' v and the answer before, both (B, 4, h, w), and whether it is
    the drawings', (B,): from row ``redrawn`` on always. Before NEAR the mean over a picture is theirs in every row.
    """
    means = v.mean((2, 3), keepdim=True) - before.mean((2, 3), keepdim=True)
    kept = torch.where(_wide(t < NEAR), before + means, before)
    until = [FINE[name].until if name in FINE else 0 for name in material_names()] + [0]  # of -1, the last
    drawn = t < torch.tensor(until, device=t.device)[sample.materials]
    drawn[redrawn:] = True
    return torch.where(_wide(drawn), v, kept), drawn


def _wide(each: Tensor) -> Tensor:
    return each.view(-1, 1, 1, 1)


def loss_of(answer: Tensor, asked: Tensor, drawn: Tensor, t: Tensor) -> Tensor:
    """Weighed squared error of answers (B, 4, h, w) and of their means: scalar."""
    error = answer - asked
    each = error.square().mean((1, 2, 3)) * torch.where(drawn, 1.0, EXACT)
    colour = error.mean((2, 3)).square().mean(1) * (t < NEAR)
    return (each + COLOUR * colour).mean()


def mostly_near(t: Tensor) -> Tensor:
    """Even times 0..999 as times of which three in four lie before TURN, (B,)."""
    return torch.where(t < 750, t * TURN // 750, TURN + (t - 750) * (1000 - TURN) // 250)


def shown(tiles: Tiles) -> Tiles:
    """The tiles, each as often as its material is to be shown."""
    often = torch.tensor([FINE[name].often if name in FINE else 1.0 for name in material_names()])
    return replace(tiles, weights=often.to(tiles.materials.device)[tiles.materials])


def finished(run: Path, start: Path | None, stage: str) -> tuple[nn.Module, nn.Module]:
    """The frozen UNet and text encoder: of the weights folder ``start``, or the UNet that the run's stage made."""
    if start is None:
        return frozen(run / f"{stage}.pt", "unet", build_unet()), frozen(run / "unet.pt", "text", blank_text(run))
    parts: dict[str, nn.Module] = {"unet": build_unet(), "text": blank_text(run)}
    load_parts(parts, start)
    attend_plainly(parts["unet"])
    unet, text = (part.to(device()).eval().requires_grad_(False) for part in parts.values())
    return unet, text


def train_details(
    run: Path, pools: Pools, course: Course, before: nn.Module, text: nn.Module, *, seed: int = 10
) -> None:
    """Train a copy of the UNet ``before`` until the budget is used; ``detailed.pt`` holds its state and average."""
    pools = replace(pools, middle=shown(pools.middle), large=shown(pools.large))
    feeder = Feeder(pools, run / "tokenizer", seed)
    memory = Redrawn(feeder)
    student = build_unet().to(device())
    student.load_state_dict(before.state_dict())
    with both_ways(before) as known, both_ways(student) as unets:

        def score(_: float) -> tuple[str, Tensor]:
            fresh = feeder.next(1.0)
            t = mostly_near(spread_times(len(fresh.x), feeder.generator))
            if fresh.kind == "32t":
                with mixed(), torch.no_grad():
                    memory.keep(unets[True], fresh, text(fresh.tokens)[0])
            sample, begun, t, redrawn = memory.mix(fresh, t, NEAR)
            noise = feeder.noise(begun.shape)
            z, v = noised(begun, noise, t)[0], noised(sample.x, noise, t)[1]
            with mixed():
                with torch.no_grad():
                    said = text(sample.tokens)[0]
                    asked, drawn = lesson(sample, t, v, predict(known[sample.tiled], z, t, said).float(), redrawn)
                answer = predict(unets[sample.tiled], z, t, said).float()
            loss = loss_of(answer, asked, drawn, t)
            if redrawn < len(t):
                loss = loss + TEXTURE * unlike(pictured(z, answer, t)[redrawn:], sample.x[redrawn:]).mean()
            return sample.kind, loss

        follow(course, run / "detailed.pt", {"unet": student}, score, feeder.reseed)
