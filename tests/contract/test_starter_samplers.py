"""Whatever the sampler, the starter paints what it is told about as well as with Euler.

The engine's own planning and painting in this process, the starter's native size, five materials that it knows well in
four colours, three pictures of each. Three quarters of an hour of one core, so it stands apart from what always runs:
`pytest -m long`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from velatura_engine.events import Artifact
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import as_srgb
from velatura_engine.planning.job import make
from velatura_engine.request import Diffuse, Request, Sampling, Step, Tiling
from velatura_engine.run import Runner
from velatura_engine.samplers import samplers
from velatura_starter import weights_path
from velatura_starter.data.families import material_names
from velatura_starter.data.palette import colour_names
from velatura_starter.judge import load_judge, name

SIDE, STEPS = 128, 30
MATERIALS = ("brick", "cobblestone", "denim", "checkerboard", "polka dots")
COLOURS = ("red", "blue", "green", "yellow")
WISHES = [(material, colour) for material in MATERIALS for colour in COLOURS] * 3
"""Ten points of twenty pictures would be two."""
POINTS = 0.10
"""How much less than with Euler may be right."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

Adherence = tuple[float, float]
"""Shares of pictures that show the material asked, and the colour."""


@pytest.fixture(scope="module")
def adherence() -> Callable[[str], Adherence]:
    """What the judge, which never saw the programs that drew the training pictures, says of a sampler's pictures."""
    index, runner = ModelIndex([], starter=True), Runner(device="cpu", threads=1)
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))

    def measure(sampler: str) -> Adherence:
        events: list[object] = []
        steps = tuple(_step(number, material, colour, sampler) for number, (material, colour) in enumerate(WISHES))
        runner.run(make(Request(steps=steps), index), lambda: None, events.append)
        pictures = np.stack([as_srgb(event.picture) for event in events if isinstance(event, Artifact)])
        seen = name(judge, torch.from_numpy(pictures).permute(0, 3, 1, 2), material_names(), colour_names())
        right = [
            (material == shown, colour == tint)
            for (material, colour), shown, tint in zip(WISHES, seen.materials, seen.colours, strict=True)
        ]
        materials, colours = (sum(one) / len(WISHES) for one in zip(*right, strict=True))
        return materials, colours

    return measure


def _step(number: int, material: str, colour: str, sampler: str) -> Step:
    return Step(
        id=str(number),
        operation=Diffuse(
            prompt=f"{colour} {material}, seamless texture", width=SIDE, height=SIDE, seed=1000 + number,
            tiling=Tiling(x=True, y=True), sampling=Sampling(sampler=sampler, steps=STEPS),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def euler(adherence) -> Adherence:
    """The measure of all others."""
    return adherence("euler")


def test_euler_paints_what_it_is_told(euler):
    assert min(euler) >= 0.8, euler


@pytest.mark.parametrize("sampler", [part.id for part in samplers().parts() if part.id != "euler"])
def test_a_sampler_paints_what_it_is_told_about_as_well_as_euler(adherence, euler, sampler: str):
    found = adherence(sampler)
    assert all(one >= most - POINTS - 1e-6 for one, most in zip(found, euler, strict=True)), (found, euler)
