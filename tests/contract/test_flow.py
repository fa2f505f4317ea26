"""Transformer families, and pipelines that no family knows, through the whole engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, Lab, noise, quick, slow
from fakes.loose_flows import make_loose, make_whole
from fakes.tiny_flows import FLOWS, make_flow, make_pixart
from velatura import errors, pixels, recipe
from velatura.v1 import diffuse_pb2

LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
TASKS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.6},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT)},
}


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Iterator[Lab]:
    """An engine that has a model of every transformer family, and one of none."""
    folder: Path = tmp_path_factory.mktemp("flows")
    for family in FLOWS:
        make_flow(folder / family.replace("_", "-"), family)
    make_pixart(folder / "pixart")
    make_pixart(folder / "odd")
    make_whole(folder.with_name("whole"), "flux")
    make_loose(folder, folder.with_name("whole"), "flux")
    index = folder / "odd" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": ["mine", "MyPipeline"]}))
    running = Lab(tmp_path_factory.mktemp("home"), folder)
    yield running
    running.close()


def test_a_denoiser_alone_paints_with_single_files_of_the_other_parts_and_its_recipe_names_it(many):
    listed = {model.id: (model.kind, model.family) for model in many.engine.catalog().models}
    assert {name: listed[name] for name in ("tuned", "clip_l", "t5xxl_fp16", "ae")} == {
        "tuned": ("checkpoint", "flux"), "clip_l": ("text_encoder", ""), "t5xxl_fp16": ("text_encoder", ""),
        "ae": ("vae", ""),
    }  # fmt: skip
    first = many.paint(model="tuned", **TASKS["img2img"])
    found = recipe.read(first)
    assert found is not None and many.result(recipe.replay(found)).images[0].data == first


MODELS = [family.replace("_", "-") for family in FLOWS]


def test_the_catalog_says_what_each_model_can_do_and_within_which_limits(many):
    catalog = many.engine.catalog()
    models = {model.id: model for model in catalog.models}
    assert {name: models[name].family.replace("_", "-") for name in MODELS} == {name: name for name in MODELS}
    assert all(sorted(models[name].tasks) == sorted(TASKS) for name in MODELS)
    limits = {name: (m.min_side, m.max_side, m.prompt_tokens, m.negative_prompt) for name, m in models.items()
              if name in {*MODELS, "pixart"}}  # fmt: skip
    assert limits == {
        "sd3": (16, 384, 256, True), "flux": (16, 0, 512, False), "flux2": (16, 0, 512, True),
        "z-image": (16, 0, 512, True), "qwen-image": (16, 0, 1024, True), "pixart": (16, 0, 0, True),
    }  # fmt: skip
    assert not any(models[name].prompt_weights for name in models)
    assert (models["pixart"].family, models["pixart"].pipeline) == ("generic", "PixArtSigmaPipeline")
    samplers = {part.id: part for shelf in catalog.shelves if shelf.name == "samplers" for part in shelf.parts}
    assert "flux" not in samplers["ddim"].families and "sd1" in samplers["ddim"].families
    assert not samplers["euler"].families  # all


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_each_task_paints_what_the_words_say(many, model, task):
    moss, brick = (many.exact(prompt=words, model=model, **TASKS[task])[0] for words in ("moss", "brick"))
    assert moss.shape == (SIDE, SIDE, 3) and np.isfinite(moss).all() and not np.array_equal(moss, brick)
    if task == "inpaint":
        assert (np.round(moss[:, SIDE // 2 :] * 255) == noise()[:, SIDE // 2 :]).all()


@pytest.mark.parametrize("model", [*MODELS, "pixart"])
def test_a_recipe_paints_its_picture_again(many, model):
    first = many.paint(model=model, seed=5)
    found = recipe.read(first)
    assert found is not None and many.result(recipe.replay(found)).images[0].data == first


@pytest.mark.parametrize("model", ["sd3", "qwen-image"])
def test_tiling_prompt_editing_and_a_mask_go_together(many, model):
    whole = {"tile": "xy", "prompt": "[moss:brick:0.5] AND wall", "steps": 4, **TASKS["inpaint"]}
    painted = many.exact(model=model, **whole)[0]
    for left_out in ({"tile": ""}, {"prompt": "moss AND wall"}, {"prompt": "[moss:brick:0.5]"}):
        assert not np.array_equal(painted, many.exact(model=model, **(whole | left_out))[0])


def test_weights_of_words_are_answered_by_a_warning(many):
    result = many.result(quick("(moss:1.4) wall", model="flux"))
    assert [warning.reason for warning in result.warnings] == ["PROMPT_WEIGHTS_IGNORED"]


@pytest.mark.parametrize(("model", "more", "field"), [
    ("flux", {"sampler": "ddim"}, "sampling.sampler"),
    ("flux", {"windows": diffuse_pb2.Windows(size=64)}, "windows"),
    ("pixart", {"tile": "x"}, "tiling"),
    ("pixart", {"sampler": "euler"}, "sampling.sampler"),
    ("pixart", TASKS["img2img"], "model"),
])  # fmt: skip
def test_what_a_model_cannot_do_is_refused_by_name_before_any_step(many, model, more, field):
    with pytest.raises(errors.Unsupported) as refusal:
        many.result(quick(model=model, **more))
    assert refusal.value.field == f"steps[0].diffuse.{field}" and refusal.value.remedy


def test_code_that_comes_with_a_model_never_runs(many):
    with pytest.raises(errors.NotFound):
        many.result(quick(model="odd"))


@pytest.mark.parametrize("model", ["flux", "pixart"])
def test_a_painting_can_be_stopped_and_the_next_one_runs(many, model):
    job = many.engine.generate(slow(model=model, width=SIDE, height=SIDE))
    many.until(running=1)
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(60)
    assert many.paint(model=model)
