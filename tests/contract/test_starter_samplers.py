"""Whatever the sampler, the starter paints what it is told about as well as with Euler.

The engine's own planning and painting in this process, the starter's native size, five materials that it knows well in
four colours, three times as many pictures where these tell too little. A quarter of an hour of one core, so it stands
apart from what always runs: `pytest -m long`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

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
WISHES = [(material, colour) for material in MATERIALS for colour in COLOURS]
POINTS = 0.10
"""How much less than with Euler may be right."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

Adherence = tuple[float, float]
"""Shares of pictures that show the material asked, and the colour."""


@pytest.fixture(scope="module")
def adherence() -> Callable[[str, int], Adherence]:
    """What the judge, which never saw the programs that drew the training pictures, says of a sampler's pictures: of so
    many for each wish."""
    index, runner = ModelIndex([], starter=True), Runner(device="cpu", threads=1)
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))

    @cache
    def measure(sampler: str, each: int) -> Adherence:
        wishes, events = WISHES * each, []
        steps = tuple(_step(number, material, colour, sampler) for number, (material, colour) in enumerate(wishes))
        runner.run(make(Request(steps=steps), index), lambda: None, events.append)
        pictures = np.stack([as_srgb(event.picture) for event in events if isinstance(event, Artifact)])
        seen = name(judge, torch.from_numpy(pictures).permute(0, 3, 1, 2), material_names(), colour_names())
        right = [
            (material == shown, colour == tint)
            for (material, colour), shown, tint in zip(wishes, seen.materials, seen.colours, strict=True)
        ]
        materials, colours = (sum(one) / len(wishes) for one in zip(*right, strict=True))
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


def test_euler_paints_what_it_is_told(adherence):
    assert min(adherence("euler", 1)) >= 0.8


LCM_DRIFTS = pytest.mark.xfail(
    strict=True, reason="LCM draws all noise anew in each step; a model that is not distilled for it drifts in colour"
)


@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param(part.id, marks=LCM_DRIFTS if part.id == "lcm" else ())
        for part in samplers().parts()
        if part.id != "euler"
    ],
)
def test_a_sampler_paints_what_it_is_told_about_as_well_as_euler(adherence, sampler: str):
    found = most = (0.0, 1.0)
    for each in (1, 3):  # ten points of twenty pictures are two: more are painted before a sampler is called worse
        found, most = adherence(sampler, each), adherence("euler", each)
        if all(one >= best - POINTS - 1e-6 for one, best in zip(found, most, strict=True)):
            return
    raise AssertionError((found, most))
