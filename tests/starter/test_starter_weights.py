"""The weights that ship: small, loadable, and they paint what they are asked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionPipeline
from velatura_starter import controlnet_path, model_path, weights_path
from velatura_starter.data.families import material_names
from velatura_starter.data.palette import colour_names
from velatura_starter.data.renders import Painter, disparity, texture_tiles
from velatura_starter.evaluate import grid
from velatura_starter.judge import load_depth_judge, load_judge, name, spearman
from velatura_starter.sampling import Settings, load_depth_pipeline, load_pipeline, paint, paint_depth, vocabulary
from velatura_starter.seams import seam_percentiles


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The settings that ship, at 128 px."""
    told = vocabulary()
    return Settings(size=128, steps=told["steps"], guidance=told["guidance_scale"])


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    """The shipped pipeline."""
    return load_pipeline()


def test_importing_the_package_needs_no_torch():
    code = "import sys, velatura_starter as v; v.model_path(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_weights_together_stay_below_45_megabytes():
    files = [p for p in weights_path().rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 45e6
    assert {p.name for p in files} >= {"judge.safetensors", "depth_judge.safetensors", "vocabulary.json", "README.md"}
    assert (model_path() / "model_index.json").exists()
    assert (controlnet_path() / "config.json").exists()


def test_the_model_loads_without_any_options_and_paints():
    pipe = StableDiffusionPipeline.from_pretrained(model_path())
    pipe.set_progress_bar_config(disable=True)
    image = pipe("red brick wall", height=64, width=96, num_inference_steps=2).images[0]
    assert image.size == (96, 64)


def test_the_vocabulary_is_what_the_generator_draws():
    told = vocabulary()
    assert told["materials"] == list(material_names())
    assert told["colours"] == list(colour_names())
    assert told["attributes"]
    assert told["size"] == 256
    assert 10 <= told["steps"] <= 30


def test_the_same_seed_paints_the_same_picture(pipe, settings):
    few = replace(settings, size=64, steps=4)
    one, two = (paint(pipe, ["blue planks"], few, seed=3) for _ in range(2))
    assert torch.equal(one, two)


def test_pictures_show_the_material_and_colour_asked(pipe, settings):
    wishes = grid(64)
    images = paint(pipe, [w.prompt for w in wishes], settings, seed=7)
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))
    seen = name(judge, images, material_names(), colour_names())
    right_m = sum(w.material == s for w, s in zip(wishes, seen.materials, strict=True)) / len(wishes)
    right_c = sum(w.colour == s for w, s in zip(wishes, seen.colours, strict=True)) / len(wishes)
    assert right_m >= 0.7
    assert right_c >= 0.75


@pytest.mark.parametrize("prompt", ["red brick wall", "red brick wall, seamless texture"])
def test_a_red_brick_wall_is_brick_and_red(pipe, settings, prompt):
    images = paint(pipe, [prompt] * 6, settings, seed=11)
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))
    seen = name(judge, images, material_names(), colour_names())
    assert seen.materials.count("brick") >= 5
    assert seen.colours.count("red") >= 5


def test_tiled_pictures_have_no_seam_and_untiled_ones_do(pipe, settings, dice):
    few = replace(settings, steps=8)
    prompts = [w.prompt for w in grid(32)]
    tiled = seam_percentiles(paint(pipe, prompts, few, seed=50), "x", dice(1))
    plain = seam_percentiles(paint(pipe, prompts, few, seed=50, axes=""), "x", dice(1))
    assert 0.3 < tiled["d1"] < 0.68
    assert plain["d1"] > 0.85


def test_pictures_follow_the_depth_hint(settings, dice):
    painter = Painter(*texture_tiles(64, dice(1)), dice(2))
    hints, prompts = [], []
    while len(hints) < 12:
        r = painter.render()
        if float((hint := disparity(r.depth, r.mask)).std()) > 0.05:
            hints.append(hint)
            prompts.append(f"{r.labels.colour} {r.labels.material}")
    asked = torch.stack(hints)
    images = paint_depth(load_depth_pipeline(), prompts, asked, replace(settings, steps=12), seed=1)
    low = torch.nn.functional.avg_pool2d(asked.unsqueeze(1), 4).squeeze(1)
    with torch.no_grad():
        read = load_depth_judge(weights_path() / "depth_judge.safetensors")(images)
    right, wrong = float(spearman(read, low).mean()), float(spearman(read, low.roll(1, 0)).mean())
    assert right >= 0.6
    assert right - wrong >= 0.3
