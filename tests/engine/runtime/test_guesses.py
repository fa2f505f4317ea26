"""What the model guesses at can be changed, for every sampler, and the sampler goes by that."""

import inspect

import pytest
import torch
from engine.samplers.test_samplers import NAMES, answer, config, signal, start
from velatura_engine.runtime.guesses import amend
from velatura_engine.samplers import sampler

STEPS = 12
LED = [name for name in NAMES if name != "dpm_adaptive"]
"""One that chooses its steps by how they go is never asked for views together."""


def walk(name, change, prediction="epsilon", pure_noise=False):
    """A picture from pure noise by a perfect model whose guesses are changed; the same seed every time."""
    scheduler = sampler(name).build(config(prediction, pure_noise), "normal")
    scheduler.set_timesteps(STEPS)
    dice, roots = torch.Generator().manual_seed(7), signal(pure_noise)
    x = start(scheduler, dice, side=8)
    amend(scheduler, change)
    more = {"generator": dice} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for step in scheduler.timesteps:
        said = answer(scheduler.scale_model_input(x, step), step, roots, prediction)
        x = scheduler.step(said, step, x, return_dict=False, **more)[0]
    return x


@pytest.mark.parametrize("name", LED)
@pytest.mark.parametrize(("prediction", "pure_noise"), [("epsilon", False), ("v_prediction", True)])
def test_a_picture_becomes_what_its_guesses_are_changed_to(name, prediction, pure_noise):
    wanted = torch.linspace(-1, 1, 4 * 64).view(1, 4, 8, 8)
    made = walk(name, lambda guess, _: wanted.expand_as(guess), prediction, pure_noise)
    assert (made - wanted).abs().mean() < 0.03  # the last level's noise stays with some


@pytest.mark.parametrize("name", LED)
def test_guesses_that_stay_change_nothing(name):
    seen = []

    def look(guess, part):
        seen.append(part)
        return guess

    made, plain = walk(name, look), walk(name, lambda guess, _: guess + 0.0)
    torch.testing.assert_close(made, plain)
    assert seen[0] == 0 and seen == sorted(seen) and 0.85 < seen[-1] < 1


def test_the_guess_is_the_models_own():
    roots = signal(False)
    scheduler = sampler("euler").build(config(), "normal")
    scheduler.set_timesteps(STEPS)
    x, guesses = start(scheduler, torch.Generator().manual_seed(7), side=8), []
    amend(scheduler, lambda guess, _: guesses.append(guess) or guess)
    step = scheduler.timesteps[0]
    said = answer(scheduler.scale_model_input(x, step), step, roots, "epsilon")
    told = scheduler.step(said, step, x).pred_original_sample
    torch.testing.assert_close(guesses[0], told, atol=2e-3, rtol=1e-3)
