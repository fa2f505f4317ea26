"""Weights of quadrature: how much each known value counts in an integral over a step.

All solvers here replace an unknown function by the polynomial through the values known of it, and integrate exactly.
The weights w of nodes c then solve sum_j w_j c_j**k = moment k, one equation for each power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def exponential(nodes: Sequence[float], h: float, rate: float) -> np.ndarray:
    """Weights (n,) of values at `nodes` in the integral of rate * exp(-rate * (h - s)) * f(s) over s from 0 to h.

    Nodes count in lambda = -log sigma from where the step begins. Rate 1 serves DPM-Solver++ (arXiv 2211.01095,
    eq. 8), 1 + eta its SDEs, and -1 DPM-Solver (arXiv 2206.00927, eq. 3.4).
    """
    moments = [-math.expm1(-rate * h)]
    for power in range(1, len(nodes)):
        moments.append(h**power - power / rate * moments[-1])
    return _solved(nodes, moments)


def plain(nodes: Sequence[float]) -> np.ndarray:
    """Weights (n,) of values at `nodes` in the integral of f(s) over s from 0 to 1."""
    return _solved(nodes, [1 / (power + 1) for power in range(len(nodes))])


def _solved(nodes: Sequence[float], moments: Sequence[float]) -> np.ndarray:
    return np.linalg.solve(np.vander(nodes, increasing=True).T, moments)
