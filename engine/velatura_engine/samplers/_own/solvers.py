"""Solvers that lack a scheduler in diffusers, in their papers' symbols.

Each is a generator over falling noise levels sigma, in the scale where noisy pixels are x = clean + sigma * noise. It
yields where the model is to be asked, (x, sigma); it is sent (x, denoised), where x may have been painted over in the
meantime; it returns the finished pixels. The first x comes with the first answer. `draw` gives fresh standard noise.

Time is lambda = -log sigma, a step h = log(s / t) from level s to t. The ODE is dx/dlambda = denoised - x, or
dx/dsigma = (x - denoised) / sigma (Karras et al., arXiv 2206.00364, eq. 1). Its SDEs of the same marginals, from none
(eta = 0) to the reversed diffusion (eta = 1), are dx = (1 + eta) (denoised - x) dlambda + sqrt(2 eta) sigma dw.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from math import exp, expm1, log, sqrt
from typing import Any

from .weights import exponential, plain

PURE = 100.0
"""From this level on pixels hold next to nothing of a picture: models with zero terminal SNR begin far above. A step
from s down to t by the slope of the noise would add what its two guesses differ by s / 2t times."""

Walk = Generator[tuple[Any, float], tuple[Any, Any], Any]
Draw = Callable[[], Any]


def lms(levels: Sequence[float], draw: Draw, *, order: int = 4) -> Walk:
    """Linear multistep in sigma: the noise is continued as a polynomial (Zhang and Chen, arXiv 2204.13902, rhoAB)."""
    x, past = None, []
    for s, t in pairwise((*levels, 0.0)):
        x, d = yield x, s
        past = [(s, (x - d) / s), *past][:order]
        weights = plain([(sigma - s) / (t - s) for sigma, _ in past])
        x = x + (t - s) * sum(w * eps for w, (_, eps) in zip(weights, past, strict=True))
    return x


def dpm2(levels: Sequence[float], draw: Draw, *, eta: float = 0.0) -> Walk:
    """DPM-Solver-2 (arXiv 2206.00927, algorithm 1); with eta down past each level, and up again with fresh noise."""
    x = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        down, up = ancestral(s, t, eta)
        if s > PURE:
            x = yield from _midway(x, d, s, down)
        else:
            x, _ = yield from dpm_step(x, d, s, log(s / down), 2)
        x = x + up * draw()
    _, d = yield x, levels[-1]
    return d


def heun(levels: Sequence[float], draw: Draw) -> Walk:
    """Heun's rule in sigma (Karras et al., arXiv 2206.00364, algorithm 1); from almost pure noise that of midpoints."""
    x = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        if s > PURE:
            x = yield from _midway(x, d, s, t)
        else:
            first = (x - d) / s
            u, d = yield x + (t - s) * first, t
            x = x + (t - s) * (first + (u - d) / t) / 2
    _, d = yield x, levels[-1]
    return d


def ancestral(s: float, t: float, eta: float) -> tuple[float, float]:
    """How far down to go from s, and how much noise then leads up to t.

    At eta = 1 as in DDPM (Song et al., arXiv 2010.02502, eq. 16).
    """
    up = eta * t * sqrt(1 - (t / s) ** 2)
    return sqrt(t**2 - up**2), up


def dpmpp_2s_ancestral(levels: Sequence[float], draw: Draw, *, eta: float = 1.0) -> Walk:
    """DPM-Solver++(2S), r = 1/2 (arXiv 2211.01095, algorithm 1), down past each level and up again with fresh noise."""
    x = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        down, up = ancestral(s, t, eta)
        x = (yield from _midway(x, d, s, down)) + up * draw()
    _, d = yield x, levels[-1]
    return d


def _midway(x: Any, d: Any, s: float, t: float) -> Walk:
    """From level s down to t by what is denoised half-way in log sigma."""
    keep = sqrt(t / s)  # of x, over half the step
    _, d = yield keep * x + (1 - keep) * d, keep * s
    return keep**2 * x + (1 - keep**2) * d


