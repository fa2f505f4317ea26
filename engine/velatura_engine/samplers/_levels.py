"""Where noise levels may be placed freely: schedules by name, from the model's own levels to those of a run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def karras(table: np.ndarray, count: int) -> np.ndarray:
    """Even in sigma ** (1/7): many small steps where pictures take shape (Karras et al., arXiv 2206.00364, eq. 5)."""
    return np.linspace(table[-1] ** (1 / 7), table[0] ** (1 / 7), count) ** 7


def exponential(table: np.ndarray, count: int) -> np.ndarray:
    """Even in log sigma, hence in half the log signal-to-noise (Lu et al., arXiv 2206.00927)."""
    return np.exp(np.linspace(np.log(table[-1]), np.log(table[0]), count))


def beta(table: np.ndarray, count: int) -> np.ndarray:
    """Training steps at the quantiles of Beta(0.6, 0.6): dense at both ends (Lee et al., arXiv 2407.12173)."""
    steps = quantiles(np.linspace(1, 0, count)) * (len(table) - 1)
    return np.exp(np.interp(steps, np.arange(len(table)), np.log(table)))


LEVELS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "karras": karras,
    "exponential": exponential,
    "beta": beta,
}
"""Each takes the model's noise levels, rising, and how many are wanted, and gives them falling from the greatest."""


def quantiles(shares: np.ndarray, shape: float = 0.6) -> np.ndarray:
    """Where Beta(shape, shape) has that share of itself below; shares 0 to 1. Right to 1e-7.

    The regularised incomplete beta integral is tabulated and read backwards. With v = x ** shape its integrand,
    x ** (shape - 1) * (1 - x) ** (shape - 1) dx, becomes (1 - x) ** (shape - 1) dv / shape, which is finite up to the
    middle; the other half mirrors it.
    """
    v = np.linspace(0, 0.5**shape, 8193)
    x = v ** (1 / shape)
    slopes = (1 - x) ** (shape - 1)
    below = np.concatenate([[0.0], np.cumsum((slopes[1:] + slopes[:-1]) / 2)])
    half = np.interp(np.minimum(shares, 1 - shares), 0.5 * below / below[-1], v) ** (1 / shape)
    return np.where(shares <= 0.5, half, 1 - half)
