"""DPM adaptive: a solver that chooses its own steps, within a number of calls that it may spend."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, log
from typing import Any

from .solvers import Draw, Walk, dpm_step

FLOOR = 0.156
"""Values nearer to zero are judged as if they were this large: the paper's 0.0078 at its tolerance of 0.05."""


def dpm_adaptive(levels: Sequence[float], draw: Draw, *, tolerance: float = 0.02) -> Walk:
    """DPM-Solver-23 with step sizes from its embedded error (Lu et al., arXiv 2206.00927).

    From the first level to the last, those between are not visited. It asks the model once for each level at most:
    where the test would spend more, the rest of the way is divided among the calls that are left.
    """
    s, end, left = levels[0], levels[-1], len(levels) - 1
    x, d = yield None, s
    if 0 < left < 3:
        x, _ = yield from dpm_step(x, d, s, log(s / end), left)
        x, d = yield x, end
        return d
    h = log(s / end) / max(1, left // 3)
    while left and s > end:
        span = log(s / end)
        h = max(h, span / (left // 3))
        h = span if h > 0.999 * span else h
        t = s * exp(-h)
        high, low = yield from dpm_step(x, d, s, h, 3)
        left -= 2
        error = _error(high / hypot(1, t), low / hypot(1, t), x / hypot(1, s), tolerance)
        can_repeat = left >= 3 and span / (left // 3) < 0.9 * h
        factor = min(5.0, max(0.2, 0.9 * max(error, 1e-9) ** (-1 / 3)))
        if error <= 1 or not can_repeat:
            s, left = (end if h == span else t), left - 1
            x, d = yield high, s
        h *= factor
    return d


def _error(high: Any, low: Any, before: Any, tolerance: float) -> float:
    """Root mean square of the difference, in units of what is tolerated."""
    scale = tolerance * low.abs().maximum(before.abs()).clamp(min=FLOOR)
    return float(((high - low) / scale).square().mean().sqrt())