def dpmpp_sde(levels: Sequence[float], draw: Draw, *, eta: float = 1.0) -> Walk:
    """The SDE by the exponential midpoint rule, as DPM-Solver++(2S) is of the ODE (arXiv 2211.01095).

    The middle's noise is part of the whole step's, as on one Brownian path; a half step turns the one into the other.
    """
    x = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        middle, h = sqrt(s * t), log(s / t) / 2
        keep, spread = exp(-(1 + eta) * h), sqrt(-expm1(-2 * eta * h))
        noise = middle * spread * draw()
        _, d = yield keep * x + (1 - keep) * d + noise, middle
        x = keep**2 * x + (1 - keep**2) * d + keep * noise + t * spread * draw()
    _, d = yield x, levels[-1]
    return d


def dpmpp_3m_sde(levels: Sequence[float], draw: Draw, *, eta: float = 1.0, depth: int = 3) -> Walk:
    """The SDE by a multistep rule through up to `depth` denoised pictures (arXiv 2211.01095 has 2M through two)."""
    x, past = None, []
    for s, t in pairwise(levels):
        x, d = yield x, s
        h = log(s / t)
        past = [(s, d), *_near(past, s, h)][:depth]
        weights = exponential([log(s / sigma) for sigma, _ in past], h, 1 + eta)
        mean = exp(-(1 + eta) * h) * x + sum(w * d for w, (_, d) in zip(weights, past, strict=True))
        x = mean + t * sqrt(-expm1(-2 * eta * h)) * draw()
    _, d = yield x, levels[-1]
    return d


def _near(past: list[tuple[float, Any]], s: float, h: float) -> list[tuple[float, Any]]:
    """What came before s in steps of no less than half of h: a curve through nearer points would throw their noise far.

    Schedules of even training steps end with steps several times as long as those before.
    """
    near = []
    for sigma, d in past:
        if log(sigma / s) < h / 2:
            break
        near.append((sigma, d))
        s = sigma
    return near


def dpm_fast(levels: Sequence[float], draw: Draw) -> Walk:
    """DPM-Solver-fast: singlestep of third order, each over three levels (Lu et al., arXiv 2206.00927).

    The last two steps are of lower order, so that the model is asked once for each level.
    """
    reached = 0
    x, d = yield None, levels[0]
    for order in _orders(len(levels) - 1):
        s, t = levels[reached], levels[reached + order]
        x, _ = yield from dpm_step(x, d, s, log(s / t), order)
        reached += order
        x, d = yield x, t
    return d


def _orders(calls: int) -> list[int]:
    """Orders of steps that ask the model so often, threes first."""
    if calls % 3:
        return [3] * (calls // 3) + [calls % 3]
    return [3] * (calls // 3 - 1) + [2, 1] if calls else []


def dpm_step(x: Any, d: Any, s: float, h: float, order: int) -> Generator[tuple[Any, float], tuple[Any, Any], Any]:
    """One step of DPM-Solver-1, -2 or -3 over h from (x, s), d its denoised (arXiv 2206.00927, algorithms 1 and 2).

    Returns the result and, of third order, the result of second order inside it (else None). The integrals' own
    weights stand also where the paper puts a simpler one of the same order.
    """
    eps, inner = (x - d) / s, None
    nodes, known = [0.0], [eps]
    for r in {1: (), 2: (1 / 2,), 3: (1 / 3, 2 / 3)}[order]:
        if inner is None and len(nodes) == 2:
            inner = _moved(x, s, h, nodes, known)
        u, d = yield _moved(x, s, r * h, nodes, known), s * exp(-r * h)
        nodes, known = [0.0, r * h], [eps, (u - d) / (s * exp(-r * h))]
    return _moved(x, s, h, nodes, known), inner


def _moved(x: Any, s: float, h: float, nodes: list[float], known: list[Any]) -> Any:
    weights = exponential(nodes, h, -1)
    return x + s * exp(-h) * sum(w * eps for w, eps in zip(weights, known, strict=True))
