"""Every sampler on a denoiser whose answer is known: pixels that are normally distributed, each for itself."""

import inspect
import math

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.runtime.seams import observe
from velatura_engine.samplers import SAMPLERS, sampler, samplers

MEAN, SPREAD = 0.4, 0.5
STEPS = 60
PARTS = samplers().parts()
NAMES = [part.id for part in PARTS]
PAIRS = [(part.id, schedule) for part in PARTS for schedule in part.schedules if schedule != "simple"]
ENOUGH = {"ddpm": 150, "euler_a": 120}
"""Steps of samplers that want more."""
GAMMA = 0.3
"""TCD's share of noise."""
OURS = ["dpm2", "dpm2_a", "dpm_adaptive", "dpm_fast", "dpmpp_2s_a", "dpmpp_3m_sde", "dpmpp_sde", "lms"]


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


def shares(step, roots):
    """Of signal and of noise at a training step, whole or between two."""
    noise_ratio = np.log(np.sqrt(1 - roots**2) / roots)
    ratio = math.exp(np.interp(float(step), np.arange(1000), noise_ratio))
    return 1 / math.hypot(1, ratio), ratio / math.hypot(1, ratio)


def answer(x, step, roots, prediction, aim=None, spread=SPREAD):
    """What a perfect model says of noisy pixels x (VP scale) at a training step, whole or between two.

    Most models say the mean of what may lie below the noise. Distilled ones lead along the path to where they `aim`: a
    share of signal and one of noise.
    """
    a, b = shares(step, roots)
    total = (a * spread) ** 2 + b**2
    if aim is None:
        clean = MEAN + a * spread**2 / total * (x - a * MEAN)
    else:
        there = aim[0] * MEAN + math.hypot(aim[0] * spread, aim[1]) / total**0.5 * (x - a * MEAN)
        clean = (there - aim[1] * x / b) / (aim[0] - aim[1] * a / b)
    noise = (x - a * clean) / b
    return a * noise - b * clean if prediction == "v_prediction" else noise


def aim(name, scheduler, step, roots):
    """Where a model distilled for that sampler leads from a step; None for all others."""
    if name == "lcm":
        return 1.0, 0.0
    if name != "tcd":
        return None
    following = [float(other) for other in scheduler.timesteps if other < step] + [0.0]
    return shares(math.floor((1 - GAMMA) * following[0]), roots)


def start(scheduler, dice, side=32, count=1):
    """Pure noise, (count, 4, side, side); `dice`: a generator, or one for each picture."""
    each = dice if isinstance(dice, list) else [dice] * count
    noise = [torch.randn(1, 4, side, side, generator=one) for one in each]
    return torch.cat(noise) * scheduler.init_noise_sigma


def walk(name, scheduler, x, dice, roots, prediction="epsilon", **facts):
    """From noisy pixels to clean ones, as diffusers' pipelines go."""
    extra = {"generator": dice} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for step in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, step)
        said = answer(seen, step, roots, prediction, aim(name, scheduler, step, roots), **facts)
        x = scheduler.step(said, step, x, return_dict=False, **extra)[0]
    return x


def paint(name, schedule="normal", prediction="epsilon", pure_noise=False, seed=7, side=32, steps=STEPS, **facts):
    """A picture (1, 4, side, side) from pure noise."""
    scheduler = sampler(name).build(config(prediction, pure_noise), schedule)
    scheduler.set_timesteps(steps)
    dice = torch.Generator("cpu").manual_seed(seed)
    return walk(name, scheduler, start(scheduler, dice, side), dice, signal(pure_noise), prediction, **facts)


