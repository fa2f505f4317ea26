"""Single files of transformer families: denoisers that are used with the other parts of a folder of the same model."""

from __future__ import annotations

import pytest
import torch
from fakes.original_flows import make_file
from fakes.tiny_flows import make_flow
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.index import ModelIndex
from velatura_engine.runtime.load import load_checkpoint


def load(entry):
    return load_checkpoint(entry, dtype=torch.float32, device=torch.device("cpu"))


MORE = {
    "sd3": {"num_layers": 3, "dual_attention_layers": (0,)},
    "flux": {"num_layers": 2, "num_single_layers": 2},
    "flux_fill": {"in_channels": 384, "out_channels": 64},
    "flux_control": {"in_channels": 128, "out_channels": 64},
}
LAYOUTS = ("sd3", "flux", "flux_control", "flux_fill", "flux2", "z_image", "qwen_image")


def pair(home, layout):
    """A folder of a family, and one of the same kind elsewhere, to make a file of."""
    family = "flux" if layout.startswith("flux_") else layout
    kinds = {"flux_fill": "FluxFillPipeline", "flux_control": "FluxControlPipeline"}
    more = {"kind": kinds.get(layout, ""), **MORE.get(layout, {})}
    return family, *(
        make_flow(folder, family, seed=seed, **more)
        for seed, folder in ((0, home / "base"), (5, home.parent / f"{home.name}-away"))
    )


def same(ours, folder, close=None):
    """Whether a loaded denoiser has a folder's very numbers, or numbers as near as that."""
    theirs = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    ours = ours.state_dict()
    assert ours.keys() == theirs.keys()
    return all(
        torch.equal(ours[name], value)
        if close is None
        else (ours[name] - value).abs().max() <= close * value.abs().max()
        for name, value in theirs.items()
    )


@pytest.mark.parametrize(
    ("layout", "prefix"), [*((layout, "model.diffusion_model.") for layout in LAYOUTS), ("sd3", ""), ("flux", "")]
)
def test_a_file_in_the_original_names_is_the_denoiser_of_its_folder(tmp_path, layout, prefix):
    family, base, away = pair(tmp_path, layout)
    make_file(tmp_path / "tuned.safetensors", away, family, prefix=prefix)
    index = ModelIndex([tmp_path], starter=False)
    assert not index.refused
    entry, folder = index.get("tuned"), index.get("base")
    assert (entry.family, entry.base, entry.format) == (layout, base, "single")
    assert (entry.tasks, entry.guidance, entry.size_multiple) == (folder.tasks, folder.guidance, folder.size_multiple)
    loaded = load(entry)
    assert same(loaded.transformer, away)
    lent, own = loaded.vae.state_dict(), load(folder).vae.state_dict()
    assert all(torch.equal(lent[name], own[name]) for name in own)


@pytest.mark.parametrize("layout", ["sd3", "flux", "flux2", "z_image"])
def test_a_file_in_diffusers_names_is_read_too(tmp_path, layout):
    _, _, away = pair(tmp_path, layout)
    tensors = load_file(away / "transformer" / "diffusion_pytorch_model.safetensors")
    save_file({f"model.diffusion_model.{name}": value for name, value in tensors.items()}, tmp_path / "a.safetensors")
    assert same(load(ModelIndex([tmp_path], starter=False).get("a")).transformer, away)


@pytest.mark.parametrize("layout", ["flux", "z_image"])
def test_eight_bits_are_read_as_what_they_are_with_or_without_scales(tmp_path, layout):
    family, _, away = pair(tmp_path, layout)
    make_file(tmp_path / "plain.safetensors", away, family, dtype=torch.float8_e4m3fn)
    make_file(tmp_path / "fine.safetensors", away, family, prefix="model.diffusion_model.")
    tensors = load_file(tmp_path / "fine.safetensors")
    for name, value in list(tensors.items()):
        if name.endswith(".weight") and value.ndim == 2:
            scale = value.abs().max() / 448
            tensors[name] = (value / scale).to(torch.float8_e4m3fn)
            tensors[f"{name.removesuffix('.weight')}.scale_weight"] = scale
    tensors["model.diffusion_model.scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    save_file(tensors, tmp_path / "scaled.safetensors")
    index = ModelIndex([tmp_path], starter=False)
    for name in ("plain", "scaled"):
        denoiser = load(index.get(name)).transformer
        assert same(denoiser, away, close=0.07) and not same(denoiser, away)
        assert all(values.dtype == torch.float32 for values in denoiser.parameters())


def test_other_parts_in_a_file_and_a_norm_that_nothing_uses_are_left_aside(tmp_path):
    family, _, away = pair(tmp_path, "z_image")
    make_file(tmp_path / "a.safetensors", away, family, prefix="model.diffusion_model.")
    tensors = load_file(tmp_path / "a.safetensors")
    more = {"vae.encoder.conv_in.bias": torch.ones(3), "model.diffusion_model.norm_final.weight": torch.ones(16)}
    save_file(tensors | more, tmp_path / "a.safetensors")
    assert same(load(ModelIndex([tmp_path], starter=False).get("a")).transformer, away)


def test_a_file_without_a_folder_of_the_same_model_is_refused_with_what_to_add(tmp_path):
    away = make_flow(tmp_path.parent / f"{tmp_path.name}-away", "flux")
    make_file(tmp_path / "alone.safetensors", away, "flux")
    make_flow(tmp_path / "larger", "flux", num_layers=2)
    why = ModelIndex([tmp_path], starter=False).refused["alone.safetensors"]
    assert "Flux.1" in why and "text encoders" in why and "model_index.json" in why


@pytest.mark.parametrize("layout", ["flux", "sd3", "z_image"])
def test_a_file_that_cannot_be_read_as_what_it_is_told_to_be_is_refused_while_it_loads(tmp_path, layout):
    """As many numbers as the folder has, but a layer is called otherwise."""
    family, _, away = pair(tmp_path, layout)
    make_file(tmp_path / "odd.safetensors", away, family)
    tensors = load_file(tmp_path / "odd.safetensors")
    name = next(name for name in tensors if "final_layer.linear" in name)
    tensors["nobody.knows.weight"] = tensors.pop(name)
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(Unsupported) as refusal:
        load(ModelIndex([tmp_path], starter=False).get("odd"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE"
