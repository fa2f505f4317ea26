"""Every sampler on a denoiser whose answer is known: pixels that are normally distributed, each for itself."""

import math

import numpy as np
import pytest
import torch
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.samplers import sampler, samplers

MEAN, SPREAD = 0.4, 0.5
STEPS = 120
PARTS = samplers().parts()
NAMES = [part.id for part in PARTS]
PAIRS = [(part.id, schedule) for part in PARTS for schedule in part.schedules if schedule != "simple"]


def config(prediction="epsilon", pure_noise=False):
    return {
        "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "prediction_type": prediction, "steps_offset": 1, "timestep_spacing": "trailing" if pure_noise else "leading",
        "rescale_betas_zero_snr": pure_noise, "clip_sample": False, "set_alpha_to_one": False,
    }  # fmt: skip


def signal(pure_noise):
    """Square root of the share of signal at every training step, written down anew from the papers."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    roots = np.sqrt(np.cumprod(1 - betas))
    if pure_noise:
        roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    return np.maximum(roots, 2.0**-12)


def answer(x, step, roots, prediction, consistent):
    """What a perfect model says of noisy pixels x (VP scale) at a training step, whole or between two."""
    noise_ratio = np.log(np.sqrt(1 - roots**2) / roots)
    ratio = math.exp(np.interp(float(step), np.arange(1000), noise_ratio))
    a, b = 1 / math.hypot(1, ratio), ratio / math.hypot(1, ratio)
    total = (a * SPREAD) ** 2 + b**2
    # A consistency model jumps to the end of the path; any other says the mean of what may lie below the noise.
    slope = SPREAD / total**0.5 if consistent else a * SPREAD**2 / total
    clean = MEAN + slope * (x - a * MEAN)
    noise = (x - a * clean) / b
    return a * noise - b * clean if prediction == "v_prediction" else noise


def paint(name, schedule="normal", prediction="epsilon", pure_noise=False, seed=7, side=32, steps=STEPS):
    """A picture (1, 4, side, side) from pure noise, as diffusers' pipelines do it."""
    scheduler = sampler(name).build(config(prediction, pure_noise), schedule)
    scheduler.set_timesteps(steps)
    dice = torch.Generator("cpu").manual_seed(seed)
    x = torch.randn(1, 4, side, side, generator=dice) * scheduler.init_noise_sigma
    roots = signal(pure_noise)
    extra = {} if name in {"heun", "dpmpp_2m", "unipc", "deis", "pndm", "lms"} else {"generator": dice}
    for step in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, step)
        said = answer(seen, step, roots, prediction, consistent=name == "lcm")
        x = scheduler.step(said, step, x, return_dict=False, **extra)[0]
    return x


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
@pytest.mark.parametrize(
    ("prediction", "pure_noise"), [("epsilon", False), ("v_prediction", False), ("v_prediction", True)]
)
def test_every_sampler_paints_the_distribution_it_was_told_of(name, schedule, prediction, pure_noise):
    picture = paint(name, schedule, prediction, pure_noise)
    assert picture.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert picture.std().item() == pytest.approx(SPREAD, rel=0.08)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_paints_the_same_picture(name):
    assert torch.equal(paint(name, side=8, steps=6), paint(name, side=8, steps=6))
    assert not torch.equal(paint(name, side=8, steps=6), paint(name, side=8, steps=6, seed=8))


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
def test_a_schedule_that_a_sampler_cannot_follow_is_refused_with_those_it_can(part):
    with pytest.raises(Unsupported) as refusal:
        part.build(config(), "spiral")
    assert "normal" in refusal.value.remedy and "sgm_uniform" in refusal.value.remedy


def test_an_unknown_sampler_offers_near_ones():
    with pytest.raises(NotFound) as refusal:
        sampler("dpmpp_2n", field="sampling.sampler")
    assert "dpmpp_2m" in refusal.value.suggestions and refusal.value.field == "sampling.sampler"


@pytest.mark.parametrize("name", NAMES)
def test_models_of_pure_noise_start_at_the_last_training_step(name):
    scheduler = sampler(name).build(config("v_prediction", pure_noise=True), "normal")
    scheduler.set_timesteps(4)
    assert float(scheduler.timesteps[0]) == 999
    assert scheduler.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 150])
def test_every_sampler_takes_one_step_and_many(name, steps):
    assert torch.isfinite(paint(name, "normal", "v_prediction", True, side=8, steps=steps)).all()


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
def test_simple_means_trailing_as_sgm_uniform_does(part):
    simple, uniform = (part.build(config(), schedule) for schedule in ("simple", "sgm_uniform"))
    simple.set_timesteps(10), uniform.set_timesteps(10)
    assert torch.equal(torch.as_tensor(simple.timesteps), torch.as_tensor(uniform.timesteps))
