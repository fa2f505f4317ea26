"""Pictures to take after, for Flux.1: as diffusers' own pipeline does, and where and when they are to count."""

from __future__ import annotations

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_flows import make_flow
from fakes.tiny_references import make_encoder, make_flow_adapter
from PIL import Image
from safetensors.torch import load_file, save_file
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.request import Reference, Sampling, Tiling

SIDE = 64
LEFT = np.zeros((SIDE, SIDE, 1), np.float32)
LEFT[:, : SIDE // 2] = 1


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("models")
    base = make_flow(home / "flux", "flux", num_layers=2)
    make_flow(home / "schnell", "flux", guidance_embeds=False, num_layers=2)
    make_flow(home / "shallow", "flux", num_layers=1)
    make_flow(home / "sd3", "sd3")
    make_encoder(home / "clip_vision" / "eyes")
    make_flow_adapter(home / "ip_adapter" / "xlabs.safetensors", base)
    make_flow_adapter(home / "ip_adapter" / "second.safetensors", base, tokens=3, diffusers_names=True, seed=1)
    return home


@pytest.fixture(scope="module")
def index(home) -> ModelIndex:
    return ModelIndex([home], starter=False)


@pytest.fixture
def paint(paint):
    """The first picture of a painting of three steps, (H, W, 3) in 0..1."""

    def painted(*references: Reference, model: str = "flux", **more) -> np.ndarray:
        return paint(model, references=references, **({"sampling": Sampling(steps=3)} | more))

    return painted


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 48, 3), np.uint8)


def after(seed: int = 1, **more) -> Reference:
    return Reference(**({"image": Picture(pixels(seed)), "model": "xlabs", "strength": 0.7} | more))


def test_nothing_that_was_made_is_refused(index):
    assert not index.refused
    facts = {
        entry.id: (entry.family, entry.widths, entry.sees) for entry in index.entries() if entry.kind == "ip_adapter"
    }
    assert facts == dict.fromkeys(("xlabs", "second"), ("flux", (16, 16), (24, 0)))


@pytest.mark.parametrize(("model", "guidance", "negative"), [("flux", 3.5, ""), ("schnell", 2.0, "people")])
def test_a_picture_is_taken_after_as_in_diffusers_own_pipeline(paint, home, model, guidance, negative):
    pipeline = diffusers.FluxPipeline.from_pretrained(home / model)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(
        str(home / "ip_adapter"), weight_name="xlabs.safetensors",
        image_encoder_pretrained_model_name_or_path=str(home / "clip_vision" / "eyes"), low_cpu_mem_usage=False,
        image_encoder_dtype=torch.float32,
    )  # fmt: skip
    pipeline.set_ip_adapter_scale(0.7)
    guided = {"negative_prompt": negative, "true_cfg_scale": guidance} if negative else {"guidance_scale": guidance}
    theirs = pipeline(
        "moss", ip_adapter_image=Image.fromarray(pixels(1)), num_inference_steps=3, width=SIDE, height=SIDE,
        output_type="np", generator=[torch.Generator("cpu").manual_seed(3)], **guided,
    ).images[0]  # fmt: skip
    ours = paint(after(), model=model, negative=negative, sampling=Sampling(steps=3, guidance=guidance))
    assert ours == pytest.approx(theirs, abs=2e-4)
    assert np.abs(ours - paint(model=model, negative=negative)).max() > 0.01


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
    twice = paint(after(strength=0.35), after(strength=0.35))
    assert twice == pytest.approx(one, abs=1e-5)
    left, right = (after(mask=Picture(mask, "data")) for mask in (LEFT, 1 - LEFT))
    assert paint(left, right) == pytest.approx(one, abs=1e-5)


def test_it_goes_with_tiling_and_every_branch_of_a_prompt(paint):
    more = {"tiling": Tiling(x=True), "prompt": "moss AND brick"}
    assert not np.array_equal(paint(after(mask=Picture(LEFT, "data")), **more), paint(**more))


def test_an_adapter_for_another_model_is_refused_while_planning(paint):
    with pytest.raises(Unsupported) as refusal:
        paint(after(), model="shallow")
    assert refusal.value.reason == "WRONG_BASE" and refusal.value.field == "steps[0].diffuse.references[0].model"
    with pytest.raises(NotFound) as missing:
        paint(after(model=None), model="sd3")
    assert missing.value.reason == "NO_REFERENCE_MODEL"


def test_a_file_whose_tensors_do_not_go_together_is_refused(home, tmp_path):
    tensors = load_file(home / "ip_adapter" / "xlabs.safetensors")
    del tensors["double_blocks.1.processor.ip_adapter_double_stream_v_proj.bias"]
    save_file(tensors, tmp_path / "odd.safetensors")
    assert "Flux.1" in ModelIndex([tmp_path], starter=False).refused["odd.safetensors"]
