"""Pictures to take after, for Stable Diffusion 3.5: as diffusers' own pipeline does, and where and when they count."""

from __future__ import annotations

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_flows import make_flow
from fakes.tiny_references import make_encoder, make_joint_adapter, make_siglip
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import SiglipImageProcessorPil, SiglipVisionModel
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex
from velatura_engine.models.sd3_reference import eye_name
from velatura_engine.pixels.picture import Picture
from velatura_engine.planning.job import make
from velatura_engine.request import Diffuse, Reference, Request, Sampling, Step, Tiling

SIDE = 64
LEFT = np.zeros((SIDE, SIDE, 1), np.float32)
LEFT[:, : SIDE // 2] = 1


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("models")
    base = make_flow(home / "large", "sd3")
    medium = make_flow(home / "medium", "sd3", num_layers=3, dual_attention_layers=(0, 1))
    make_encoder(home / "clip_vision" / "clip")  # as wide as SigLIP's here, and of the wrong make
    make_siglip(home / "clip_vision" / "eyes")
    make_joint_adapter(home / "ip_adapter" / "instantx.safetensors", base)
    make_joint_adapter(home / "ip_adapter" / "second.safetensors", base, seed=1)
    make_joint_adapter(home / "ip_adapter" / "dual.safetensors", medium, seed=2)
    return home


@pytest.fixture(scope="module")
def index(home) -> ModelIndex:
    return ModelIndex([home], starter=False)


@pytest.fixture
def paint(paint):
    """The first picture of a painting of three steps, (H, W, 3) in 0..1."""

    def painted(*references: Reference, model: str = "large", **more) -> np.ndarray:
        return paint(model, references=references, **({"sampling": Sampling(steps=3)} | more))

    return painted


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 48, 3), np.uint8)


def after(seed: int = 1, **more) -> Reference:
    return Reference(**({"image": Picture(pixels(seed)), "model": "instantx", "strength": 0.7} | more))


def test_nothing_that_was_made_is_refused_and_each_fits_its_own_base(index):
    assert not index.refused
    fits = {model: {entry.id for entry in index.readers(index.get(model))} for model in ("large", "medium")}
    assert fits == {"large": {"instantx", "second"}, "medium": {"dual"}}
    assert [entry.id for entry in index.encoders(index.get("dual", kind="ip_adapter"))] == ["eyes"]


@pytest.mark.parametrize(("model", "adapter"), [("large", "instantx"), ("medium", "dual")])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_picture_is_taken_after_as_in_diffusers_own_pipeline(paint, home, model, adapter, guidance):
    eyes = SiglipVisionModel.from_pretrained(home / "clip_vision" / "eyes")
    pipeline = diffusers.StableDiffusion3Pipeline.from_pretrained(
        home / model, image_encoder=eyes, feature_extractor=SiglipImageProcessorPil(size={"height": 28, "width": 28})
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(str(home / "ip_adapter"), weight_name=f"{adapter}.safetensors", low_cpu_mem_usage=False)
    pipeline.set_ip_adapter_scale(0.7)
    theirs = pipeline(
        "moss", ip_adapter_image=Image.fromarray(pixels(1)), num_inference_steps=3, width=SIDE, height=SIDE,
        negative_prompt="people", output_type="np", generator=[torch.Generator("cpu").manual_seed(3)],
        guidance_scale=guidance,
    ).images[0]  # fmt: skip
    more = {"negative": "people", "sampling": Sampling(steps=3, guidance=guidance), "model": model}
    ours = paint(after(model=adapter), **more)
    assert ours == pytest.approx(theirs, abs=2e-4)
    assert np.abs(ours - paint(**more)).max() > 0.05


def test_no_strength_no_place_and_no_time_are_no_reference_and_the_model_is_left_as_it_was(paint):
    plain = paint()
    for one in (after(strength=0.0), after(mask=Picture(LEFT * 0, "data")), after(start=0.9, end=0.95)):
        assert paint(one) == pytest.approx(plain, abs=1e-6)
    assert not np.array_equal(paint(after()), plain) and np.array_equal(paint(), plain)


def test_a_mask_of_everywhere_is_no_mask_and_half_a_mask_is_half_the_strength(paint):
    whole, half = (paint(after(mask=Picture(LEFT * 0 + value, "data"))) for value in (1, 0.5))
    assert whole == pytest.approx(paint(after()), abs=1e-5)
    assert half == pytest.approx(paint(after(strength=0.35)), abs=1e-5)


def test_several_count_each_by_itself_through_adapters_of_their_own(paint):
    one, other, both = paint(after()), paint(after(2, model="second")), paint(after(), after(2, model="second"))
    assert not np.array_equal(both, one) and not np.array_equal(both, other)
    assert np.array_equal(both, paint(after(2, model="second"), after()))
    assert paint(after(strength=0.35), after(strength=0.35)) == pytest.approx(one, abs=1e-5)


def test_it_goes_with_tiling_and_every_branch_of_a_prompt(paint):
    more = {"tiling": Tiling(x=True), "prompt": "moss AND brick"}
    assert not np.array_equal(paint(after(mask=Picture(LEFT, "data")), **more), paint(**more))


def test_an_adapter_for_another_base_is_refused_while_planning_and_the_encoder_that_lacks_is_named(
    home, tmp_path, paint
):
    with pytest.raises(Unsupported) as refusal:
        paint(after(model="dual"))
    assert refusal.value.reason == "WRONG_BASE" and refusal.value.field == "steps[0].diffuse.references[0].model"
    make_joint_adapter(tmp_path / "blind.safetensors", make_flow(tmp_path / "large", "sd3"))
    make_encoder(tmp_path / "clip")
    ask = Diffuse(prompt="moss", references=(after(model="blind"),))
    with pytest.raises(NotFound) as missing:
        make(Request(steps=(Step(id="0", operation=ask),)), ModelIndex([tmp_path], starter=False))
    assert missing.value.reason == "NO_IMAGE_ENCODER" and "SigLIP" in str(missing.value)


def test_a_tower_is_read_from_its_own_folder_from_the_whole_models_and_in_its_older_names(tmp_path):
    make_siglip(tmp_path / "whole", whole=True)
    make_siglip(tmp_path / "older")
    file = tmp_path / "older" / "model.safetensors"
    save_file({f"vision_model.{name}": value for name, value in load_file(file).items()}, file)
    for name in ("whole", "older"):
        entry = identify(tmp_path / name, "x")
        assert (entry.kind, entry.variant, entry.sees) == ("image_encoder", "siglip", (0, 32))
    broken = load_file(file)
    del broken["vision_model.encoder.layers.2.mlp.fc2.bias"]
    save_file(broken, file)
    with pytest.raises(Unsupported, match=r"fc2\.bias"):
        identify(tmp_path / "older", "x")


def test_tensors_in_diffusers_names_are_read_too_and_those_that_do_not_go_together_refused(home, tmp_path):
    tensors = load_file(home / "ip_adapter" / "instantx.safetensors")
    renamed = {
        f"image_proj.{eye_name(name)}" if eye_name(name) else name: value for name, value in tensors.items()
    }  # fmt: skip
    assert "image_proj.layers.3.adaln_proj.bias" in renamed
    save_file(renamed, tmp_path / "renamed.safetensors")
    assert identify(tmp_path / "renamed.safetensors", "x").family == "sd3"
    del renamed["ip_adapter.1.norm_ip.linear.bias"]
    save_file(renamed, tmp_path / "odd.safetensors")
    with pytest.raises(Unsupported, match=r"Stable Diffusion 3\.5"):
        identify(tmp_path / "odd.safetensors", "x")
