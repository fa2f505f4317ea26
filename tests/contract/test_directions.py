"""Changes from one thing to another through the whole engine, and what they mean on the built-in model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from contract.lab import SIDE, Lab, array, flat, noise, quick
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2

HALF = np.zeros((SIDE, SIDE), np.float32)
HALF[:, : SIDE // 2] = 1
TASKS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.7},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(HALF), "strength": 0.7},
}
AWAY = spec.direction(["red wall", "red door"], ["blue wall", "blue door"])


def paint(lab: Lab, *directions: diffuse_pb2.Direction, **more: Any) -> np.ndarray:
    return lab.exact(**({"steps": 4, "guidance": 3.0, "directions": directions} | more))[0]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("prompt", ["moss", "(moss:1.2) AND [stone:brick:0.5]"])
def test_a_direction_to_where_it_came_from_or_of_no_strength_is_none_to_the_bit(lab, task, prompt):
    still = spec.direction(["red", "a red wall"], ["a red wall", "red"])
    none = spec.direction("red", "blue", 0.0, keep_layout=0.5)
    plain, away = (paint(lab, *ask, prompt=prompt, **TASKS[task]) for ask in ([], [AWAY]))
    assert np.array_equal(paint(lab, still, none, prompt=prompt, **TASKS[task]), plain)
    assert np.isfinite(away).all() and not np.array_equal(away, plain)


@pytest.mark.parametrize("model", ["tiny", "tiny-sd1"])
def test_from_what_is_said_to_something_else_paints_that(lab, model):
    there = paint(lab, spec.direction("moss", "a brick"), prompt="moss", model=model)
    assert np.allclose(there, paint(lab, prompt="a brick", model=model), atol=2e-4)
    half = paint(lab, spec.direction("moss", "a brick", 0.5), prompt="moss", model=model)
    assert not np.allclose(half, there, atol=2e-4)


def test_directions_add_up_in_any_order_and_the_other_way_takes_one_back(lab):
    other = spec.direction("old", "new", 0.5)
    both = paint(lab, AWAY, other)
    assert np.allclose(both, paint(lab, other, AWAY), atol=1e-4) and not np.allclose(both, paint(lab, AWAY), atol=1e-4)
    back = spec.direction(AWAY.source, AWAY.target, -1.0)
    assert np.allclose(paint(lab, AWAY, back), paint(lab), atol=1e-4)


def test_the_layout_is_kept_for_as_long_as_is_asked(lab):
    free, half, whole = (
        paint(lab, spec.direction(AWAY.source, AWAY.target, keep_layout=keep)) for keep in (0.0, 0.5, 1.0)
    )
    plain = paint(lab)
    for number, one in enumerate(painted := [plain, free, half, whole]):
        assert not any(np.array_equal(one, other) for other in painted[number + 1 :])


def test_a_direction_goes_with_controls_references_tiling_and_windows(lab):
    more = {
        "prompt": "moss AND stone", "tile": "x", "width": 2 * SIDE, "count": 1,
        "windows": diffuse_pb2.Windows(size=SIDE, overlap=16),
        "controls": [spec.control("canny", flat(), preprocessor="canny")],
        "references": [spec.reference(flat(40))],
    }  # fmt: skip
    kept = spec.direction(AWAY.source, AWAY.target, keep_layout=0.5)
    painted = [paint(lab, *ask, **more) for ask in ([], [AWAY], [kept])]
    assert all(np.isfinite(one).all() for one in painted)
    assert not any(np.array_equal(painted[one], painted[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


def test_a_recipe_says_how_far_and_paints_the_same_again(lab):
    first = lab.paint(directions=[AWAY])
    found = recipe.read(first)
    assert found is not None
    (asked,) = found.spec.steps[0].diffuse.directions
    assert asked.strength == 1.0 and asked.HasField("keep_layout") and list(asked.target) == list(AWAY.target)
    assert lab.result(recipe.replay(found)).images[0].data == first
    assert "from 'red wall' to 'blue wall'" in lab.engine.plan(quick(directions=[AWAY])).explanation


BAD = {
    "no phrases to go from": ({"source": [], "target": ["x"]}, "source"),
    "no phrases to go to": ({"source": ["x"], "target": []}, "target"),
    "an empty phrase": ({"source": ["x", " "], "target": ["x"]}, "source[1]"),
    "too far": ({"source": ["x"], "target": ["y"], "strength": 5.0}, "strength"),
    "no number": ({"source": ["x"], "target": ["y"], "strength": float("nan")}, "strength"),
    "longer than the run": ({"source": ["x"], "target": ["y"], "keep_layout": 1.5}, "keep_layout"),
    "too many phrases": ({"source": ["x"] * 65, "target": ["y"]}, "source"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_leads_nowhere_is_refused_by_its_field(lab, case):
    facts, field = BAD[case]
    with pytest.raises(errors.Invalid) as refusal:
        lab.result(quick(directions=[diffuse_pb2.Direction(**facts)]))
    assert refusal.value.field == f"steps[0].diffuse.directions[0].{field}" and refusal.value.remedy


def test_more_than_four_are_refused(lab):
    with pytest.raises(errors.Invalid) as refusal:
        lab.result(quick(directions=[AWAY] * 5))
    assert refusal.value.field == "steps[0].diffuse.directions"


MATERIALS = ("brick", "planks", "denim", "cobblestone")
REDS = [f"red {one}" for one in MATERIALS]
BLUES = [f"blue {one}" for one in MATERIALS]


def colours(files: list[bytes]) -> list[str]:
    """What the judge calls the pictures' colours."""
    from velatura_starter import weights_path
    from velatura_starter.data.families import material_names
    from velatura_starter.data.palette import colour_names
    from velatura_starter.judge import load_judge, name

    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))
    images = torch.from_numpy(np.stack([array(file)[..., :3] for file in files])).permute(0, 3, 1, 2).float() / 255
    return list(name(judge, images, material_names(), colour_names()).colours)


