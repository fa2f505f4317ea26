"""Single files of transformer families' ControlNets, in diffusers' names and in their authors' own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes.tiny_flows import make_flow
from fakes.tiny_nets import as_file, make_net
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.families import family as family_of
from velatura_engine.models.identify import identify
from velatura_engine.runtime.controls import load_guide

STABILITY = {
    "joint_attention_dim": None, "use_pos_embed": False, "pos_embed_max_size": None, "pos_embed_type": None,
    "qk_norm": None, "force_zeros_for_pooled_projection": False, "caption_projection_dim": 64, "num_layers": 2,
}  # fmt: skip
WIDE = {"attention_head_dim": 64, "num_attention_heads": 1, "caption_projection_dim": 64}
HEADS = {"attention_head_dim": 32, "axes_dims_rope": (4, 14, 14)}
KINDS = {
    # name of the file: family, settings of the model and of its net, whether the file has its authors' names
    "sd3-canny": ("sd3", {}, {}, False),
    "sd3-inpaint": ("sd3", {}, {"extra_conditioning_channels": 1}, False),
    "sd3.5_large_controlnet_depth": ("sd3", WIDE, STABILITY, True),
    "flux-pose": ("flux", HEADS, {}, False),
    "flux-union": ("flux", HEADS, {"num_mode": 6}, False),
    "flux-hed-controlnet": (
        "flux", HEADS, {"conditioning_embedding_channels": 16, "patch_size": 2, "num_single_layers": 0}, True,
    ),
    "qwen-canny": ("qwen_image", HEADS, {}, False),
    "z-image-union": ("z_image", {}, {}, False),
    "z-image-union-2.1": (
        "z_image", {"n_refiner_layers": 2},
        {"control_in_dim": 33, "add_control_noise_refiner": "control_noise_refiner",
         "control_layers_places": [0, 15], "control_refiner_layers_places": [0, 1]}, False,
    ),
}  # fmt: skip


def make(home: Path, name: str) -> tuple[Path, Path]:
    """The folder of a net, and its single file."""
    family, denoiser, net, original = KINDS[name]
    base = make_flow(home / "base", family, **denoiser)
    folder = make_net(home / "away" / name, base, family, **net)
    led = family_of(family).flow.led
    return folder, as_file(home / f"{name}.safetensors", folder, led.originals if original else None)


def load(entry):
    return load_guide(entry, dtype=torch.float32, device=torch.device("cpu"))


@pytest.mark.parametrize("name", KINDS)
def test_a_single_file_is_the_net_of_its_folder(tmp_path, name):
    folder, file = make(tmp_path, name)
    ours, theirs = identify(file, name), identify(folder, name)
    for fact in ("kind", "family", "control_kind", "reads", "cross_attention_dim", "latent_factor", "in_channels"):
        assert getattr(ours, fact) == getattr(theirs, fact)
    loaded, whole = load(ours), load(theirs)
    assert loaded.state_dict().keys() == whole.state_dict().keys()
    assert all(torch.equal(values, whole.state_dict()[key]) for key, values in loaded.state_dict().items())
    told = {key: value for key, value in whole.config.items() if not key.startswith("_") and key != "sample_size"}
    assert {key: plain(loaded.config[key]) for key in told} == {key: plain(value) for key, value in told.items()}


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def test_a_refiner_that_was_never_trained_is_left_out(tmp_path):
    """Files of Z-Image's second version hold one whose first layer is empty; its other layers do the work."""
    _, file = make(tmp_path, "z-image-union-2.1")
    tensors = load_file(file)
    tensors["control_noise_refiner.0.before_proj.weight"].zero_()
    save_file(tensors, file)
    assert load(identify(file, "z")).config["add_control_noise_refiner"] == "control_layers"


def test_a_file_that_lacks_layers_is_refused(tmp_path):
    _, file = make(tmp_path, "flux-pose")
    tensors = load_file(file)
    del tensors["transformer_blocks.0.attn.to_q.weight"]
    save_file(tensors, file)
    with pytest.raises(Unsupported) as refusal:
        load(identify(file, "pose"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE"
    del tensors["x_embedder.weight"]
    save_file(tensors, file)
    with pytest.raises(Unsupported) as refusal:
        identify(file, "pose")
    assert refusal.value.reason == "NOT_A_WHOLE_MODEL"
