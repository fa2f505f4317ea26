"""Pipelines of diffusers that no family knows paint what they would paint alone, and refuse what they cannot."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_flows import make_chroma, make_flow, make_modular, make_pixart
from PIL import Image
from velatura_engine.errors import Cancelled, Unsupported
from velatura_engine.events import Artifact, Preview, Progress, Warning
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.request import Depth, Direction, PreviewAsk, Sampling, Tiling

SIDE = 64
NOISE = Picture(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
LEFT = np.zeros((SIDE, SIDE, 1), np.float32)
LEFT[:, : SIDE // 2] = 1
START = {"init": NOISE}
MASKED = {"init": NOISE, "mask": Picture(LEFT, "data")}


def renamed(folder: Path, kind: str) -> Path:
    """The same folder, said to be of another pipeline."""
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": kind}))
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> ModelIndex:
    home = tmp_path_factory.mktemp("models")
    renamed(make_flow(home / "kontext", "flux"), "FluxKontextPipeline")
    renamed(make_flow(home / "klein-fill", "flux2"), "Flux2KleinInpaintPipeline")
    renamed(make_flow(home / "klein-kv", "flux2"), "Flux2KleinKVPipeline")
    make_pixart(home / "pixart")
    make_chroma(home / "chroma")
    make_modular(home / "blocks", make_flow(home.parent / "flux-away", "flux"))
    return ModelIndex([home], starter=False)


def test_each_does_what_its_arguments_allow(index):
    assert not index.refused
    told = {entry.id: (entry.family, entry.pipeline, entry.tasks) for entry in index.entries()}
    assert told == {
        "kontext": ("generic", "FluxKontextPipeline", ("txt2img", "edit")),
        "klein-fill": ("generic", "Flux2KleinInpaintPipeline", ("inpaint",)),
        "chroma": ("generic", "ChromaImg2ImgPipeline", ("img2img",)),
        "blocks": ("generic", "FluxModularPipeline", ("txt2img", "img2img")),
        "klein-kv": ("generic", "Flux2KleinKVPipeline", ("txt2img", "edit")),
        "pixart": ("generic", "PixArtSigmaPipeline", ("txt2img",)),
    }


def test_words_alone_paint_what_the_pipeline_paints_alone(paint, index):
    pipeline = diffusers.DiffusionPipeline.from_pretrained(index.get("pixart").path)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "moss", negative_prompt="people", num_inference_steps=2, guidance_scale=3.0, width=SIDE, height=SIDE,
        generator=torch.Generator("cpu").manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    ours = paint("pixart", negative="people", sampling=Sampling(steps=2, guidance=3.0))
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_modular_blocks_paint_what_their_family_paints_and_do_not_look_where_their_list_points(paint, index, runner):
    listed = (index.get("blocks").path / "modular_model_index.json").read_text()
    assert "nobody/nowhere" in listed
    pipeline = diffusers.DiffusionPipeline.from_pretrained(index.get("blocks").path.parent.parent / "flux-away")
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "moss", num_inference_steps=2, guidance_scale=3.0, width=SIDE, height=SIDE, output_type="np",
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]  # fmt: skip
    assert paint("blocks", sampling=Sampling(steps=2, guidance=3.0)) == pytest.approx(theirs, abs=1e-4)


def test_a_picture_is_edited_as_the_pipeline_edits_it_alone(paint, index):
    pipeline = diffusers.DiffusionPipeline.from_pretrained(index.get("klein-kv").path)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt="moss", image=Image.fromarray(NOISE.pixels), num_inference_steps=2, width=SIDE,
        height=SIDE, generator=torch.Generator("cpu").manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    ours = paint("klein-kv", **START)
    assert ours == pytest.approx(theirs, abs=1e-4) and np.abs(paint("klein-kv") - ours).max() > 1e-4


def test_a_picture_that_comes_in_a_size_of_its_own_is_brought_to_the_one_asked(paint):
    assert paint("pixart", width=96, height=SIDE).shape == (SIDE, 96, 3)


@pytest.mark.parametrize(
    ("model", "more"),
    [("pixart", {}), ("klein-fill", MASKED), ("blocks", {}), ("blocks", START), ("chroma", START | {"strength": 0.6})],
)
def test_a_seed_means_the_same_again_and_in_a_batch(events, paint, model, more):
    alone = paint(model, **more)
    assert np.array_equal(alone, paint(model, **more)) and not np.array_equal(alone, paint(model, seed=4, **more))
    batch = [event.picture.pixels for event in events(model, seed=2, count=2, **more) if isinstance(event, Artifact)]
    assert np.array_equal(batch[1], alone)


def test_what_is_outside_a_mask_is_left_alone_and_what_is_inside_is_not(paint):
    painted = paint("klein-fill", **MASKED)
    assert np.array_equal(painted[:, SIDE // 2 :], NOISE.pixels[:, SIDE // 2 :])
    assert not np.array_equal(painted[:, : SIDE // 2], NOISE.pixels[:, : SIDE // 2])


def test_progress_is_shown_and_a_run_can_be_stopped(events):
    steps = [
        event.step
        for event in events("pixart", sampling=Sampling(steps=3))
        if isinstance(event, Progress) and event.stage == "0:diffuse"
    ]
    assert steps == [0, 1, 2, 3]
    calls = []

    def stop():
        calls.append(0)
        if len(calls) > 5:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        events("pixart", check=stop, sampling=Sampling(steps=50))


def test_weights_are_not_heard_and_a_warning_says_so(events):
    said = [event.reason for event in events("pixart", prompt="(moss:1.5) wall") if isinstance(event, Warning)]
    assert said == ["PROMPT_WEIGHTS_IGNORED"]


RAMP = Depth(image=Picture(np.ones((SIDE, SIDE, 1), np.float32), "data"))


@pytest.mark.parametrize(("model", "field", "more"), [
    ("pixart", "sampling.sampler", {"sampling": Sampling(sampler="euler")}),
    ("pixart", "tiling", {"tiling": Tiling(x=True)}),
    ("pixart", "prompt", {"prompt": "[moss:brick:0.5]"}),
    ("pixart", "directions", {"directions": (Direction(source=("moss",), target=("brick",)),)}),
    ("pixart", "model", {"init": NOISE}),
    ("pixart", "model", {"depth": RAMP}),
    ("kontext", "init.strength", {"init": NOISE, "strength": 0.5}),
    ("klein-fill", "negative", MASKED | {"negative": "people"}),
    ("klein-fill", "model", {}),
])  # fmt: skip
def test_what_a_pipeline_has_no_argument_for_is_refused_by_name(events, model, field, more):
    with pytest.raises(Unsupported) as refusal:
        events(model, **more)
    assert refusal.value.field == f"steps[0].diffuse.{field}" and refusal.value.remedy


def broken(index, folder: Path, **facts: object) -> str:
    """Why a folder with other facts in its index is refused."""
    shutil.copytree(index.get("pixart").path, folder / "odd")
    file = folder / "odd" / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))
    return ModelIndex([folder], starter=False).refused["odd"]


@pytest.mark.parametrize(("facts", "why"), [
    ({"_class_name": ["pipeline", "MyPipeline"]}, "never runs"),
    ({"_class_name": "MyPipeline"}, "never runs"),
    ({"transformer": ["my_transformer", "MyTransformer"]}, "never runs"),
    ({"text_encoder_9": ["transformers", "T5EncoderModel"]}, "lacks its text_encoder_9"),
    ({"_class_name": "WanPipeline"}, "makes films"),
    ({"_class_name": "ShapEPipeline"}, "makes meshes"),
    ({"_class_name": "MarigoldDepthPipeline"}, "not a painting"),
])  # fmt: skip
def test_code_that_comes_with_a_model_and_what_paints_no_pictures_is_refused(index, tmp_path, facts, why):
    assert why in broken(index, tmp_path, **facts)


def test_modular_blocks_that_come_with_a_model_are_refused(index, tmp_path):
    shutil.copytree(index.get("blocks").path, tmp_path / "odd")
    file = tmp_path / "odd" / "modular_model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_blocks_class_name": "MyBlocks"}))
    assert "never runs" in ModelIndex([tmp_path], starter=False).refused["odd"]


def test_pickled_weights_are_refused(index, tmp_path):
    shutil.copytree(index.get("pixart").path, tmp_path / "odd")
    weights = tmp_path / "odd" / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    assert "no safetensors" in ModelIndex([tmp_path], starter=False).refused["odd"]


@pytest.mark.parametrize("model, more", [
    ("pixart", {}), ("chroma", START), ("kontext", START), ("blocks", {}), ("klein-kv", {}),
])  # fmt: skip
def test_there_are_glimpses_where_the_pipelines_own_vae_tells_its_latents(events, model, more):
    said = events(model, preview=PreviewAsk(interval=0.0, size=32), **more, sampling=Sampling(steps=3))
    shown = [event for event in said if isinstance(event, Preview)]
    if model == "klein-kv":  # normed four by four, by a VAE of its own kind
        assert not shown
        return
    assert len(shown) >= 1 and all(one.pixels.shape == (32, 32, 3) for one in shown)
    assert shown[0].pixels.std() > 0 and not any(np.array_equal(a.pixels, b.pixels) for a, b in pairwise(shown))
