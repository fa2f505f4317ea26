"""Denoisers that listen to language models, put together with single files: Flux.2 klein, Z-Image and Qwen-Image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.loose_qwens import FILES, WIDTHS, make_loose, make_one, make_whole, text_of, vae_of
from fakes.painted import paint
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models import language_models
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex
from velatura_engine.request import Sampling
from velatura_engine.runtime.load import load_checkpoint, load_vae

SIDE, WORDS = 64, "a very old brick wall, naïve façade, 古い壁"
ASK = {"prompt": WORDS, "seed": 3, "width": SIDE, "height": SIDE, "sampling": Sampling(steps=2)}
FAMILIES = tuple(WIDTHS)
FACTS = ("family", "guidance", "steps", "negative", "size_multiple", "latent_factor", "latent_channels", "latent_scale",
         "max_side", "widths", "cross_attention_dim", "in_channels", "prompt_tokens")  # fmt: skip


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("whole")
    return home, {family: make_whole(home / family, family) for family in FAMILIES}


@pytest.fixture
def whole(pipelines) -> dict[str, Path]:
    return {family: pipelines[0] / family for family in FAMILIES}


def load(entry):
    return load_checkpoint(entry, dtype=torch.float32, device=torch.device("cpu"))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_paints_as_diffusers_does_with_the_same_models_folder(tmp_path, pipelines, whole, runner, family):
    make_loose(tmp_path, whole[family], family)
    index = ModelIndex([tmp_path], starter=False)
    assert not index.refused
    folder = ModelIndex([whole[family].parent], starter=False).get(whole[family].name)
    entry = index.get("tuned")
    for fact in FACTS:
        assert getattr(entry, fact) == getattr(folder, fact), fact
    off = {"true_cfg_scale": 1.0} if family == "qwen_image" else {"guidance_scale": 0.0 if family == "z_image" else 1.0}
    theirs = pipelines[1][family](
        prompt=WORDS, num_inference_steps=2, width=SIDE, height=SIDE, output_type="np",
        generator=[torch.Generator("cpu").manual_seed(3)], **off,
    ).images[0]  # fmt: skip
    ours = paint(runner, index, "tuned", **ASK | {"sampling": Sampling(steps=2, guidance=1.0)})
    assert ours == pytest.approx(theirs, abs=2e-4)
    other = paint(runner, index, "tuned", **ASK | {"sampling": Sampling(steps=2, guidance=1.0), "prompt": "moss"})
    assert np.abs(ours - other).max() > 2e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_in_the_denoisers_own_file_are_those_of_the_folder(tmp_path, whole, family):
    make_one(tmp_path / "tuned.safetensors", whole[family], family)
    parts = load(ModelIndex([tmp_path], starter=False).get("tuned"))
    for name in ("transformer", "vae"):
        ours = parts.parts[name].state_dict()
        theirs = load_file(whole[family] / name / "diffusion_pytorch_model.safetensors")
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours), name
    heard, said = parts.text_encoder.state_dict(), text_of(whole[family])
    assert all(torch.equal(value, said[f"model.{name}"]) for name, value in heard.items())
    assert said.keys() - {f"model.{name}" for name in heard} == {
        name for name in said if name.startswith(("lm_head.", "visual."))
    }  # fmt: skip


@pytest.mark.parametrize("end", ["scale_weight", "weight_scale"])
def test_a_language_model_in_eight_bits_is_brought_back(tmp_path, whole, end):
    make_loose(tmp_path, whole["z_image"], "z_image")
    file = tmp_path / "text_encoders" / "qwen_3_4b.safetensors"
    exact = load_file(file)
    small = dict(exact)
    for name, value in exact.items():
        if name.endswith("proj.weight"):
            scale = value.abs().max() / 448
            small[name] = (value / scale).to(torch.float8_e4m3fn)
            small[f"{name.removesuffix('weight')}{end}"] = scale
            small[f"{name.removesuffix('weight')}comfy_quant"] = torch.zeros(27, dtype=torch.uint8)
    save_file(small, file)
    reader = load(ModelIndex([tmp_path], starter=False).get("tuned")).text_encoder.state_dict()
    for name, value in exact.items():
        assert (reader[name.removeprefix("model.")] - value).abs().max() <= 0.07 * value.abs().max(), name
    assert not torch.equal(reader["layers.0.mlp.up_proj.weight"], exact["model.layers.0.mlp.up_proj.weight"])


def test_klein_needs_four_steps_unless_its_file_is_called_base(tmp_path, whole):
    make_loose(tmp_path, whole["flux2"], "flux2", "flux-2-klein-4b")
    make_loose(tmp_path, whole["flux2"], "flux2", "flux-2-klein-base-4b")
    index = ModelIndex([tmp_path], starter=False)
    found = [index.get(name) for name in ("flux-2-klein-4b", "flux-2-klein-base-4b")]
    assert [(entry.steps, entry.guidance) for entry in found] == [(4, 1.0), (50, 4.0)]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_missing_is_named_with_its_file_and_folder(tmp_path, whole, family):
    make_loose(tmp_path, whole[family], family)
    text, vae = FILES[family]
    (tmp_path / "vae" / f"{vae}.safetensors").unlink()
    why = ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]
    assert f"into text_encoders and vae, single files of what is missing: its VAE ({vae}.safetensors)" in why
    (tmp_path / "text_encoders" / f"{text}.safetensors").unlink()
    why = ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]
    assert ("Qwen 2.5 VL" if family == "qwen_image" else "Qwen 3") in why and f"{WIDTHS[family]} wide" in why


@pytest.mark.parametrize(("kind", "width", "called"), [
    ("qwen3", 2560, "qwen_3_4b"), ("qwen3", 4096, "qwen_3_8b"), ("qwen2_5", 3584, "qwen_2.5_vl_7b"),
])  # fmt: skip
def test_language_models_of_known_sizes_are_named_as_their_files_are(kind, width, called):
    assert f"{called}.safetensors" in language_models.title(kind, width)


def test_a_language_model_of_another_width_or_kind_is_not_taken(tmp_path, whole):
    make_loose(tmp_path, whole["z_image"], "z_image")
    file = tmp_path / "text_encoders" / "qwen_3_4b.safetensors"
    sees = text_of(whole["z_image"]) | {"visual.patch_embed.proj.weight": torch.zeros(4, 3, 2, 2)}
    for other in (text_of(whole["flux2"]), text_of(whole["qwen_image"]), sees):
        save_file(other, file)
        assert "Qwen 3, 16 wide" in ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]


def test_a_language_model_that_cannot_be_read_is_refused_with_the_reason(tmp_path, whole):
    tensors, file = text_of(whole["z_image"]), tmp_path / "x.safetensors"
    words, query = "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"
    for change, why in (
        ({words: tensors[words][:100].clone()}, "vocabulary of 100"),
        ({query: tensors[query][:, :8].to(torch.uint8).clone()}, "fewer than eight bits"),
    ):
        save_file(tensors | change, file)
        with pytest.raises(Unsupported, match=why):
            identify(file, "x")
    save_file({name: value for name, value in tensors.items() if "gate_proj" not in name}, file)
    with pytest.raises(Unsupported, match=r"lacks tensors .*gate_proj"):
        identify(file, "x")


@pytest.mark.parametrize(("family", "part", "gone"), [
    ("z_image", "text_encoders/qwen_3_4b", "layers.2.mlp.down_proj.weight"),
    ("flux2", "vae/flux2-vae", "bn.running_var"), ("flux2", "vae/flux2-vae", "mid.attn_1.k.bias"),
    ("qwen_image", "vae/qwen_image_vae", "decoder.upsamples.11.resample.1.bias"),
])  # fmt: skip
def test_a_part_that_is_not_whole_is_refused_while_it_loads(tmp_path, whole, family, part, gone):
    make_loose(tmp_path, whole[family], family)
    file = tmp_path / f"{part}.safetensors"
    tensors = load_file(file)
    del tensors[next(name for name in tensors if name.endswith(gone))]
    save_file(tensors, file)
    with pytest.raises(Unsupported) as refusal:
        load(ModelIndex([tmp_path], starter=False).get("tuned"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE" and file.name in str(refusal.value)


@pytest.mark.parametrize("family", ["flux2", "qwen_image"])
@pytest.mark.parametrize("names", ["theirs", "diffusers"])
def test_an_autoencoder_alone_is_that_of_the_folder_in_whatever_names(tmp_path, whole, family, names):
    own = load_file(whole[family] / "vae" / "diffusion_pytorch_model.safetensors")
    save_file(own if names == "diffusers" else vae_of(whole[family], family), tmp_path / "x.safetensors")
    entry, folder = identify(tmp_path / "x.safetensors", "x"), identify(whole[family] / "vae", "y")
    assert (entry.kind, entry.variant, entry.latent_channels, entry.latent_factor) == (
        "vae", folder.variant, folder.latent_channels, folder.latent_factor,
    )  # fmt: skip
    alone, there = (load_vae(one, dtype=torch.float32, device=torch.device("cpu")) for one in (entry, folder))
    ours, theirs = alone.state_dict(), there.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs) and ours.keys() == theirs.keys()
    facts = ({name: value for name, value in vae.config.items() if name[0] != "_"} for vae in (alone, there))
    assert next(facts) == next(facts)


def test_autoencoders_of_the_same_shape_but_another_kind_are_not_mixed(tmp_path, whole, runner):
    make_loose(tmp_path, whole["z_image"], "z_image")
    save_file(vae_of(whole["qwen_image"], "qwen_image"), tmp_path / "vae" / "films.safetensors")
    index = ModelIndex([tmp_path], starter=False)
    assert dict(index.get("tuned").pieces)["vae"].path.name == "ae.safetensors"
    with pytest.raises(Unsupported) as refusal:
        paint(runner, index, "tuned", **ASK | {"vae": "films"})
    assert refusal.value.reason == "WRONG_BASE" and "AutoencoderKLQwenImage" in str(refusal.value)
    (tmp_path / "vae" / "ae.safetensors").unlink()
    assert "its VAE" in ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]


def test_flux_2_dev_which_listens_to_another_language_model_is_no_klein(tmp_path, whole):
    make_loose(tmp_path, whole["flux2"], "flux2")
    file = tmp_path / "diffusion_models" / "tuned.safetensors"
    save_file(load_file(file) | {"guidance_in.in_layer.weight": torch.zeros(32, 16)}, file)
    assert "architecture" in ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]