def textures(lab: Lab, prompts: list[str], **more: Any) -> list[bytes]:
    """Pictures of the starter, each with a seed of its own."""
    jobs = [spec.texture(said, size=128, seed=40 + n, **more) for n, said in enumerate(prompts)]
    return [lab.result(job).images[0].data for job in jobs]


def blueness(files: list[bytes]) -> float:
    """How much more blue there is than red, the mean over pictures."""
    return float(np.mean([array(file)[..., 2].mean() - array(file)[..., 0].mean() for file in files])) / 255


@pytest.fixture(scope="module")
def reds(starter: Lab) -> list[bytes]:
    """What the starter paints of red materials."""
    return textures(starter, REDS)


@pytest.mark.parametrize("keep", [None, 0.3])
def test_from_red_to_blue_turns_what_the_starter_paints_of_red_things_blue(starter, reds, keep):
    away = textures(starter, REDS, directions=[spec.direction(REDS, BLUES, keep_layout=keep)])
    assert colours(reds).count("red") >= 3 and colours(away).count("blue") >= 3


def test_from_red_to_blue_moves_red_pictures_as_far_as_the_word_blue_does(starter, reds):
    def again(prompts: list[str], **more: Any) -> list[bytes]:
        jobs = [
            spec.diffuse(said, init=pixels.from_file(file), strength=0.85, seed=40 + n, **more)
            for n, (said, file) in enumerate(zip(prompts, reds, strict=True))
        ]
        return [starter.result(job).images[0].data for job in jobs]

    said, turned = again(BLUES), again(REDS, directions=[spec.direction(REDS, BLUES)])
    assert blueness(said) - blueness(reds) > 0.2
    assert blueness(turned) - blueness(reds) > 0.8 * (blueness(said) - blueness(reds))
