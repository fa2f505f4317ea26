"""Every flow family paints: what diffusers' own pipelines paint, and beyond that whatever other families can do."""

from __future__ import annotations

import json

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_flows import FLOWS, make_flow
from safetensors.torch import save_file
from velatura_engine.errors import Cancelled, Invalid, NotFound, Unsupported
from velatura_engine.events import Artifact, Preview, Progress, Warning
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.request import (
    Depth,
    Direction,
    Passage,
    PreviewAsk,
    Sampling,
    Tiling,
    Variation,
    Windows,
)

SIDE = 64
NOISE = Picture(np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32))
LEFT = np.zeros((SIDE, SIDE, 1), np.float32)
LEFT[:, : SIDE // 2] = 1
RAMP = Depth(image=Picture(np.tile(np.linspace(1, 5, SIDE, dtype=np.float32), (SIDE, 1))[..., None], "data"))
GUIDED = {"sd3": 4.5, "flux2": 4.0, "z_image": 5.0, "qwen_image": 4.0}
"""Families that are guided by a negative, and how hard."""


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> ModelIndex:
    home = tmp_path_factory.mktemp("models")
    for family in FLOWS:
        make_flow(home / family, family)
    make_flow(home / "schnell", "flux", guidance_embeds=False)
    make_flow(home / "klein", "flux2", pipeline_is_distilled=True)
    make_flow(home / "sd3-without-t5", "sd3", t5_too=False)
    dice = torch.Generator().manual_seed(1)
    small = {f"transformer.transformer_blocks.0.attn.to_q.lora_{part}.weight": torch.randn(shape, generator=dice)
             for part, shape in (("A", (4, 16)), ("B", (16, 4)))}  # fmt: skip
    joined = {f"lora_unet_double_blocks_0_img_attn_qkv.lora_{part}.weight": torch.randn(shape, generator=dice)
              for part, shape in (("down", (4, 16)), ("up", (48, 4)))}  # fmt: skip
    (home / "lora").mkdir()
    save_file(small, home / "lora" / "gold.safetensors")
    save_file(joined, home / "lora" / "joined.safetensors")
    return ModelIndex([home], starter=False)


def test_nothing_that_was_made_is_refused(index):
    checkpoints = {entry.family for entry in index.entries() if entry.kind == "checkpoint"}
    assert not index.refused and checkpoints == set(FLOWS)


def plainly(folder, steps=3, **call):
    """What diffusers paints from a folder, (H, W, 3)."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    dice = [torch.Generator("cpu").manual_seed(3)]
    pictures = pipeline(
        num_inference_steps=steps, generator=dice, width=SIDE, height=SIDE, output_type="np", **call
    ).images  # fmt: skip
    return pictures[0]


@pytest.mark.parametrize("family", FLOWS)
def test_words_alone_paint_what_diffusers_paints(paint, index, family):
    told, plain = "a mossy wall", "people"
    scale = GUIDED.get(family, 3.5)
    call = {
        "sd3": {"prompt": told, "negative_prompt": plain, "guidance_scale": scale},
        "flux": {"prompt": told, "guidance_scale": scale},
        # Its pipeline takes the negative as embeddings only; nothing said is the same to both.
        "flux2": {"prompt": told, "guidance_scale": scale},
        # Z-Image counts its guidance from 0.
        "z_image": {"prompt": told, "negative_prompt": plain, "guidance_scale": scale - 1},
        "qwen_image": {"prompt": told, "negative_prompt": plain, "true_cfg_scale": scale},
    }[family]
    theirs = plainly(index.get(family).path, **call)
    negative = "" if family in ("flux", "flux2") else plain
    ours = paint(family, prompt=told, negative=negative, sampling=Sampling(steps=3, guidance=scale))
    assert ours == pytest.approx(theirs, abs=2e-4)


@pytest.mark.parametrize("family", ["sd3", "flux", "z_image", "qwen_image"])
def test_a_start_paints_what_diffusers_own_pipeline_for_pictures_paints(index, runner, paint, family):
    """But for the start's latents, which diffusers draws and we do not: they are handed to both."""
    model = runner.models.checkpoint(index.get(family))
    kind = {
        "sd3": diffusers.StableDiffusion3Img2ImgPipeline, "flux": diffusers.FluxImg2ImgPipeline,
        "z_image": diffusers.ZImageImg2ImgPipeline, "qwen_image": diffusers.QwenImageImg2ImgPipeline,
    }[family]  # fmt: skip
    pipeline = kind.from_pretrained(index.get(family).path)
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline.vae.encode

    def likeliest(pixels, *args, **kwargs):
        answer = drawn(pixels, *args, **kwargs)
        answer.latent_dist.sample = lambda *_: answer.latent_dist.mode()
        return answer

    pipeline.vae.encode = likeliest
    off = {"sd3": {"guidance_scale": 1.0}, "z_image": {"guidance_scale": 0.0}, "qwen_image": {}, "flux": {}}[family]
    theirs = pipeline(
        "moss", image=torch.from_numpy(NOISE.pixels).permute(2, 0, 1)[None], strength=0.5, num_inference_steps=4,
        generator=[torch.Generator("cpu").manual_seed(3)], output_type="np", width=SIDE, height=SIDE, **off,
    ).images[0]  # fmt: skip
    guidance = 7.0 if family == "flux" else 1.0  # what the pipeline takes where nobody says
    ours = paint(family, init=NOISE, strength=0.5, sampling=Sampling(steps=4, guidance=guidance))
    assert model.family.id == family and ours == pytest.approx(theirs, abs=2e-4)


@pytest.mark.parametrize("family", FLOWS)
def test_a_seed_means_the_same_again_and_in_a_batch(events, paint, family):
    alone = paint(family)
    assert np.array_equal(alone, paint(family)) and not np.array_equal(alone, paint(family, seed=4))
    batch = [event.picture.pixels for event in events(family, seed=2, count=2) if isinstance(event, Artifact)]
    assert batch[1] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("family", FLOWS)
def test_change_grows_with_strength(paint, family):
    sampling = Sampling(steps=8)
    least, *more = (
        paint(family, init=NOISE, strength=strength, sampling=sampling) for strength in (0.125, 0.25, 0.5, 1.0)
    )
    changes = [float(np.abs(picture - least).mean()) for picture in more]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("family", FLOWS)
def test_what_is_outside_a_mask_is_left_alone_and_what_is_inside_is_not(paint, family):
    painted = paint(family, init=NOISE, mask=Picture(LEFT, "data"))
    assert np.array_equal(painted[:, SIDE // 2 :], NOISE.pixels[:, SIDE // 2 :])
    assert not np.array_equal(painted[:, : SIDE // 2], NOISE.pixels[:, : SIDE // 2])


@pytest.mark.parametrize("family", ["sd3", "flux2"])
def test_half_masks_are_painted_in_the_last_part_of_the_run(paint, family):
    masks = [Picture(np.full((SIDE, SIDE, 1), value, np.float32), "data") for value in (0.2, 0.6, 1.0)]
    little, more, all_ = (paint(family, init=NOISE, mask=mask, sampling=Sampling(steps=8)) for mask in masks)
    assert not np.array_equal(little, more) and not np.array_equal(more, all_)


@pytest.mark.parametrize("family", FLOWS)
def test_edges_that_tile_meet_along_the_axes_asked(events, family):
    """Over several pictures the step across the edge is like the steps around; untiled it stands out or is chance."""
    pictures = [
        event.picture.pixels
        for event in events(family, count=4, tiling=Tiling(x=True), sampling=Sampling(steps=4))
        if isinstance(event, Artifact)
    ]
    for picture in pictures:
        across = np.abs(picture[:, 0] - picture[:, -1]).mean()
        steps = np.abs(np.diff(picture, axis=1)).mean(axis=(0, 2))
        assert across <= steps.max() * 1.05


@pytest.mark.parametrize("family", ["sd3", "flux2", "qwen_image"])
def test_a_tiled_picture_is_rolled_at_every_call_and_only_then(paint, family):
    x, y, none = (paint(family, tiling=tiling) for tiling in (Tiling(x=True), Tiling(y=True), Tiling()))
    assert not np.array_equal(x, y) and not np.array_equal(x, none)
    assert np.array_equal(none, paint(family))


@pytest.mark.parametrize("family", ["sd3", "flux", "z_image", "qwen_image"])
def test_prompts_are_edited_alternated_composed_and_parted(paint, family):
    sampling = Sampling(steps=4)
    region = Passage(text="brick", mask=Picture(LEFT, "data"))
    said = [
        paint(family, prompt=words, sampling=sampling)
        for words in ("moss", "[moss:brick:0.5]", "[moss|brick]", "moss AND brick", "brick")
    ] + [paint(family, sampling=sampling, passages=(region,))]  # fmt: skip
    for number, one in enumerate(said):
        assert all(not np.array_equal(one, other) for other in said[number + 1 :])


def test_half_of_the_pull_twice_is_the_pull(paint):
    alone, twice = (paint("sd3", prompt=words) for words in ("moss", "moss :0.5 AND moss :0.5"))
    assert twice == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("family", ["sd3", "qwen_image"])
def test_weights_are_not_heard_and_a_warning_says_so(events, family):
    plain, weighed = (events(family, prompt=words) for words in ("moss wall", "(moss:1.5) wall"))
    pictures = [
        next(event.picture.pixels for event in said if isinstance(event, Artifact)) for said in (plain, weighed)
    ]
    assert np.array_equal(*pictures)
    assert [event.reason for event in weighed if isinstance(event, Warning)] == ["PROMPT_WEIGHTS_IGNORED"]
    assert not [event for event in plain if isinstance(event, Warning)]


def test_a_prompt_beyond_the_last_token_is_said_not_to_be_heard(events):
    said = [event for event in events("sd3", prompt="moss " * 80) if isinstance(event, Warning)]
    assert [event.reason for event in said] == ["PROMPT_TRUNCATED"] and "256" in said[0].message


def test_a_model_with_its_guidance_within_hears_no_negative_and_says_so(events, paint):
    said = events("flux", negative="people")
    assert [event.reason for event in said if isinstance(event, Warning)] == ["NEGATIVE_UNHEARD"]
    weak, strong = (paint("flux", sampling=Sampling(steps=2, guidance=value)) for value in (1.5, 9.0))
    assert not np.array_equal(weak, strong)


def test_models_that_were_distilled_take_few_steps_and_no_guidance(index):
    facts = {name: (index.get(name).steps, index.get(name).guidance) for name in ("flux", "schnell", "flux2", "klein")}
    assert facts == {"flux": (28, 3.5), "schnell": (4, 1.0), "flux2": (50, 4.0), "klein": (4, 1.0)}


def test_the_third_text_encoder_of_sd3_may_be_missing(paint):
    assert not np.array_equal(paint("sd3-without-t5"), paint("sd3-without-t5", prompt="brick"))


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "dpmpp_sde", "lcm"])
def test_other_samplers_paint_with_every_task(paint, sampler):
    sampling = Sampling(steps=3, sampler=sampler)
    pictures = [
        paint("flux", sampling=sampling, **more)
        for more in ({}, {"init": NOISE}, {"init": NOISE, "mask": Picture(LEFT, "data")})
    ]
    assert all(np.isfinite(picture).all() for picture in pictures)


def test_a_variation_begins_with_noise_between_two_seeds(paint):
    own, little, other = (
        paint("flux", variation=Variation(subseed=9, strength=strength)) for strength in (0.0, 0.4, 1.0)
    )
    assert np.array_equal(own, paint("flux")) and np.array_equal(other, paint("flux", seed=9))
    assert 0 < np.abs(little - own).mean() < np.abs(other - own).mean()


@pytest.mark.parametrize("family", FLOWS)
def test_glimpses_and_progress_are_shown(events, family):
    said = events(family, preview=PreviewAsk(interval=0.0, size=32), sampling=Sampling(steps=3))
    glimpses = [event for event in said if isinstance(event, Preview)]
    assert len(glimpses) == 2 and glimpses[0].pixels.shape == (32, 32, 3)
    steps = [event.step for event in said if isinstance(event, Progress) and event.stage == "0:diffuse"]
    assert steps == [0, 1, 2, 3]


@pytest.mark.parametrize("family", ["flux", "z_image"])
def test_a_run_that_is_stopped_leaves_the_model_as_it_was(events, paint, family):
    before, calls = paint(family), []

    def stop():
        calls.append(0)
        if len(calls) > 6:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        events(family, check=stop, sampling=Sampling(steps=50), tiling=Tiling(x=True))
    assert np.array_equal(before, paint(family))


@pytest.mark.parametrize("family", ["sd3", "flux", "qwen_image"])
def test_a_lora_in_diffusers_names_is_worn_and_taken_off_without_a_trace(paint, family):
    before, worn, after = (paint(family, prompt=words) for words in ("moss", "moss <lora:gold:0.8>", "moss"))
    assert np.array_equal(before, after) and not np.array_equal(before, worn)


def test_a_lora_whose_layers_are_joined_in_the_original_way_is_worn_where_there_are_such(events, paint):
    before, worn, after = (paint("flux", prompt=words) for words in ("moss", "moss <lora:joined:1>", "moss"))
    assert np.array_equal(before, after) and not np.array_equal(before, worn)
    with pytest.raises(Unsupported) as refusal:
        events("qwen_image", prompt="moss <lora:joined:1>")
    assert refusal.value.reason == "WRONG_BASE"


REFUSED = {
    "sampling.sampler": {"sampling": Sampling(sampler="ddim")},
    "sampling.clip_skip": {"sampling": Sampling(clip_skip=1)},
    "sampling.eta": {"sampling": Sampling(eta=0.5)},
    "windows": {"windows": Windows()},
    "directions": {"directions": (Direction(source=("moss",), target=("brick",)),)},
    "prompt": {"prompt": '("moss", "brick").blend(0.5, 0.5)'},
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_a_flow_model_cannot_do_is_refused_by_name(events, field):
    with pytest.raises(Unsupported) as refusal:
        events("flux", **REFUSED[field])
    assert refusal.value.field == f"steps[0].diffuse.{field}" and refusal.value.remedy
    if field == "sampling.sampler":
        assert "dpmpp_2m" in refusal.value.suggestions and "ddim" not in refusal.value.suggestions


def test_a_model_without_controlnets_is_not_led_and_others_are_where_one_is_installed(events):
    with pytest.raises(Unsupported) as refusal:
        events("flux2", depth=RAMP)
    assert refusal.value.field == "steps[0].diffuse.model"
    with pytest.raises(NotFound) as missing:
        events("flux", depth=RAMP)
    assert missing.value.reason == "NO_CONTROL_MODEL" and missing.value.field == "steps[0].diffuse.depth"


def test_a_picture_larger_than_the_model_can_count_is_refused(events):
    with pytest.raises(Invalid) as refusal:
        events("sd3", width=512)
    assert refusal.value.field == "steps[0].diffuse.width" and "384" in refusal.value.message


def test_a_folder_of_other_purpose_with_the_same_tensors_is_not_taken_for_the_family(index, tmp_path):
    import shutil

    kontext = tmp_path / "kontext"
    shutil.copytree(index.get("flux").path, kontext)
    facts = json.loads((kontext / "model_index.json").read_text())
    (kontext / "model_index.json").write_text(json.dumps(facts | {"_class_name": "FluxKontextPipeline"}))
    found = ModelIndex([tmp_path], starter=False).entries()
    assert all(entry.family != "flux" for entry in found)
