"""The weights that ship: small, whole and loadable. What they paint is judged through the engine, in tests/contract."""

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
from velatura_starter.sampling import Settings, load_pipeline, paint, vocabulary


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
