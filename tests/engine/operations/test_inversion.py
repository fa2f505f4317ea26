"""The noise that a picture would have been painted from, and what comes of beginning with it."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
import torch
from velatura_engine.errors import Invalid
from velatura_engine.events import Artifact, Progress
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture, as_srgb
from velatura_engine.planning.job import make
from velatura_engine.request import Diffuse, Direction, Request, Sampling, Step, Variation
from velatura_engine.run import Runner
from velatura_engine.samplers._own.climber import climb, climber

SIDE = 64
GAUSSIAN = 0.6
"""Spread of pixels whose denoiser is known: those that are normally distributed."""


def climbed(steps: int) -> float:
    """How far 1.0 comes from the level 0.05 up to 20 with that denoiser."""
    levels = (np.linspace(0.05 ** (1 / 7), 20 ** (1 / 7), steps + 1) ** 7).tolist()
    walk, answer = climb(levels, lambda: 0.0), None
    _, sigma = next(walk)
    x = 1.0
    try:
        while True:
            x, sigma = walk.send((x, x * GAUSSIAN**2 / (GAUSSIAN**2 + sigma**2)))
    except StopIteration as end:
        answer = end.value
    return answer


def test_the_way_up_is_that_of_the_closed_answer_to_second_order():
    truth = sqrt((GAUSSIAN**2 + 20**2) / (GAUSSIAN**2 + 0.05**2))
    errors = [abs(climbed(steps) / truth - 1) for steps in (20, 40, 80)]
    assert errors[0] < 0.015 and all(a / b > 3.4 for a, b in pairwise(errors))


def test_a_climb_ends_at_the_level_asked_and_knows_each_step_by_its_number():
    config = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
              "prediction_type": "epsilon"}  # fmt: skip
    made = climber(config, 600.0)
    made.set_timesteps(10)
    steps = made.timesteps.tolist()
    assert len(steps) == 20 and steps[0] == 0 and abs(steps[-1] - 600) < 1e-2
    assert all(a < b for a, b in pairwise(steps))


@pytest.fixture(scope="module")
def starter():
    """Paints with the starter in this process; gives sRGB pictures back, and the shares of progress."""
    index, runner = ModelIndex([], starter=True), Runner(device="cpu", threads=1)

    def paint(**fields):
        fields = {"width": SIDE, "height": SIDE, "seed": 3} | fields
        steps = (Step(id="a", operation=Diffuse(**fields)),)
        events: list = []
        runner.run(make(Request(steps=steps), index), lambda: None, events.append)
        done = [event.fraction for event in events if isinstance(event, Progress)]
        return next(as_srgb(event.picture) for event in events if isinstance(event, Artifact)), done

    paint.runner, paint.index = runner, index
    return paint


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR, dB."""
    return float(10 * np.log10(1 / np.square(one - other).mean()))


@pytest.fixture(scope="module")
def wall(starter) -> np.ndarray:
    """A picture whose every pixel the autoencoder can say: what it makes of one that the starter painted."""
    return starter(prompt="red brick, seamless texture", sampling=Sampling(steps=12))[0]


@pytest.fixture(scope="module")
def through(starter, wall) -> np.ndarray:
    """The picture, encoded and decoded."""
    model = starter.runner.models.checkpoint(starter.index.default())
    pixels = torch.from_numpy(wall).permute(2, 0, 1)[None] * 2 - 1
    with torch.inference_mode():
        made = model.decode(model.encode(pixels))
    return ((made + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()


def test_the_starter_paints_a_picture_again_from_its_noise(starter, wall, through):
    asked = {"prompt": "brick", "init": Picture(wall), "strength": 1.0, "seed": 11}
    asked |= {"sampling": Sampling(steps=20, sampler="dpmpp_2m")}
    (found, done), (drawn, _) = starter(**asked, invert=True), starter(**asked)
    assert likeness(found, through) >= 26 and likeness(drawn, through) < 18
    assert done == sorted(done)


def test_a_direction_changes_the_colour_and_keeps_the_layout(starter, wall):
    change = Direction(source=("red brick",), target=("blue brick",))
    asked = {"prompt": "red brick", "init": Picture(wall), "strength": 0.9, "directions": (change,), "seed": 11}
    asked |= {"sampling": Sampling(steps=10, sampler="dpmpp_2m")}
    found, drawn = (starter(**asked, invert=on)[0] for on in (True, False))
    assert found[..., 2].mean() > found[..., 0].mean(), "it is blue"
    assert edges_alike(found, wall) > edges_alike(drawn, wall) + 0.1


def edges_alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of how much brightness changes from pixel to pixel."""
    slopes = [np.abs(np.gradient(picture.mean(2))).sum(0).ravel() for picture in (one, other)]
    return float(np.corrcoef(*slopes)[0, 1])


def test_another_noise_beside_that_of_the_picture_is_refused(starter, wall):
    with pytest.raises(Invalid) as caught:
        starter(prompt="brick", init=Picture(wall), invert=True, variation=Variation(strength=0.5))
    assert caught.value.field == "steps[0].diffuse.init.invert"
