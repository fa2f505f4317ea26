"""Samplers on models that flow along straight lines, whose answer is known: pixels that are normally distributed."""

import pytest
import torch
from velatura_engine.errors import Unsupported
from velatura_engine.runtime.seams import observe
from velatura_engine.samplers import samplers

MEAN, SPREAD = 0.4, 0.5
FLOW = [part for part in samplers().parts() if part.flow]
NOISE = [part for part in samplers().parts() if not part.flow]
PAIRS = [(part, schedule) for part in FLOW for schedule in part.schedules if schedule not in ("simple", "beta")]
SD3 = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0,
       "prediction_type": "flow_prediction"}  # fmt: skip
QWEN = SD3 | {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 0.9, "shift_terminal": 0.02}
NAMES = [part.id for part in FLOW]
FRESH = {"dpm2_a", "dpmpp_2m_sde", "dpmpp_2s_a", "dpmpp_3m_sde", "dpmpp_sde", "euler_a", "lcm"}


def answer(x, step, spread=SPREAD):
    """The flow at a training step, from the mean of what may lie below the noise."""
    t = float(step) / 1000
    clean = MEAN + (1 - t) * spread**2 / (((1 - t) * spread) ** 2 + t**2) * (x - (1 - t) * MEAN)
    return (x - clean) / t


def leads(x, step, spread=SPREAD):
    """The flow of a model distilled to lead to the end of the path at once."""
    t = float(step) / 1000
    clean = MEAN + spread / (((1 - t) * spread) ** 2 + t**2) ** 0.5 * (x - (1 - t) * MEAN)
    return (x - clean) / t


def paint(part, schedule="normal", config=SD3, steps=60, seeds=(7,), side=48, share=1.0, start=None, spread=SPREAD):
    """A picture (B, 4, side, side), and the moments on its way."""
    scheduler, seen = part.build(config, schedule), []
    observe(scheduler, seen.append)
    dice = [torch.Generator().manual_seed(seed) for seed in seeds]
    scheduler.share, scheduler.sources = share, dice
    scheduler.set_timesteps(steps, "cpu", mu=1.0)
    x = torch.cat([torch.randn(1, 4, side, side, generator=one) for one in dice])
    if start is not None:
        x = scheduler.noised(start, x, scheduler.timesteps[0])
    ask = leads if part.id == "lcm" else answer
    for step in scheduler.timesteps:
        x = scheduler.step(ask(x, step, spread), step, x, return_dict=False)[0]
    return x, seen


@pytest.mark.parametrize(("part", "schedule"), PAIRS, ids=[f"{part.id}-{schedule}" for part, schedule in PAIRS])
def test_every_sampler_paints_the_distribution_it_was_told_of(part, schedule):
    picture, _ = paint(part, schedule, steps=120 if part.id in ("euler_a", "euler") else 60)
    assert picture.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert picture.std().item() == pytest.approx(SPREAD, rel=0.08)


@pytest.mark.parametrize("part", FLOW, ids=NAMES)
@pytest.mark.parametrize("steps", [1, 3])
def test_every_sampler_takes_few_steps_and_shifts_that_follow_the_size(part, steps):
    picture, seen = paint(part, config=QWEN, steps=steps, side=8)
    assert torch.isfinite(picture).all()
    assert [moment.done for moment in seen] == list(range(1, len(seen) + 1)) and seen[-1].next_timestep is None


@pytest.mark.parametrize("part", FLOW, ids=NAMES)
def test_no_noise_is_left_at_the_end(part):
    # Of pixels that are all alike every deviation is noise.
    assert paint(part, side=8, steps=20, spread=1e-6)[0].sub(MEAN).std() < 0.02


@pytest.mark.parametrize("part", FLOW, ids=NAMES)
def test_a_run_may_begin_in_the_middle_and_keeps_what_it_began_with(part):
    clean = MEAN + SPREAD * torch.randn(1, 4, 48, 48, generator=torch.Generator().manual_seed(3))
    little, _ = paint(part, share=0.3, start=clean, config=SD3 | {"shift": 1.0})
    picture, _ = paint(part, share=0.6, start=clean, config=SD3 | {"shift": 1.0})
    assert picture.std().item() == pytest.approx(SPREAD, rel=0.1)
    likeness = [float(torch.corrcoef(torch.stack([clean.flatten(), x.flatten()]))[0, 1]) for x in (picture, little)]
    assert -0.05 < likeness[0] < likeness[1] - 0.1 and likeness[1] > (0.15 if part.id == "lcm" else 0.4)


@pytest.mark.parametrize("part", FLOW, ids=NAMES)
def test_a_seed_means_the_same_alone_and_in_a_batch(part):
    if part.alone:
        assert torch.equal(paint(part, side=8, steps=6)[0], paint(part, side=8, steps=6)[0])
        return
    both, _ = paint(part, side=8, steps=6, seeds=(1, 2))
    alone = torch.cat([paint(part, side=8, steps=6, seeds=(seed,))[0] for seed in (1, 2)])
    assert torch.allclose(both, alone, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(NAMES) - FRESH - {"dpm_adaptive"}))
def test_quiet_samplers_agree_where_steps_are_small(name):
    by_name = {part.id: part for part in FLOW}
    fine, _ = paint(by_name["euler"], side=8, steps=600)
    assert paint(by_name[name], side=8, steps=100)[0] == pytest.approx(fine, abs=0.05)


def test_normal_steps_are_those_of_the_models_own_scheduler():
    from diffusers import FlowMatchEulerDiscreteScheduler

    ours, theirs = FLOW[NAMES.index("euler")].build(SD3, "normal"), FlowMatchEulerDiscreteScheduler(shift=3.0)
    ours.set_timesteps(7), theirs.set_timesteps(7)
    assert torch.equal(ours.timesteps, theirs.timesteps) and torch.equal(ours.sigmas, theirs.sigmas)


def test_the_guess_shown_on_the_way_is_what_the_model_sees_below_the_noise():
    _, seen = paint(FLOW[NAMES.index("dpmpp_2m")], spread=1e-6, steps=8, side=8)
    assert all(torch.allclose(moment.denoised, torch.full_like(moment.denoised, MEAN), atol=1e-3) for moment in seen)


@pytest.mark.parametrize("part", NOISE, ids=[part.id for part in NOISE])
def test_a_sampler_that_counts_noise_is_refused(part):
    with pytest.raises(Unsupported, match="flows"):
        part.build(SD3, "normal")


def test_a_schedule_that_nobody_knows_is_refused_with_those_that_can_be_followed():
    with pytest.raises(Unsupported) as refusal:
        FLOW[0].build(SD3, "spiral")
    assert "karras" in refusal.value.remedy
