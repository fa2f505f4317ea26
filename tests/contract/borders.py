"""How visible is the border of what was painted? Measures that compare like with like, on (H, W, 3) floats 0..1."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter
from velatura_engine.pixels.colour import to_lab

RING = 32
"""How far from the border its surroundings reach, pixels."""


def distances(inside: np.ndarray, reach: int = RING) -> np.ndarray:
    """Chebyshev distance (H, W) of every pixel from the border of a region, 1 for those that touch it.

    Positive outside, negative inside, 0 for what is farther than `reach`.
    """
    out = np.zeros(inside.shape, int)
    for sign, region in ((1, inside), (-1, ~inside)):
        grown = Image.fromarray(region.astype(np.uint8) * 255)
        for step in range(1, reach + 1):
            wider = grown.filter(ImageFilter.MaxFilter(3))
            out[(np.asarray(wider) > 0) & (np.asarray(grown) == 0)] = sign * step
            grown = wider
    return out


def steps(picture: np.ndarray, inside: np.ndarray, reach: int = RING) -> dict[int, float]:
    """Mean colour step across every line that runs along the border: 0 is the border itself, 5 lies 5 pixels out."""
    away = distances(inside, reach + 1)
    known = away != 0
    away = np.where(away > 0, away - 1, away)  # the pixels at both sides of the border are 0 and -1
    totals: dict[int, list[float]] = {}
    for axis in (0, 1):
        change = np.abs(np.diff(picture, axis=axis)).mean(-1)
        both = np.delete(known, 0, axis) & np.delete(known, -1, axis)
        first, second = np.delete(away, -1, axis), np.delete(away, 0, axis)
        crosses = both & (first != second)
        line = np.maximum(first, second)
        for value in np.unique(line[crosses]):
            totals.setdefault(int(value), []).append(change[crosses & (line == value)])
    return {line: float(np.concatenate(parts).mean()) for line, parts in totals.items() if abs(line) <= reach}


def boundary_ratio(picture: np.ndarray, inside: np.ndarray, line: int = 0) -> float:
    """The step across the border (or the line that many pixels out) over the median of those within the ring."""
    found = steps(picture, inside)
    return found[line] / float(np.median([step for other, step in found.items() if other != 0]))


def ring_difference(picture: np.ndarray, inside: np.ndarray, reach: int = RING) -> float:
    """Distance in Lab (CIE 1976) between the mean colours of the rings at both sides of the border."""
    away, lab = distances(inside, reach), to_lab(picture.astype(np.float32))
    return float(np.linalg.norm(lab[away > 0].mean(0) - lab[away < 0].mean(0)))


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's: 1 where one grows with the other; equal values share their rank."""
    ranks = [_ranks(np.asarray(values, float)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])
