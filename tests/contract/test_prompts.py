"""The prompt language through the whole engine, together with everything else that a painting can have."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, noise, quick
from velatura import errors, pixels, recipe
from velatura.v1 import diffuse_pb2

RAMP = np.tile(np.linspace(1, 5, SIDE, dtype=np.float32), (SIDE, 1))
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
STARTS: dict[str, dict[str, Any]] = {
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.7},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT), "strength": 0.7},
}
EXTRAS: dict[str, dict[str, Any]] = {
    "depth": {"depth": pixels.depth_map(RAMP)},
    "tiling": {"tile": "xy"},
    "editing": {"prompt": "[moss:red brick:0.4] AND (old:1.3) stone"},
}
CHOSEN = [chosen for count in (1, 2, 3) for chosen in itertools.combinations(EXTRAS, count)]


def paint(lab, start: str, chosen: tuple[str, ...]) -> np.ndarray:
    asked = {"prompt": "moss", "guidance": 3.0, "steps": 5} | STARTS[start]
    for name in chosen:
        asked |= EXTRAS[name]
    return array(lab.result(quick(**asked)).images[0].data).astype(int)


@pytest.fixture(scope="module")
def painted(lab) -> dict[tuple[str, tuple[str, ...]], np.ndarray]:
    """Every combination."""
    return {(start, chosen): paint(lab, start, chosen) for start in STARTS for chosen in [(), *CHOSEN]}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("chosen", CHOSEN, ids=" and ".join)
def test_whatever_is_combined_every_part_of_it_counts(painted, start: str, chosen: tuple[str, ...]):
    whole = painted[start, chosen]
    for left_out in chosen:
        rest = tuple(name for name in chosen if name != left_out)
        assert np.abs(whole - painted[start, rest]).max() > 0, f"{left_out} changes nothing"
    if start == "inpaint":
        assert np.array_equal(whole[:, SIDE // 2 :], noise()[:, SIDE // 2 :])


def test_a_recipe_of_a_composed_prompt_paints_the_same_pixels(lab):
    first = lab.paint("[moss|ivy] AND (brick:1.3)", negative="mud BREAK sand", seed=8, guidance=3.0)
    found = recipe.read(first)
    assert found is not None
    assert found.spec.steps[0].diffuse.prompt.syntax == diffuse_pb2.PROMPT_SYNTAX_WEBUI
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_a_recipe_of_a_literal_prompt_stays_literal(lab):
    job = quick("(moss:1.5)")
    job.steps[0].diffuse.prompt.syntax = diffuse_pb2.PROMPT_SYNTAX_PLAIN
    first = lab.result(job).images[0].data
    found = recipe.read(first)
    assert found is not None
    assert lab.result(recipe.replay(found)).images[0].data == first != lab.paint("(moss:1.5)")


@pytest.mark.parametrize("model", ["tiny-five", "tiny-nine", "tiny-sd1"])
def test_prompts_are_composed_by_models_of_every_layout(lab, model: str):
    more = EXTRAS["depth"] if model == "tiny-five" else STARTS["inpaint"] if model == "tiny-nine" else {}
    plain, composed = (lab.paint(said, model=model, **more) for said in ("moss", "moss AND [red|blue] brick :0.5"))
    assert plain != composed


@pytest.mark.parametrize("said", ["(moss:1000)", "<lora:rust:0.5> moss", "a " + "AND a " * 20, "<lora::1> moss"])
def test_what_a_prompt_cannot_say_is_refused_with_a_way_out(lab, said: str):
    with pytest.raises(errors.VelaturaError) as caught:
        lab.result(quick(said))
    assert isinstance(caught.value, (errors.Invalid, errors.NotFound))
    assert caught.value.field == "steps[0].diffuse.prompt" and caught.value.remedy


def test_a_region_changes_what_is_painted_and_a_region_of_nothing_does_not(lab):
    def painted(*regions: diffuse_pb2.PromptRegion) -> np.ndarray:
        return array(lab.paint("moss", guidance=3.0, steps=3, regions=regions)).astype(int)

    def region(mask: np.ndarray) -> diffuse_pb2.PromptRegion:
        return diffuse_pb2.PromptRegion(text="red (brick:1.2)", mask=pixels.mask(mask), weight=2)

    plain = painted()
    assert np.abs(painted(region(LEFT)) - plain).max() > 0
    assert np.abs(painted(region(np.zeros_like(LEFT))) - plain).max() <= 1


def test_a_span_of_the_whole_run_and_an_empty_prompt_are_that_text(lab):
    span = diffuse_pb2.PromptSpan(text="red brick")
    aside, said = lab.paint("", spans=[span], guidance=3.0), lab.paint("red brick", guidance=3.0)
    assert np.abs(array(aside).astype(int) - array(said)).max() <= 1


def test_a_span_is_heard_only_while_it_holds(lab):
    def painted(start: float, end: float) -> np.ndarray:
        return array(lab.paint("moss", spans=[diffuse_pb2.PromptSpan(text="brick", start=start, end=end)], steps=4))

    assert not np.array_equal(painted(0, 0.5), painted(0.5, 1))
    assert np.array_equal(painted(0.5, 0.51), array(lab.paint("moss", steps=4)))  # less than a step
