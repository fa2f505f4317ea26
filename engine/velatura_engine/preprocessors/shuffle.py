"""The picture's content, moved about."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given


@PREPROCESSORS.part("shuffle", "Shuffle", hints="shuffle")
def build(
    given: Given,
    *,
    seed: Annotated[int, Range(0, 2**31 - 1, 1), "Another number moves it another way"] = 0,
    size: Annotated[int, Range(16, 1024, 16), "How far apart the picture is bent, pixels"] = 256,
) -> np.ndarray:
    """The picture bent along smooth random paths: its colours and textures remain, its composition does not.

    Each pixel shows another place of the picture, which moves smoothly from pixel to pixel; where edges meet, the
    paths meet too.
    """
    height, width = given.colours.shape[:2]
    dice = np.random.default_rng(seed)
    column, row = (_smooth(height, width, size, dice, given) * (side - 1) for side in (width, height))
    return _sample(given.colours, row, column)


def _smooth(height: int, width: int, size: int, dice: np.random.Generator, given: Given) -> np.ndarray:
    """Smooth noise (H, W) that reaches from 0 to 1."""
    down, across = _spread(height, size, given.y), _spread(width, size, given.x)
    noise = down @ dice.random((down.shape[1], across.shape[1])) @ across.T
    low, high = noise.min(), noise.max()
    return (noise - low) / max(high - low, 1e-9)


def _spread(side: int, size: int, meets: bool) -> np.ndarray:
    """Weights (side, knots) that lead from random knots about `size` apart to pixels, by Catmull-Rom curves."""
    pieces = max(2, round(side / size))
    knots = pieces if meets else pieces + 3
    place = (np.arange(side) + 0.5) * pieces / side
    knot, t = np.floor(place).astype(int), place % 1
    curve = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
    weights = np.zeros((side, knots))
    for number, weight in enumerate(curve):
        index = (knot + number) % knots if meets else np.minimum(knot + number, knots - 1)
        np.add.at(weights, (np.arange(side), index), weight / 2)
    return weights


def _sample(picture: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """What lies at places (H, W) between pixels."""
    top, left = (
        np.clip(np.floor(p).astype(int), 0, side - 1) for p, side in zip((row, column), picture.shape, strict=False)
    )
    below, right = np.minimum(top + 1, picture.shape[0] - 1), np.minimum(left + 1, picture.shape[1] - 1)
    down, across = (row - top)[..., None], (column - left)[..., None]
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[below, left] * (1 - across) + picture[below, right] * across
    return (upper * (1 - down) + lower * down).astype(np.float32)
