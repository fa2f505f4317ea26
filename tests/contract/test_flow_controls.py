"""Hints for transformer families through the whole engine: ControlNets, and models that read a hint by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from contract.lab import SIDE, Lab, array, noise, quick, ramp
from fakes.control_loras import make_control_lora
from fakes.tiny_flows import make_flow
from fakes.tiny_nets import make_net
from fakes.tiny_references import make_encoder, make_flow_adapter, make_joint_adapter, make_siglip
from safetensors.torch import save_file
from velatura import errors, pixels, recipe, spec

PICTURE = pixels.from_array(np.kron(noise(width=8, height=8), np.ones((8, 8, 1), np.uint8)))
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
CANNY = spec.control("canny", PICTURE, preprocessor="canny")
START = {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT)}


@pytest.fixture(scope="module")
def led(tmp_path_factory) -> Iterator[Lab]:
    """An engine with two models and their ControlNets, and one that reads depth by itself."""
    folder: Path = tmp_path_factory.mktemp("led")
    for family in ("sd3", "flux"):
        base = make_flow(folder / family, family)
        make_net(folder / "controlnet" / f"{family}-canny", base, family)
        make_net(folder / "controlnet" / f"{family}-depth", base, family, seed=1)
    dice = torch.Generator().manual_seed(1)
    (folder / "lora").mkdir()
    layer, shapes = "lora_unet_double_blocks_0_img_attn_qkv", {"down": (4, 16), "up": (48, 4)}
    tensors = {f"{layer}.lora_{part}.weight": torch.randn(shape, generator=dice) for part, shape in shapes.items()}
    save_file(tensors, folder / "lora" / "gold.safetensors")
    make_encoder(folder / "clip_vision" / "eyes")
    make_flow_adapter(folder / "ip_adapter" / "xlabs.safetensors", folder / "flux")
    make_siglip(folder / "clip_vision" / "siglip")
    make_joint_adapter(folder / "ip_adapter" / "instantx.safetensors", folder / "sd3")
    make_flow(folder / "flux-depth-dev", "flux", kind="FluxControlPipeline", in_channels=128, out_channels=64)
    make_control_lora(folder / "loras" / "hint-depth-lora.safetensors", folder / "flux", folder / "flux-depth-dev")
    running = Lab(tmp_path_factory.mktemp("home"), folder)
    yield running
    running.close()


def test_hints_tiling_prompt_editing_and_a_mask_go_together_and_each_counts(led, model="flux"):
    whole = {"controls": [CANNY], "depth": pixels.depth_map(ramp()), "tile": "xy", "steps": 4,
             "prompt": "[moss:brick:0.5]", **START}  # fmt: skip
    painted = led.exact(model=model, **whole)[0]
    assert (np.round(painted[:, SIDE // 2 :] * 255) == noise()[:, SIDE // 2 :]).all()
    for left_out in ({"controls": []}, {"depth": None}, {"tile": ""}, {"prompt": "moss"}):
        assert not np.array_equal(painted, led.exact(model=model, **(whole | left_out))[0])


@pytest.mark.parametrize("model", ["flux", "flux-depth-dev", "hint-depth-lora"])
def test_a_recipe_with_a_hint_paints_its_picture_again(led, model):
    first = led.paint(model=model, depth=pixels.depth_map(ramp()), seed=5)
    found = recipe.read(first)
    assert found is not None and led.result(recipe.replay(found)).images[0].data == first


@pytest.mark.parametrize(("model", "control", "kind", "field"), [
    ("flux", spec.control("canny", PICTURE, model="sd3-canny"), errors.Unsupported, "controls[0].model"),
    ("flux", spec.control("tile", PICTURE), errors.NotFound, "controls[0]"),
    ("flux-depth-dev", spec.control("canny", PICTURE), errors.Unsupported, "controls[0]"),
    ("flux-depth-dev", None, errors.Unsupported, "controls"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused_before_any_step(led, model, control, kind, field):
    with pytest.raises(kind) as refusal:
        led.result(quick(model=model, controls=[control] if control else []))
    assert refusal.value.field == f"steps[0].diffuse.{field}" and refusal.value.remedy


def test_a_lora_that_joins_layers_as_the_authors_do_is_worn_and_leaves_nothing(led):
    plain, worn, after = (led.paint(words, model="flux") for words in ("moss", "moss <lora:gold:0.8>", "moss"))
    assert plain == after and not np.array_equal(array(plain), array(worn))


@pytest.mark.parametrize("model", ["flux", "sd3"])
def test_a_picture_is_taken_after_and_its_recipe_paints_it_again(led, model):
    plain, taken = led.paint(model=model), led.paint(model=model, references=[spec.reference(PICTURE, strength=0.8)])
    assert not np.array_equal(array(plain), array(taken))
    found = recipe.read(taken)
    assert found is not None and led.result(recipe.replay(found)).images[0].data == taken
    with pytest.raises(errors.Unsupported) as refusal:
        led.result(quick(model=model, references=[spec.reference(PICTURE, "style")]))
    assert refusal.value.field == "steps[0].diffuse.references[0].role"


def test_the_catalog_says_what_is_read(led):
    models = {model.id: model for model in led.engine.catalog().models}
    assert (models["flux-canny"].kind, models["flux-canny"].control_kind) == ("controlnet", "canny")
    for name in ("flux-depth-dev", "hint-depth-lora"):
        assert (models[name].kind, models[name].control_kind) == ("checkpoint", "depth")
