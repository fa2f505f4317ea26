"""Every family through the whole engine: each task that it claims, prompts, ControlNets, VAEs, late arrivals."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, Lab, noise, quick, ramp
from fakes.tiny_models import make_control, make_single_file, make_tiny, make_vae
from velatura import errors, pixels, recipe
from velatura.v1 import pixels_pb2

TASKS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.6},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(np.ones((SIDE, SIDE), np.float32))},
    "edit": {"init": pixels.from_array(noise())},
}
CLAIMS = {
    "edit": ("sd1_edit", "edit", "inpaint"),
    "xl": ("sdxl", "img2img", "inpaint", "txt2img"),
    "xl-inpaint": ("sdxl_inpaint", "inpaint"),
    "xl-refiner": ("sdxl_refiner", "img2img", "inpaint"),
    "two": ("sd1", "img2img", "inpaint", "txt2img"),
    "xl-file": ("sdxl", "img2img", "inpaint", "txt2img"),
}
CASES = [(model, task) for model, (_, *tasks) in CLAIMS.items() for task in tasks]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("families")
    for name, layout in (("edit", "sd1_edit"), ("xl", "sdxl"), ("xl-inpaint", "sdxl_inpaint")):
        make_tiny(home / name, layout)
    make_tiny(home / "xl-refiner", "sdxl_refiner")
    make_single_file(home / "two.safetensors", make_tiny(home.parent / "sd2-away", "sd2"))
    make_single_file(home / "xl-file.safetensors", home / "xl")
    make_control(home / "xl-depth", home / "xl")
    make_control(home / "one-depth", make_tiny(home.parent / "sd1-away", "sd1"))
    make_vae(home / "vae" / "soft.safetensors", home / "xl")
    make_vae(home / "vae" / "small.safetensors", make_tiny(home.parent / "starter-away"))
    return home


@pytest.fixture(scope="module")
def many(folder: Path, tmp_path_factory) -> Iterator[Lab]:
    """An engine that has a model of every family."""
    running = Lab(tmp_path_factory.mktemp("home"), folder)
    yield running
    running.close()


def test_the_catalog_says_what_each_model_can_do(many):
    models = {model.id: model for model in many.engine.catalog().models}
    told = {name: (models[name].family, *sorted(models[name].tasks)) for name in CLAIMS}
    assert told == CLAIMS
    assert {name for name, model in models.items() if model.kind == "vae"} == {"soft", "small"}
    assert {name: models[name].family for name, m in models.items() if m.kind == "controlnet"} == {
        "xl-depth": "sdxl", "one-depth": "sd1",
    }  # fmt: skip


@pytest.mark.parametrize(("model", "task"), CASES)
def test_each_task_that_a_model_claims_paints_what_the_words_say(many, model, task):
    moss, brick = (many.exact(prompt=words, model=model, **TASKS[task])[0] for words in ("moss", "brick"))
    assert moss.shape == (SIDE, SIDE, 3) and np.isfinite(moss).all()
    assert not np.array_equal(moss, brick)


@pytest.mark.parametrize("task", ["txt2img", "edit"])
def test_prompts_are_composed_and_edited(many, task):
    model = "edit" if task == "edit" else "xl"
    said = [
        many.exact(prompt=words, model=model, steps=4, **TASKS[task])[0]
        for words in ("moss", "moss AND brick", "[moss:brick:0.5]", "(moss:1.5) wall", "moss BREAK " + "brick " * 90)
    ]
    for number, one in enumerate(said):
        assert all(not np.array_equal(one, other) for other in said[number + 1 :])


def test_a_single_file_of_sdxl_paints_what_its_folder_paints(many):
    file, folder = (many.exact(model=name, width=SIDE, height=SIDE)[0] for name in ("xl-file", "xl"))
    assert (file == folder).all()


@pytest.mark.parametrize("task", ["txt2img", "img2img", "inpaint"])
def test_sdxl_follows_depth_with_its_own_controlnet(many, task):
    away, towards = (
        many.exact(model="xl", depth=pixels.depth_map(depth), **TASKS[task])[0] for depth in (ramp(), ramp()[:, ::-1])
    )
    assert not np.array_equal(away, towards)


@pytest.mark.parametrize("field", ["depth.model", "vae"])
def test_what_was_made_for_another_base_is_refused_before_any_step(many, field):
    job = quick(model="xl", depth=pixels.depth_map(ramp()))
    if field == "vae":
        job.steps[0].diffuse.vae = "small"
    else:
        job.steps[0].diffuse.depth.model = "one-depth"
    with pytest.raises(errors.Unsupported) as refusal:
        many.result(job)
    assert (refusal.value.reason, refusal.value.field) == ("WRONG_BASE", f"steps[0].diffuse.{field}")


def test_a_recipe_with_another_vae_paints_the_same_pixels(many):
    first = many.paint(model="xl", vae="soft", seed=5)
    found = recipe.read(first)
    assert found is not None and {used.id for used in found.models} == {"xl", "soft"}
    assert many.result(recipe.replay(found)).images[0].data == first
    assert many.paint(model="xl", seed=5) != first


def test_a_recipe_of_an_edit_says_how_much_of_the_picture_was_kept(many):
    first = many.paint(model="edit", seed=5, **TASKS["edit"])
    found = recipe.read(first)
    assert found is not None and found.spec.steps[0].diffuse.sampling.image_guidance == 1.5
    assert many.result(recipe.replay(found)).images[0].data == first


@pytest.mark.parametrize("value", [0.5, -1.0, float("nan"), 101.0])
def test_image_guidance_out_of_range_is_refused(many, value):
    with pytest.raises(errors.Invalid) as refusal:
        many.result(quick(model="edit", image_guidance=value, **TASKS["edit"]))
    assert refusal.value.field == "steps[0].diffuse.sampling.image_guidance"


def test_a_model_put_in_while_the_engine_runs_is_used_without_a_word(many, folder):
    job = quick(model="late", output=pixels_pb2.PIXEL_FORMAT_PNG)
    with pytest.raises(errors.NotFound):
        many.result(job)
    shutil.copytree(folder / "xl", folder / "late.part", ignore=lambda *_: {"unet"})
    shutil.copytree(folder / "xl" / "unet", folder / "late.part" / "unet")
    (folder / "late.part").rename(folder / "late")
    time.sleep(1.1)  # the engine looks at its folders once a second
    assert many.result(job).images and "late" in {model.id for model in many.engine.catalog().models}
    shutil.rmtree(folder / "late")
    time.sleep(1.1)
    with pytest.raises(errors.NotFound):
        many.result(job)
