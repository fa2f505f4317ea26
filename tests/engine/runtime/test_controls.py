"""ControlNets, unions of them and T2I-Adapters, folders and single files: what is loaded is what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter
from fakes.tiny_controls import as_file, make_adapter_xl, make_original_adapter, make_union, original_control_key
from fakes.tiny_models import make_control, make_control_file, make_t2i, make_tiny
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.controls import union_number
from velatura_engine.models.index import ModelIndex
from velatura_engine.runtime.controls import load_guide
from velatura_engine.runtime.unions import Union

CPU = {"dtype": torch.float32, "device": torch.device("cpu")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("base") / "sd1", "sd1")


def installed(folder: Path) -> ModelIndex:
    index = ModelIndex([folder], starter=False)
    assert not index.refused
    return index


@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_a_controlnet_in_one_file_is_the_one_in_the_folder(base, tmp_path, prefix):
    folder = make_control(tmp_path / "folder" / "x", base)
    make_control_file(tmp_path / "models" / "control_v11p_sd15_softedge.safetensors", folder, prefix=prefix)
    (entry,) = installed(tmp_path / "models").entries()
    assert (entry.kind, entry.control_kind, entry.latent_factor, entry.format) == (
        "controlnet",
        "softedge",
        8,
        "single",
    )
    loaded, saved = load_guide(entry, **CPU), ControlNetModel.from_pretrained(folder)
    assert _same(loaded, saved)


def test_a_controlnet_of_diffusers_in_one_file_is_loaded_too(base, tmp_path):
    saved = ControlNetModel.from_pretrained(make_control(tmp_path / "folder" / "x", base))
    save_file(saved.state_dict(), tmp_path / "canny.safetensors")
    index = ModelIndex([tmp_path], starter=False)
    entry = index.get("canny", kind="controlnet")
    assert entry.control_kind == "canny" and _same(load_guide(entry, **CPU), saved)


def _same(loaded, saved) -> bool:
    """Whether two ControlNets are of one mind."""
    torch.manual_seed(0)
    call = {
        "sample": torch.randn(1, 4, 8, 8), "timestep": torch.tensor(500), "return_dict": False,
        "encoder_hidden_states": torch.randn(1, 7, 32), "controlnet_cond": torch.rand(1, 3, 64, 64),
    }  # fmt: skip
    with torch.no_grad():
        (down, middle), (down_too, middle_too) = loaded(**call), saved(**call)
    pairs = [*zip(down, down_too, strict=True), (middle, middle_too)]
    return (
        all(torch.allclose(one, other, rtol=1e-3, atol=1e-4) for one, other in pairs) and float(middle.abs().max()) > 0
    )


@pytest.mark.parametrize("kind", ["full_adapter", "light_adapter"])
def test_an_adapter_fits_by_the_widths_of_its_features(base, tmp_path, kind):
    other = make_tiny(tmp_path / "starter")
    make_t2i(tmp_path / "models" / "t2iadapter_canny_sd15v2", base, kind=kind)
    index = installed(tmp_path / "models")
    (entry,) = index.entries()
    checkpoint = ModelIndex([base.parent], starter=False).default()
    assert (entry.kind, entry.control_kind) == ("t2i", "canny")
    fits = index.controls("canny", "sd1", checkpoint.cross_attention_dim, 8, checkpoint.rows)
    assert [fit.id for fit in fits] == [entry.id]
    stranger = ModelIndex([other.parent], starter=False).default()
    assert not index.controls("canny", "sd1", stranger.cross_attention_dim, stranger.latent_factor, stranger.rows)
    assert isinstance(load_guide(entry, **CPU), T2IAdapter)


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("xl") / "xl", "sdxl")


def loaded_xl(folder: Path, base: Path):
    """The one control model of a folder, and whether it fits SDXL and nothing else."""
    (entry,) = installed(folder).entries()
    checkpoint = ModelIndex([base.parent], starter=False).default()
    kind = entry.reads[0] if entry.reads else entry.control_kind
    facts = checkpoint.cross_attention_dim, checkpoint.latent_factor, checkpoint.rows
    fits = [installed(folder).controls(kind, family, *facts) for family in ("sdxl", "sd1")]
    return entry, load_guide(entry, **CPU), [len(found) for found in fits] == [1, 0]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kinds", [6, 8])
def test_a_union_is_told_by_its_tensors_and_answers_as_it_was_saved(xl, tmp_path, kinds, single):
    folder = make_union(tmp_path / ("away" if single else "models") / "x", xl, kinds=kinds)
    if single:
        as_file(tmp_path / "models" / "whatever.safetensors", folder)
    entry, net, fits = loaded_xl(tmp_path / "models", xl)
    assert fits and len({union_number(kind) for kind in entry.reads}) == kinds and not entry.control_kind
    saved = ControlNetUnionModel.from_pretrained(folder)
    call = _call(xl_text=True) | {"control_type": torch.eye(kinds)[1:2], "control_type_idx": [1]}
    call["controlnet_cond"] = [call["controlnet_cond"]]
    assert _agree(net(**call), saved(**call))


def test_a_union_in_the_guise_of_a_controlnet_hears_several_as_diffusers_has_them_heard(xl, tmp_path):
    net = ControlNetUnionModel.from_pretrained(make_union(tmp_path / "x", xl))
    call = _call(xl_text=True)
    hints = torch.rand(3, 1, 3, 64, 64).unbind()
    kinds = torch.eye(8)[[1]] + torch.eye(8)[[4]]
    strengths = [0.5, 0.0, 0.8]  # the one in the middle rests
    told = net(**call | {
        "controlnet_cond": [hints[0], hints[2]], "control_type": kinds, "control_type_idx": [1, 4],
        "conditioning_scale": [0.5, 0.8],
    })  # fmt: skip
    union = Union(net, [1, 3, 4], lambda: strengths)
    call["controlnet_cond"] = torch.cat(hints, dim=1)
    assert _agree(union(**call), told)
    strengths[:] = [0.0] * 3
    down, middle = union(**call)
    assert not middle.any() and len(down) == len(told[0]) and not any(level.any() for level in down)


@pytest.mark.parametrize("names", ["diffusers", "original"])
def test_a_controlnet_of_sdxl_in_one_file_is_the_one_in_the_folder(xl, tmp_path, names):
    folder = make_control(tmp_path / "away" / "x", xl)
    saved = ControlNetModel.from_pretrained(folder)
    key = original_control_key if names == "original" else str
    tensors = {key(name): values.contiguous().clone() for name, values in saved.state_dict().items()}
    (tmp_path / "models").mkdir()
    save_file(tensors, tmp_path / "models" / "softedge.safetensors")
    entry, net, fits = loaded_xl(tmp_path / "models", xl)
    call = _call(xl_text=True)
    assert fits and entry.family == "sdxl" and _agree(net(**call), saved(**call))
    del tensors[next(name for name in tensors if name.endswith("norm2.weight"))]
    save_file(tensors, tmp_path / "models" / "softedge.safetensors")
    with pytest.raises(Unsupported, match="not whole"):
        load_guide(entry, **CPU)


@pytest.mark.parametrize("kind", ["full_adapter", "light_adapter", "full_adapter_xl"])
@pytest.mark.parametrize("names", ["original", "diffusers"])
def test_an_adapter_in_one_file_is_the_one_in_the_folder(base, xl, tmp_path, kind, names):
    deep = kind == "full_adapter_xl"
    folder = make_adapter_xl(tmp_path / "x", xl) if deep else make_t2i(tmp_path / "x", base, kind=kind)
    saved, file = T2IAdapter.from_pretrained(folder), tmp_path / "models" / "sketch.safetensors"
    make_original_adapter(file, saved) if names == "original" else as_file(file, folder)
    (entry,) = installed(tmp_path / "models").entries()
    assert (entry.kind, entry.family, entry.latent_factor) == ("t2i", "sdxl" if deep else "sd1", 8)
    checkpoint = ModelIndex([(xl if deep else base).parent], starter=False).default()
    assert entry.rows == checkpoint.rows
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        told, heard = (adapter(picture) for adapter in (saved, load_guide(entry, **CPU)))
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(told, heard, strict=True)) and told[-1].any()


def test_an_adapter_of_another_make_and_a_control_lora_are_refused_for_what_they_are(base, tmp_path):
    adapter = T2IAdapter.from_pretrained(make_t2i(tmp_path / "x", base))
    file = make_original_adapter(tmp_path / "models" / "old.safetensors", adapter)
    save_file(load_file(file) | {"body.0.skep.weight": torch.zeros(1)}, file)
    save_file(
        {"lora_controlnet": torch.zeros(1), "input_hint_block.0.weight": torch.zeros(1)},
        tmp_path / "models" / "control-lora.safetensors",
    )
    index = ModelIndex([tmp_path / "models"], starter=False)
    assert not index.entries()
    assert "another make" in index.refused["old.safetensors"]
    assert "Control-LoRA" in index.refused["control-lora.safetensors"]


def _call(*, xl_text: bool) -> dict[str, Any]:
    torch.manual_seed(0)
    call = {
        "sample": torch.randn(1, 4, 8, 8), "timestep": torch.tensor(500), "return_dict": False,
        "encoder_hidden_states": torch.randn(1, 7, 24), "controlnet_cond": torch.rand(1, 3, 64, 64),
    }  # fmt: skip
    pooled = {"text_embeds": torch.randn(1, 16), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    return call | ({"added_cond_kwargs": pooled} if xl_text else {})


def _agree(one: Any, other: Any) -> bool:
    pairs = [*zip(one[0], other[0], strict=True), (one[1], other[1])]
    return all(torch.allclose(*pair, rtol=1e-3, atol=1e-4) for pair in pairs) and bool(one[1].any())
