"""What a painting's latents begin with and are looked at through: variations, windows, and bands along the edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import Invalid, Unsupported
from ..models.entry import ModelEntry
from ..pixels.picture import Picture
from ..plan import DiffusePlan, VariationPlan, WindowsPlan
from ..request import Diffuse, Variation
from .sizes import Size, Sizes, size_of

VAE_WHOLE = 1536 * 1536
"""Pixels of a canvas up to which the autoencoder sees it whole, unless asked otherwise."""
VAE_TILE = 1024
"""Side of its tiles beyond that, pixels."""


def plan_variation(
    ask: Variation | None, canvas: Size, count: int, draw_seed: Callable[[], int]
) -> VariationPlan | None:
    """The subseeds, counting on like the seeds, and the size that the noise is drawn at."""
    if ask is None:
        return None
    drawn = ask.subseed is None and ask.strength > 0
    first = draw_seed() if drawn else ask.subseed or 0
    sized = ask.seed_width is not None or ask.seed_height is not None
    return VariationPlan(
        subseeds=tuple((first + number) % 2**64 for number in range(count)),
        strength=ask.strength,
        seed_size=(ask.seed_width or canvas[0], ask.seed_height or canvas[1]) if sized else None,
    )


def plan_windows(painting: Diffuse, model: ModelEntry, field: str) -> WindowsPlan | None:
    """Windows of the model's native size with a quarter of overlap, unless asked otherwise, in the model's multiples.

    Raises Invalid where neighbours would share more than half, Unsupported with references that count in places.
    """
    ask = painting.windows
    if ask is None:
        return None
    if model.flows:
        raise Unsupported(
            f"{model.title} sees its latents as a row of tokens, and cannot look through windows",
            field=f"{field}.windows", remedy="leave windows out, or choose a model of Stable Diffusion 1, 2 or XL",
        )  # fmt: skip
    for number, reference in enumerate(painting.references):
        if reference.mask is not None:
            raise Unsupported(
                "through windows a reference counts everywhere", field=f"{field}.references[{number}].mask",
                remedy="leave the mask out, or paint without windows",
            )  # fmt: skip
    multiple = model.size_multiple
    size = -(-(ask.size or model.native_size) // multiple) * multiple
    overlap = size // 4 if ask.overlap is None else ask.overlap
    overlap = -(-overlap // multiple) * multiple
    if overlap > size // 2 and size > multiple:
        raise Invalid(
            f"{field}.windows.overlap", f"{overlap} pixels are more than half of a window's {size}",
            remedy=f"ask for {size // 2 // multiple * multiple} at most, or for larger windows",
        )  # fmt: skip
    return WindowsPlan(size=size, overlap=0 if size == multiple else overlap)


def plan_vae_tile(ask: int | None, canvas: Size, model: ModelEntry) -> int:
    """Side of what the autoencoder sees at once, in the model's multiples; 0 is the whole canvas."""
    if model.pipeline:
        return 0
    width, height = canvas
    side = (VAE_TILE if width * height > VAE_WHOLE else 0) if ask is None else ask
    return -(-side // model.size_multiple) * model.size_multiple


def mended(ask: Diffuse, done: Sizes, field: str) -> Diffuse:
    """A painting that is to mend an init's edges, or to keep nothing else, with the mask of the bands along them.

    No rolling by half is needed: layers that wrap do not know where a picture begins. Raises Invalid where the bands
    would leave nothing, or next to nothing, of the picture.
    """
    name, part = ("mend", 2) if ask.tiling.mend is not None else ("keep", 4)
    band = getattr(ask.tiling, name)
    if band is None or ask.init is None:
        return ask
    size = size_of(ask.init, done, f"{field}.init.image")
    for side, tiled in zip(size, (ask.tiling.x, ask.tiling.y), strict=True):
        if tiled and part * band >= side:
            raise Invalid(
                f"{field}.tiling.{name}",
                f"two bands of {band} pixels cover {'a' if part == 2 else 'half and more of a'} side of {side}",
                remedy=f"ask for less than {side / part:g}",
            )  # fmt: skip
    mask = (edge_mask if name == "mend" else inner_mask)(size, band, x=ask.tiling.x, y=ask.tiling.y)
    return replace(ask, mask=Picture(mask, "data"))


def edge_mask(size: Size, band: int, *, x: bool, y: bool) -> np.ndarray:
    """Mask (H, W, 1): 1 in the outer half of the band along the edges that meet, falling to 0 at its inner side."""
    profiles = []
    for side, tiled in zip(size, (x, y), strict=True):
        away = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
        profiles.append(np.clip(2 - 2 * away / band, 0, 1) * tiled)
    return np.maximum(profiles[0][None, :], profiles[1][:, None]).astype(np.float32)[..., None]


def inner_mask(size: Size, band: int, *, x: bool, y: bool) -> np.ndarray:
    """Mask (H, W, 1): 0 in the band along the edges that meet, rising to 1 over twice as many pixels again."""
    profiles = []
    for side, tiled in zip(size, (x, y), strict=True):
        away = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
        profiles.append(np.clip((away - band) / (2 * band), 0, 1) if tiled else np.ones(side))
    return np.minimum(profiles[0][None, :], profiles[1][:, None]).astype(np.float32)[..., None]


def check_noise(plan: DiffusePlan, limit: int | None, field: str) -> None:
    """Raises Invalid where the noise of a variation is larger than a painting may be."""
    if plan.variation is None or plan.variation.seed_size is None or limit is None:
        return
    width, height = plan.variation.seed_size
    if width * height * len(plan.seeds) > limit:
        raise Invalid(
            f"{field}.variation.seed_width", f"{width} x {height}, {len(plan.seeds)} times, is more than {limit}",
            remedy="draw the noise smaller, or ask for fewer pictures at once",
        )  # fmt: skip
