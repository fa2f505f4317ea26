"""The two seams see every step of every scheduler, and can change or stop it."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from velatura_engine.runtime.seams import observe, steer

SCHEDULERS = [
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
]


def run(scheduler, start: int = 0) -> torch.Tensor:
    """A pipeline's loop over a model that always says zero."""
    latents = torch.ones(1, 4, 2, 2)
    for timestep in scheduler.timesteps[start:]:
        scaled = scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(torch.zeros_like(scaled), timestep, latents, return_dict=False)[0]
    return latents


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_every_step_is_seen_once_and_the_last_has_nothing_after_it(kind):
    scheduler, seen = kind(), []
    observe(scheduler, seen.append)
    scheduler.set_timesteps(6)
    run(scheduler)
    assert [moment.done for moment in seen] == list(range(1, len(scheduler.timesteps) + 1))
    assert {moment.total for moment in seen} == {len(scheduler.timesteps)}
    assert [moment.next_timestep is None for moment in seen] == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_watching_changes_nothing(kind):
    results = []
    for watched in (False, True):
        scheduler = kind()
        if watched:
            observe(scheduler, lambda _: None)
        scheduler.set_timesteps(5)
        torch.manual_seed(0)
        results.append(run(scheduler))
    assert torch.equal(*results)


def test_a_run_that_begins_late_counts_only_its_own_steps():
    scheduler, seen = EulerDiscreteScheduler(), []
    observe(scheduler, seen.append)
    scheduler.set_timesteps(10)
    scheduler.set_begin_index(6)
    run(scheduler, start=6)
    assert [(moment.done, moment.total) for moment in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_the_observer_returns_becomes_the_latents():
    scheduler = EulerDiscreteScheduler()
    observe(scheduler, lambda moment: torch.full_like(moment.latents, 7.0))
    scheduler.set_timesteps(3)
    assert (run(scheduler) == 7).all()


def test_an_error_from_the_observer_ends_the_run():
    scheduler = EulerDiscreteScheduler()

    def stop(moment):
        raise InterruptedError(moment.done)

    observe(scheduler, stop)
    scheduler.set_timesteps(3)
    with pytest.raises(InterruptedError, match="1"):
        run(scheduler)


def test_the_denoised_guess_is_told_where_the_scheduler_knows_it():
    scheduler, seen = DPMSolverMultistepScheduler(), []
    observe(scheduler, seen.append)
    scheduler.set_timesteps(4)
    run(scheduler)
    # The model says there is no noise, so the clean latents are the noisy ones over the signal's share.
    assert all(not torch.equal(moment.denoised, moment.latents) for moment in seen[:-1])


def test_steering_rewrites_the_call_inside_the_block_only():
    layer = torch.nn.Linear(2, 2)
    values = torch.ones(1, 2)
    with torch.no_grad(), steer(layer, lambda args, kwargs: ((args[0] * 0,), kwargs)):
        assert torch.equal(layer(values)[0], layer.bias)
    assert not torch.equal(layer(values)[0], layer.bias)


def test_steering_rewrites_what_is_answered_too_and_leaves_no_hook_where_it_fails():
    layer = torch.nn.Linear(2, 2)
    values = torch.ones(1, 2)
    with torch.no_grad(), pytest.raises(KeyError), steer(layer, lambda *asked: asked, lambda answer: answer * 0):
        assert torch.equal(layer(values), torch.zeros(1, 2))
        raise KeyError
    assert not layer._forward_pre_hooks and not layer._forward_hooks
