"""Models load from folders and single files, with the network shut, into modules that paint the same."""

import os
import socket

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from fakes.tiny_models import FAMILIES, LAYOUTS, SINGLE, make_control, make_single_file, make_tiny
from velatura_engine.errors import Unsupported
from velatura_engine.families import family
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex
from velatura_engine.runtime.load import load_checkpoint, load_control

CPU, FULL = torch.device("cpu"), torch.float32


@pytest.fixture(autouse=True)
def shut_network(monkeypatch):
    """Any attempt to reach another machine fails the test."""

    def refuse(*_args, **_more):
        raise AssertionError("a model asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {layout: make_tiny(home / layout, layout) for layout in LAYOUTS}


def load(path, name="model"):
    return load_checkpoint(identify(path, name), dtype=FULL, device=CPU)


def modules(parts, **more):
    scheduler = DDIMScheduler.from_config(parts.scheduler_config)
    return {**parts.parts, "scheduler": scheduler, "feature_extractor": None} | more


def paint(kind, parts, side, seed=3, **asked):
    plain = {"safety_checker": None, "requires_safety_checker": False}
    own = {"depth_estimator": None} if kind is StableDiffusionDepth2ImgPipeline else plain
    control = {"controlnet": asked.pop("controlnet")} if "controlnet" in asked else {}
    pipeline = kind(**modules(parts, **own, **control))
    pipeline.set_progress_bar_config(disable=True)
    size = {} if kind is StableDiffusionDepth2ImgPipeline else {"width": side, "height": side}
    dice = torch.Generator("cpu").manual_seed(seed)
    return pipeline("red brick wall", num_inference_steps=2, generator=dice, output_type="pt", **size, **asked).images


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_told_and_loads(folders, layout):
    entry = identify(folders[layout], "model")
    parts = load_checkpoint(entry, dtype=FULL, device=CPU)
    assert entry.family == FAMILIES[layout]
    assert parts.unet.config.in_channels == entry.in_channels == LAYOUTS[layout].channels
    assert 2 ** (len(parts.vae.config.block_out_channels) - 1) == entry.latent_factor
    assert parts.scheduler_config["prediction_type"] == entry.prediction == LAYOUTS[layout].prediction
    assert not parts.unet.training and not any(weight.requires_grad for weight in parts.unet.parameters())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiny_models_are_small_and_the_same_every_time(folders, layout, tmp_path):
    again = make_tiny(tmp_path / layout, layout)
    for file in folders[layout].rglob("*.safetensors"):
        assert file.read_bytes() == (again / file.relative_to(folders[layout])).read_bytes()


@pytest.mark.parametrize("layout", ["sd1", "starter"])
def test_text_to_image_paints_the_asked_size(folders, layout):
    assert paint(StableDiffusionPipeline, load(folders[layout]), 64).shape == (1, 3, 64, 64)


def test_nine_channels_inpaint(folders):
    image, mask = torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    said = paint(StableDiffusionInpaintPipeline, load(folders["sd1_inpaint"]), 64, image=image, mask_image=mask)
    assert said.shape == (1, 3, 64, 64)


def test_five_channels_follow_depth(folders):
    parts, image = load(folders["sd2_depth"]), torch.zeros(1, 3, 64, 64)
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
    one, other = (
        paint(StableDiffusionDepth2ImgPipeline, parts, 64, image=image, depth_map=depth, strength=1.0)
        for depth in (ramp, ramp.mT)
    )
    assert one.shape == (1, 3, 64, 64) and not torch.equal(one, other)


@pytest.mark.parametrize("layout", ["sd1", "starter"])
def test_a_controlnet_fits_its_base_and_has_an_effect(folders, layout, tmp_path):
    base = folders[layout]
    path = make_control(tmp_path / "controlnet" / "tiny-depth", base)
    entry, checkpoint = identify(path, "tiny-depth"), identify(base, "model")
    fits = ModelIndex([tmp_path], starter=False).controls(
        "depth", "sd1", checkpoint.cross_attention_dim, checkpoint.latent_factor
    )
    assert [fit.id for fit in fits] == ["tiny-depth"]
    control = load_control(entry, dtype=FULL, device=CPU)
    parts, ramp = load(base), torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    kind = StableDiffusionControlNetPipeline
    one, other = (paint(kind, parts, 64, controlnet=control, image=hint) for hint in (ramp, 1 - ramp))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("layout", SINGLE)
def test_a_single_file_holds_what_its_folder_holds(folders, layout, tmp_path):
    file = make_single_file(tmp_path / "tiny.safetensors", folders[layout])
    entry, told = identify(file, "tiny"), identify(folders[layout], "tiny")
    facts = ("family", "latent_factor", "latent_channels", "latent_scale", "size_multiple", "in_channels", "prediction",
             "cross_attention_dim", "text_layers", "tasks", "guidance", "image_guidance")  # fmt: skip
    assert {name: getattr(entry, name) for name in facts} == {name: getattr(told, name) for name in facts}
    single, folder = load(file), load(folders[layout])
    assert single.parts.keys() == folder.parts.keys() and single.settings == folder.settings
    for name in family(entry.family).weights:
        ours, theirs = (loaded.parts[name].state_dict() for loaded in (single, folder))
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    for reader in family(entry.family).readers:
        ours, theirs = (loaded.parts[reader.tokenizer]("moss").input_ids for loaded in (single, folder))
        assert ours == theirs
        assert len({loaded.parts[reader.tokenizer].pad_token for loaded in (single, folder)}) == 1


def test_a_single_file_paints_bit_for_bit_what_its_folder_paints(folders, tmp_path):
    single, folder = load(make_single_file(tmp_path / "tiny.safetensors", folders["sd1"])), load(folders["sd1"])
    assert torch.equal(paint(StableDiffusionPipeline, single, 64), paint(StableDiffusionPipeline, folder, 64))


def test_the_bundled_vocabulary_spells_as_clip_does(folders):
    tokenizer = load(folders["sd1"]).tokenizer
    # As published for openai/clip-vit-large-patch14.
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_weights_in_half_precision_load_in_full_where_asked(folders):
    parts = load_checkpoint(identify(folders["starter"], "m"), dtype=torch.bfloat16, device=CPU)
    assert {parts.unet.dtype, parts.vae.dtype, parts.text_encoder.dtype} == {torch.bfloat16}


def test_a_folder_that_holds_only_pickles_is_refused(folders, tmp_path):
    broken = make_tiny(tmp_path / "broken", "starter")
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    os.rename(weights, weights.with_suffix(".bin"))
    with pytest.raises(Unsupported, match="no safetensors weights"):
        identify(broken, "broken")
