"""The noise that a painting begins with: drawn by its seed, turned towards another seed's, or drawn at another size.

Pipelines draw noise in two ways. Those that paint from words alone take it ready made. Those that start from a picture
draw it themselves and lay it over the picture by the scheduler; that is where it is changed, so that repainting, which
goes the same way at every step, sees the very same noise. Both leave the pictures' generators where they would have
been: noise that a sampler draws on its way stays the seed's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor

from ..errors import Unsupported
from ..plan import VariationPlan
from ..planning.sizes import Size

PARALLEL = 1e-4
"""Two noises at a smaller angle, radians, are taken for the same."""


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator a picture, so that a seed means the same on every device and in every batch."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


class Variation:
    """Changes what the seeds draw into what their variation begins with, as AUTOMATIC1111's web UI does."""

    def __init__(self, plan: VariationPlan, seeds: Sequence[int], factor: int, skip: int = 0) -> None:
        """`factor`: pixels a latent. `skip`: how often a pipeline draws as much noise before for something else."""
        self.plan, self.seeds, self.skip = plan, seeds, skip
        self.size: Size | None = None
        if plan.seed_size is not None:
            width, height = (max(1, side // factor) for side in plan.seed_size)
            self.size = width, height
        self._drawn: dict[tuple[int, ...], torch.Tensor] = {}

    def apply(self, noise: torch.Tensor) -> torch.Tensor:
        """The seeds' own noise (B, C, h, w) -> the variation's, of the same shape."""
        if noise.ndim != 4:
            raise Unsupported(
                "this model's noise has no rows and columns, and cannot be varied", field="variation",
                remedy="leave variation out, or choose another model",
            )  # fmt: skip
        shape = tuple(noise.shape)
        if shape not in self._drawn:
            self._drawn[shape] = self._make(noise)
        return self._drawn[shape]

    def start(self, shape: tuple[int, int, int, int], sources: list[torch.Generator], like: Any) -> torch.Tensor:
        """Noise (B, C, h, w) for a pipeline that takes it ready made; `sources` draw as they would for it."""
        return self.apply(randn_tensor(shape, generator=sources, device=like.device, dtype=like.dtype))

    def take_part(self, scheduler: Any) -> None:
        """Let a scheduler that belongs to one job alone lay the variation's noise wherever it is given the seeds'."""
        instead(scheduler, self.apply)

    def _make(self, noise: torch.Tensor) -> torch.Tensor:
        small = noise if self.size is None else self._draw(self.seeds, noise)
        if self.plan.strength > 0:
            small = slerp(small, self._draw(self.plan.subseeds, noise), self.plan.strength)
        return small if self.size is None else lay_centred(small, noise)

    def _draw(self, seeds: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        width, height = self.size or (like.shape[-1], like.shape[-2])
        sources = generators(seeds)
        for _ in range(self.skip):
            randn_tensor(like.shape, generator=sources, device=like.device, dtype=like.dtype)
        return randn_tensor((*like.shape[:2], height, width), generator=sources, device=like.device, dtype=like.dtype)


def instead(scheduler: Any, apply: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Let a scheduler that belongs to one job alone lay, wherever it is given noise, what `apply` makes of that."""
    for name in ("add_noise", "scale_noise"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, _laid(getattr(scheduler, name), apply))


def _laid(
    lay: Callable[..., torch.Tensor], apply: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[..., torch.Tensor]:
    signature = inspect.signature(lay)

    @wraps(lay)
    def varied(*args: Any, **kwargs: Any) -> torch.Tensor:
        given = signature.bind(*args, **kwargs)
        given.arguments["noise"] = apply(given.arguments["noise"])
        return lay(*given.args, **given.kwargs)

    return varied


def slerp(low: torch.Tensor, high: torch.Tensor, share: float) -> torch.Tensor:
    """Noise (B, ...) on the arc from `low` to `high` (Shoemake 1985), each picture as one vector.

    Along a straight line it would lose spread, and the picture its contrast. 0 is `low`, 1 `high`, both to the bit.
    """
    if share <= 0 or share >= 1:
        return low if share <= 0 else high
    # One by one: the sums of a picture must not depend on how many there are.
    return torch.stack([_arc(a, b, share) for a, b in zip(low, high, strict=True)])


def _arc(low: torch.Tensor, high: torch.Tensor, share: float) -> torch.Tensor:
    a, b = low.double(), high.double()
    angle = torch.acos(((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1))
    if float(angle) < PARALLEL:
        return low
    mixed = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return mixed.to(low.dtype)


def lay_centred(small: torch.Tensor, canvas: torch.Tensor) -> torch.Tensor:
    """Noise (B, C, h', w') laid on the middle of noise (B, C, h, w), cut where it is larger."""
    (height, width), (rows, columns) = canvas.shape[-2:], small.shape[-2:]
    top, left = (height - rows) // 2, (width - columns) // 2
    cut = small[..., max(-top, 0) : max(-top, 0) + height, max(-left, 0) : max(-left, 0) + width]
    laid = canvas.clone()
    top, left = max(top, 0), max(left, 0)
    laid[..., top : top + cut.shape[-2], left : left + cut.shape[-1]] = cut
    return laid
