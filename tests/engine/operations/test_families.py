"""Every family paints: from either packing the same, in half precision nearly so, and with another VAE otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes.tiny_models import FAMILIES, LAYOUTS, SINGLE, make_control, make_single_file, make_tiny, make_vae
from velatura_engine.errors import Unsupported
from velatura_engine.events import Artifact, Preview
from velatura_engine.families import family
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.planning.job import make
from velatura_engine.request import Depth, Diffuse, PreviewAsk, Request, Sampling, Step, Tiling
from velatura_engine.run import Runner

NOISE = Picture(np.random.default_rng(0).random((64, 64, 3), np.float32))
WHOLE = Picture(np.ones((64, 64, 1), np.float32), "data")
RAMP = Depth(image=Picture(np.tile(np.linspace(1, 5, 64, dtype=np.float32), (64, 1))[..., None], "data"))
TASKS = {"txt2img": {}, "img2img": {"init": NOISE}, "inpaint": {"init": NOISE, "mask": WHOLE}, "edit": {"init": NOISE}}
NEW = [name for name in LAYOUTS if name not in ("starter", "sd1", "sd1_inpaint", "sd2_depth")]
CASES = [(layout, task) for layout in NEW for task in family(FAMILIES[layout]).pipelines]


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> ModelIndex:
    """Every layout, its single file (`-file`) where it has one, ControlNets and VAEs for some."""
    home = tmp_path_factory.mktemp("models")
    for layout in LAYOUTS:
        make_tiny(home / layout, layout)
    for layout in SINGLE:
        make_single_file(home / f"{layout}-file.safetensors", home / layout)
    make_control(home / "sdxl-depth", home / "sdxl")
    make_control(home / "sd1-depth", home / "sd1")
    make_vae(home / "other-vae", home / "sdxl")
    make_vae(home / "other-vae-file.safetensors", home / "sdxl")
    make_vae(home / "sd1-vae", home / "sd1")
    make_vae(home / "starter-vae.safetensors", home / "starter", seed=2)
    return ModelIndex([home], starter=False)


def test_nothing_that_was_made_is_refused(index):
    assert not index.refused


@pytest.mark.parametrize(("layout", "task"), CASES)
def test_every_task_of_a_family_paints_what_the_words_say(paint, layout, task):
    moss, brick = (paint(layout, prompt=words, **TASKS[task]) for words in ("moss", "brick"))
    assert moss.shape == (64, 64, 3) and np.isfinite(moss).all()
    assert not np.array_equal(moss, brick)


@pytest.mark.parametrize("layout", SINGLE)
def test_a_single_file_paints_bit_for_bit_what_its_folder_paints(paint, layout):
    task = next(iter(family(FAMILIES[layout]).pipelines))
    file, folder = (paint(name, **TASKS[task]) for name in (f"{layout}-file", layout))
    assert np.array_equal(file, folder)


@pytest.mark.parametrize("layout", ["sdxl", "sd1_edit", "sdxl_refiner"])
def test_composed_prompts_are_heard_with_every_way_of_guidance(paint, layout):
    start = TASKS[next(iter(family(FAMILIES[layout]).pipelines))]
    alone, twice, both = (
        paint(layout, prompt=words, **start) for words in ("moss", "moss :0.5 AND moss :0.5", "moss AND brick")
    )
    # Half of the pull, twice, is the pull; the sums round in another order.
    assert twice == pytest.approx(alone, abs=2e-3)
    assert np.abs(both - alone).max() > 2e-3


def test_sdxl_hears_an_edit_only_after_it_took_place(paint):
    sampling = Sampling(steps=6)
    plain, late, early = (
        paint("sdxl", prompt=words, sampling=sampling) for words in ("moss", "[moss:brick:0.9]", "[moss:brick:0.1]")
    )
    assert 0 < np.abs(late - plain).mean() < np.abs(early - plain).mean()


def test_a_batch_of_sdxl_hears_composed_prompts_as_each_picture_would_alone(events, paint):
    asked = {"prompt": "moss AND brick :0.4", "negative": "sand"}
    both = [event.picture.pixels for event in events("sdxl", count=2, **asked) if isinstance(event, Artifact)]
    assert both[0] == pytest.approx(paint("sdxl", **asked), abs=1e-3)
    assert both[1] == pytest.approx(paint("sdxl", **(asked | {"seed": 4})), abs=1e-3)


def test_where_nothing_is_to_be_avoided_sdxl_hears_silence_and_the_refiner_an_empty_text(index, runner):
    for name, silent in (("sdxl", True), ("sdxl_refiner", False)):
        embedder = runner.models.checkpoint(index.get(name)).embedder(None)
        assert embedder.silent is silent


@pytest.mark.parametrize("skip", [None, 0])
def test_sdxl_means_by_plain_words_what_diffusers_makes_of_them(index, runner, skip):
    from velatura_engine.conditioning.grammar import parse

    model = runner.models.checkpoint(index.get("sdxl"))
    pipeline = model.pipeline("txt2img", None, [])
    with torch.inference_mode():
        states, _, pooled, _ = pipeline.encode_prompt("old red brick", None, "cpu", 1, False, clip_skip=skip)
        branch = parse("old red brick").at(0, 1)[0]
        embedder = model.embedder(skip)
        assert torch.equal(embedder.embed(branch, 1), states)
        assert torch.equal(embedder.pooled(branch), pooled)


def test_a_blend_has_the_sum_of_its_parts_in_one_vector_too(index, runner):
    from velatura_engine.conditioning.grammar import parse

    embedder = runner.models.checkpoint(index.get("sdxl")).embedder(None)
    with torch.inference_mode():
        one, other = (embedder.pooled(parse(words).at(0, 1)[0]) for words in ("moss", "brick"))
        both = embedder.pooled(parse('("moss", "brick").blend(0.25, 0.75)').at(0, 1)[0])
    assert torch.allclose(both, 0.25 * one + 0.75 * other, atol=1e-6)


@pytest.mark.parametrize("task", ["txt2img", "img2img", "inpaint"])
def test_sdxl_follows_its_own_controlnets_and_no_others(paint, index, task):
    led, mirrored = (
        paint("sdxl", depth=depth, **TASKS[task])
        for depth in (RAMP, replace(RAMP, image=Picture(RAMP.image.pixels[:, ::-1].copy(), "data")))
    )
    assert not np.array_equal(led, mirrored)
    assert [entry.id for entry in index.controls("depth", "sdxl", 24, 8)] == ["sdxl-depth"]


def test_an_inpainting_model_of_sdxl_follows_the_same_controlnets(paint):
    assert not np.array_equal(
        paint("sdxl_inpaint", depth=RAMP, **TASKS["inpaint"]), paint("sdxl_inpaint", **TASKS["inpaint"])
    )


@pytest.mark.parametrize(("model", "control"), [("sdxl", "sd1-depth"), ("sd1", "sdxl-depth")])
def test_a_controlnet_for_another_family_is_refused_before_any_step(events, model, control):
    with pytest.raises(Unsupported) as refusal:
        events(model, depth=replace(RAMP, model=control))
    assert refusal.value.reason == "WRONG_BASE" and refusal.value.field == "steps[0].diffuse.depth.model"


def test_a_family_without_controlnets_refuses_depth(events):
    with pytest.raises(Unsupported, match="refiner cannot do img2img with a ControlNet"):
        events("sdxl_refiner", depth=RAMP, init=NOISE)


def test_sdxl_is_seamless_where_that_is_asked(paint):
    """The picture of a network that wraps commutes with rolling: opposite edges are neighbours like any others."""
    plain, tiled = paint("sdxl"), paint("sdxl", tiling=Tiling(x=True, y=True))
    seam, inside = np.abs(tiled[:, 0] - tiled[:, -1]).mean(), np.abs(np.diff(tiled, axis=1)).mean()
    assert seam < 3 * inside and not np.array_equal(plain, tiled)


@pytest.mark.parametrize("layout", ["sdxl", "sd1_edit"])
def test_glimpses_are_shown_of_every_family(events, layout):
    start = {"init": NOISE} if layout == "sd1_edit" else {}
    ask = PreviewAsk(interval=0.0, size=32)
    glimpses = [event for event in events(layout, preview=ask, **start) if isinstance(event, Preview)]
    assert glimpses and glimpses[0].pixels.shape == (32, 32, 3)


def test_an_edit_keeps_more_of_the_picture_the_more_that_is_asked(paint):
    """Not closer pixels, which a random model cannot promise, but another picture, and the default is 1.5."""
    default, asked, more = (
        paint("sd1_edit", init=NOISE, sampling=Sampling(steps=2, image_guidance=amount)) for amount in (None, 1.5, 4.0)
    )
    assert np.array_equal(default, asked) and not np.array_equal(asked, more)


@pytest.mark.parametrize(("more", "field"), [
    ({"init": NOISE, "strength": 0.5}, "steps[0].diffuse.init.strength"),
    ({}, "steps[0].diffuse.model"),
    ({"init": NOISE, "depth": RAMP}, "steps[0].diffuse.model"),
])  # fmt: skip
def test_what_an_edit_cannot_do_is_refused_by_name(events, more, field):
    with pytest.raises(Unsupported) as refusal:
        events("sd1_edit", **more)
    assert refusal.value.field == field


def test_image_guidance_is_refused_where_no_picture_is_looked_at(events):
    with pytest.raises(Unsupported) as refusal:
        events("sdxl", sampling=Sampling(steps=2, image_guidance=2.0))
    assert refusal.value.field == "steps[0].diffuse.sampling.image_guidance"


def test_an_edit_under_a_mask_leaves_the_rest_alone(paint):
    mask = np.zeros((64, 64, 1), np.float32)
    mask[:, :32] = 1
    painted = paint("sd1_edit", init=NOISE, mask=Picture(mask, "data"))
    assert np.array_equal(painted[:, 32:], NOISE.pixels[:, 32:])
    assert not np.array_equal(painted[:, :32], NOISE.pixels[:, :32])


def test_another_vae_paints_the_same_latents_otherwise_and_is_taken_off_again(paint):
    own, worn, file, again = (paint("sdxl", vae=vae) for vae in (None, "other-vae", "other-vae-file", None))
    assert np.array_equal(own, again) and np.array_equal(worn, file)
    assert not np.array_equal(own, worn)


def test_a_plan_that_wears_a_vae_names_it_with_its_hash(index):
    step = Step(id="0", operation=Diffuse(prompt="moss", model="sdxl", vae="other-vae"))
    assert [name for name, _ in make(Request(steps=(step,)), index).models] == ["sdxl", "other-vae"]


@pytest.mark.parametrize("vae", ["sd1-vae", "starter-vae"])
def test_a_vae_of_another_base_is_refused_before_any_step(events, vae):
    with pytest.raises(Unsupported) as refusal:
        events("sdxl", vae=vae)
    assert refusal.value.reason == "WRONG_BASE" and refusal.value.field == "steps[0].diffuse.vae"


@pytest.mark.parametrize("layout", ["sd1", "sdxl"])
def test_half_precision_paints_nearly_the_same(paint, layout):
    half = Runner(device="cpu", dtype="bf16", threads=1)
    full, rough = paint(layout), paint(layout, on=half)
    assert half.models.dtype == torch.bfloat16 and np.isfinite(rough).all()
    assert 0 < np.abs(full - rough).mean() < 0.05
