"""The solvers that we wrote, in double precision, on normally distributed pixels: how fast their errors fall."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from velatura_engine.errors import Unsupported
from velatura_engine.samplers import sampler
from velatura_engine.samplers._own.adaptive import dpm_adaptive
from velatura_engine.samplers._own.solvers import dpm2, dpm_fast, dpmpp_2s_ancestral, dpmpp_3m_sde, dpmpp_sde, heun, lms
from velatura_engine.samplers._own.weights import exponential, plain

SPREAD, HIGH, LOW = 0.5, 200.0, 0.03
ENDED = SPREAD**2 / math.hypot(SPREAD, LOW)
"""Spread of the denoised at the last level, with which all but LMS end."""


def run(solver, levels, x, draw):
    """The finished pixels, and the noise levels of all calls. The model knows that pixels are spread around 0."""
    walk, stops = solver(list(levels), draw), []
    u, s = next(walk)
    u = x
    try:
        while True:
            stops.append(s)
            u, s = walk.send((u, SPREAD**2 / (SPREAD**2 + s**2) * u))
    except StopIteration as end:
        return end.value, stops


def error(solver, count, ended=ENDED):
    """Greatest error of a deterministic solver over `count` levels even in log sigma, and its calls.

    Along the ODE pixels keep their place in the distribution, which only grows narrower.
    """
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    found, stops = run(solver, np.geomspace(HIGH, LOW, count), math.hypot(SPREAD, HIGH) * z, lambda: 0.0)
    return float((found - ended * z).abs().max()), len(stops)


def spread_error(solver, count):
    """Error of the spread of a stochastic solver's result: no chance in it.

    All is linear, so pixels are followed as sums of independent noises: one axis for each draw.
    """
    axes = iter(torch.eye(2 * count + 2, dtype=torch.float64))
    x = math.hypot(SPREAD, HIGH) * next(axes)
    found, _ = run(solver, np.geomspace(HIGH, LOW, count), x, lambda: next(axes))
    return abs(float(found.norm()) - ENDED)


def slope(errors, counts):
    return math.log(errors[0] / errors[1]) / math.log(counts[1] / counts[0])


@pytest.mark.parametrize(("solver", "order"), [
    (dpm2, 2), (heun, 2), (partial(lms, order=1), 1), (partial(lms, order=2), 2), (lms, 4),
    (partial(dpmpp_2s_ancestral, eta=0.0), 2), (partial(dpmpp_sde, eta=0.0), 2), (partial(dpmpp_3m_sde, eta=0.0), 3),
    (dpm_fast, 3),
], ids=["DPM2", "Heun", "LMS 1", "LMS 2", "LMS 4", "DPM++ 2S", "DPM++ SDE", "DPM++ 3M", "DPM fast"])  # fmt: skip
def test_errors_fall_by_the_order_of_the_solver(solver, order):
    ended = SPREAD if solver is lms or getattr(solver, "func", None) is lms else ENDED
    (rough, fewer), (fine, more) = error(solver, 60, ended), error(solver, 180, ended)
    found = slope((rough, fine), (fewer, more))
    assert order - 0.35 < found < order + 0.9


@pytest.mark.parametrize("solver", [dpm2, dpmpp_2s_ancestral, dpmpp_sde, dpmpp_3m_sde])
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_the_spread_with_fresh_noise_is_right_to_second_order(solver, eta):
    rough, fine = (spread_error(partial(solver, eta=eta), count) for count in (40, 120))
    assert fine < 1e-3 and slope((rough, fine), (40, 120)) > 1.8


@pytest.mark.parametrize("solver", [dpm2, partial(dpm2, eta=1.0), heun, dpmpp_2s_ancestral, dpmpp_3m_sde])
def test_a_step_down_from_pure_noise_does_not_throw_guesses_that_differ(solver):
    """The model changes its mind once: from 0 to 1. Whatever comes of the step lies between, beside the noise."""
    walk = solver([4096.0, 20.0, 10.0], lambda: 0.0)
    next(walk)
    _, s = walk.send((0.0, 0.0))
    x = 0.0
    for _ in range(2):
        if s == 20.0:
            break
        x, s = walk.send((x, 1.0))
    assert s == 20.0 and 0.0 <= x <= 1.0


def test_fast_asks_the_model_once_for_each_step():
    assert [error(dpm_fast, count)[1] for count in range(1, 12)] == list(range(1, 12))


def test_adaptive_takes_more_steps_for_less_error():
    found = [error(partial(dpm_adaptive, tolerance=tolerance), 1000) for tolerance in (0.1, 0.01, 0.001, 0.0001)]
    errors, calls = zip(*found, strict=True)
    assert calls[0] < 40 and list(calls) == sorted(calls) and list(errors) == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 and slope(errors[-2:], calls[-2:]) > 2.5


@pytest.mark.parametrize("most", range(1, 24))
def test_adaptive_never_asks_more_often_than_it_may_and_always_arrives(most):
    _, stops = run(partial(dpm_adaptive, tolerance=1e-6), np.geomspace(HIGH, LOW, most), torch.ones(3), lambda: 0.0)
    assert len(stops) <= most and stops[-1] == (LOW if most > 1 else HIGH)


def test_adaptive_takes_back_a_step_that_went_wrong():
    _, stops = run(partial(dpm_adaptive, tolerance=1e-3), np.geomspace(HIGH, LOW, 40), torch.ones(3), lambda: 0.0)
    assert (np.diff(stops) > 0).any()


def test_adaptive_refuses_several_pictures_and_says_what_to_do():
    scheduler = sampler("dpm_adaptive").build(
        {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}, "normal"
    )
    scheduler.set_timesteps(5)
    two = torch.zeros(2, 4, 2, 2)
    with pytest.raises(Unsupported) as refusal:
        scheduler.step(two, scheduler.timesteps[0], two)
    assert "one picture at a time" in refusal.value.remedy


@pytest.mark.parametrize("rate", [-1.0, 1.0, 2.0])
def test_weights_integrate_polynomials_exactly(rate):
    nodes, h = [0.0, -0.3, -0.8], 0.7
    s = (np.arange(20000) + 0.5) / 20000 * h
    for power in range(3):
        exact = (rate * np.exp(-rate * (h - s)) * s**power).mean() * h
        assert exponential(nodes, h, rate) @ np.power(nodes, power) == pytest.approx(exact, abs=1e-8)
        assert plain(nodes) @ np.power(nodes, power) == pytest.approx(1 / (power + 1))


@pytest.mark.parametrize("name", ["lms", "dpmpp_2s_a", "dpm_fast"])
def test_noise_is_added_in_the_models_own_scale(name):
    scheduler = sampler(name).build({"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}, "karras")
    scheduler.set_timesteps(7)
    clean, noise = torch.full((2, 4, 2, 2), 3.0), torch.ones(2, 4, 2, 2)
    share = float(np.prod(1 - np.linspace(1e-4, 0.02, 1000)[:501]))
    noisy = scheduler.add_noise(clean, noise, torch.tensor([500]))
    assert torch.allclose(noisy, torch.full_like(clean, 3 * share**0.5 + (1 - share) ** 0.5), atol=1e-4)