def judge(picture):
    assert picture.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert picture.std().item() == pytest.approx(SPREAD, rel=0.08)


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_every_sampler_paints_the_distribution_it_was_told_of(name, schedule):
    judge(paint(name, schedule, steps=ENOUGH.get(name, STEPS)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pure_noise", [False, True])
def test_every_sampler_knows_models_that_predict_velocity_and_those_of_pure_noise(name, pure_noise):
    judge(paint(name, "normal", "v_prediction", pure_noise, steps=ENOUGH.get(name, STEPS)))


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_every_schedule_ends_where_next_to_no_noise_is_left(name, schedule):
    # Of pixels that are all alike every deviation is noise.
    assert paint(name, schedule, side=8, steps=20, spread=1e-6).sub(MEAN).std() < 0.05


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_every_schedule_starts_at_the_greatest_noise(name, schedule):
    # What is normal the model says; those of Stable Diffusion start late.
    scheduler = sampler(name).build(config(pure_noise=schedule == "normal"), schedule)
    scheduler.set_timesteps(10)
    assert float(scheduler.timesteps[0]) == pytest.approx(999, abs=0.01)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"dpm_adaptive"}))
def test_pictures_in_a_batch_are_those_painted_alone(name):
    def together(*seeds):
        scheduler = sampler(name).build(config(), "normal")
        scheduler.set_timesteps(6)
        dice = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        return walk(name, scheduler, start(scheduler, dice, side=8), dice, signal(False))

    assert torch.allclose(together(1, 2, 3), torch.cat([together(seed) for seed in (1, 2, 3)]), atol=1e-5)


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


def test_a_sampler_in_another_folder_is_found_and_paints(tmp_path):
    (tmp_path / "plain.py").write_text(
        "from velatura_engine.samplers import SAMPLERS\n"
        "from velatura_engine.samplers._schedule import SIGMAS, scheduler\n"
        "@SAMPLERS.part('plain', 'Plain', schedules=SIGMAS)\n"
        "def build(config, schedule):\n    return scheduler('EulerDiscreteScheduler', config, schedule)\n"
    )
    try:
        SAMPLERS.discover(tmp_path)
        assert torch.equal(paint("plain", side=8, steps=5), paint("euler", side=8, steps=5))
    finally:
        SAMPLERS._parts.pop("plain", None)


class Perfect(torch.nn.Module):
    """Stands for a UNet, and knows the answer."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self):
        super().__init__()
        self.config = FrozenDict(in_channels=4, sample_size=32, time_cond_proj_dim=None)
        self.calls, self.roots = 0, signal(False)

    def forward(self, sample, timestep, **_):
        self.calls += 1
        return (answer(sample, timestep, self.roots, "epsilon"),)


def drive(kind, name, schedule="normal", steps=18, **call):
    """A picture by one of diffusers' pipelines; with what was seen of its steps, and the calls of its model."""
    scheduler, seen = sampler(name).build(config(), schedule), []
    observe(scheduler, seen.append)
    unet = Perfect()
    pipeline = kind(
        vae=None, text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    dice = [torch.Generator("cpu").manual_seed(5)]
    picture = pipeline(
        prompt_embeds=torch.zeros(1, 1, 8), generator=dice, num_inference_steps=steps, guidance_scale=1,
        output_type="latent", **call,
    ).images  # fmt: skip
    return picture, seen, unet.calls


@pytest.mark.parametrize("name", OURS)
def test_pipelines_paint_with_our_samplers(name):
    picture, seen, calls = drive(StableDiffusionPipeline, name, "karras", steps=40, height=256, width=256)
    judge(picture)
    assert [moment.done for moment in seen] == list(range(1, calls + 1))
    assert seen[-1].done == seen[-1].total and seen[-1].next_timestep is None
    assert all(moment.next_timestep is not None for moment in seen[:-1])


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("strength", [0.3, 0.75])
def test_pipelines_repaint_with_our_samplers_from_any_step(name, strength):
    # From pixels of the right distribution, any share of noise leads back to it.
    clean = MEAN + SPREAD * torch.randn(1, 4, 32, 32, generator=torch.Generator("cpu").manual_seed(3))
    picture, seen, calls = drive(
        StableDiffusionImg2ImgPipeline, name, steps=37, image=clean, strength=strength, prompt=None
    )
    judge(picture)
    assert len(seen) == calls and seen[-1].next_timestep is None
    # Along the ODE SPREAD / hypot(SPREAD, sigma) of the likeness stays, and with all noise afresh its square.
    likeness = torch.corrcoef(torch.stack([clean.flatten(), picture.flatten()]))[0, 1]
    low, high = {0.3: (0.2, 0.75), 0.75: (-0.1, 0.25)}[strength]
    assert low < likeness < high
