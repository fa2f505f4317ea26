"""Denoisers that come alone with single files of text encoders and an autoencoder: told, put together, and painted with
as diffusers paints with the same model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.loose_flows import make_loose, make_one, make_whole, texts_of, vae_of
from fakes.painted import paint
from safetensors.torch import load_file, save_file
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex
from velatura_engine.request import Sampling
from velatura_engine.runtime.load import load_checkpoint

SIDE, WORDS = 64, "a very old brick wall, naïve façade"
ASK = {"prompt": WORDS, "seed": 3, "width": SIDE, "height": SIDE, "sampling": Sampling(steps=3)}
FAMILY = {"sd3": "sd3", "flux": "flux", "schnell": "flux"}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("whole")
    return home, {kind: make_whole(home / kind, kind) for kind in FAMILY}


@pytest.fixture
def whole(pipelines) -> dict[str, Path]:
    return {kind: pipelines[0] / kind for kind in FAMILY}


def load(entry):
    return load_checkpoint(entry, dtype=torch.float32, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("kind", "joined"), [("sd3", False), ("sd3", True), ("flux", False), ("flux", True), ("schnell", False)]
)
def test_it_paints_as_diffusers_does_with_the_same_models_folder(tmp_path, pipelines, whole, runner, kind, joined):
    if joined:
        make_one(tmp_path / "checkpoints" / "tuned.safetensors", whole[kind], FAMILY[kind])
    else:
        make_loose(tmp_path, whole[kind], FAMILY[kind])
    index = ModelIndex([tmp_path], starter=False)
    assert not index.refused
    folder = ModelIndex([whole[kind].parent], starter=False).get(kind)
    entry = index.get("tuned")
    for fact in ("family", "guidance", "steps", "negative", "size_multiple", "latent_factor", "max_side", "widths"):
        assert getattr(entry, fact) == getattr(folder, fact), fact
    guidance = 1.0 if kind == "schnell" else 3.5
    theirs = pipelines[1][kind](
        WORDS, num_inference_steps=3, width=SIDE, height=SIDE, guidance_scale=guidance, output_type="np",
        generator=[torch.Generator("cpu").manual_seed(3)],
    ).images[0]  # fmt: skip
    ours = paint(runner, index, "tuned", **ASK | {"sampling": Sampling(steps=3, guidance=guidance)})
    assert ours == pytest.approx(theirs, abs=2e-4)


def test_t5_may_be_missing_where_the_model_can_do_without(tmp_path, whole, runner):
    make_loose(tmp_path, whole["sd3"], "sd3")
    full = ModelIndex([tmp_path], starter=False)
    whole = paint(runner, full, "tuned", **ASK)
    (tmp_path / "text_encoders" / "t5xxl_fp16.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound) as gone:
        full.get("tuned")
    assert gone.value.reason == "MODEL_GONE"
    full.rescan()
    assert "text_encoder_3" not in dict(full.get("tuned").pieces)
    assert not np.array_equal(whole, paint(runner, full, "tuned", **ASK))


@pytest.mark.parametrize("scaled", [False, True])
def test_a_text_encoder_in_eight_bits_is_read_as_what_it_is(tmp_path, whole, scaled):
    make_loose(tmp_path, whole["flux"], "flux")
    file = tmp_path / "text_encoders" / "t5xxl_fp16.safetensors"
    exact = load_file(file)
    small = dict(exact)
    for name, value in exact.items():
        if value.ndim == 2:
            scale = value.abs().max() / 448 if scaled else torch.tensor(1.0)
            small[name] = (value / scale).to(torch.float8_e4m3fn)
            if scaled:
                small[f"{name.removesuffix('.weight')}.scale_weight"] = scale
    save_file(small | ({"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)} if scaled else {}), file)
    reader = load(ModelIndex([tmp_path], starter=False).get("tuned")).text_encoder_2.state_dict()
    for name, value in exact.items():
        assert (reader[name] - value).abs().max() <= 0.07 * value.abs().max(), name
    assert not torch.equal(reader["shared.weight"], exact["shared.weight"])


def test_a_folder_of_the_same_model_goes_before_files(tmp_path, whole):
    make_loose(tmp_path, whole["flux"], "flux")
    make_whole(tmp_path / "base", "flux", seed=1)
    entry = ModelIndex([tmp_path], starter=False).get("tuned")
    assert entry.base == tmp_path / "base" and not entry.pieces


def test_the_more_exact_of_two_files_is_taken(tmp_path, whole):
    make_loose(tmp_path, whole["flux"], "flux")
    tensors = load_file(tmp_path / "text_encoders" / "t5xxl_fp16.safetensors")
    save_file({name: value.half() for name, value in tensors.items()}, tmp_path / "text_encoders" / "a.safetensors")
    pieces = dict(ModelIndex([tmp_path], starter=False).get("tuned").pieces)
    assert pieces["text_encoder_2"].path.name == "t5xxl_fp16.safetensors"


@pytest.mark.parametrize(("family", "foreign", "missing"), [
    ("flux", "sd3_vae", True), ("flux", "mine", False), ("sd3", "ae", True), ("sd3", "flux-vae", True),
])  # fmt: skip
def test_an_autoencoder_that_is_called_as_another_familys_is_not_taken(tmp_path, whole, family, foreign, missing):
    make_loose(tmp_path, whole[family], family)
    own = next((tmp_path / "vae").iterdir())
    own.rename(own.with_name(f"{foreign}.safetensors"))
    index = ModelIndex([tmp_path], starter=False)
    assert ("tuned.safetensors" in index.refused) is missing
    if missing:
        assert "its VAE" in index.refused["tuned.safetensors"]


def test_what_is_missing_is_named(tmp_path, whole):
    make_loose(tmp_path, whole["flux"], "flux")
    for name in ("clip_l", "t5xxl_fp16"):
        (tmp_path / "text_encoders" / f"{name}.safetensors").unlink()
    why = ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]
    assert "clip_l.safetensors" in why and "t5xxl_fp16.safetensors" in why and "VAE" in why
    save_file(texts_of(whole["sd3"])["clip_g"], tmp_path / "text_encoders" / "clip_l.safetensors")  # of another width
    assert "clip_l.safetensors" in ModelIndex([tmp_path], starter=False).refused["tuned.safetensors"]


def test_a_text_encoder_of_another_vocabulary_or_without_some_tensors_is_refused(tmp_path, whole):
    for role in ("clip_l", "t5"):
        tensors = texts_of(whole["flux"])[role]
        words = "text_model.embeddings.token_embedding.weight" if role == "clip_l" else "shared.weight"
        save_file(tensors | {words: tensors[words][:100].clone()}, tmp_path / "few.safetensors")
        with pytest.raises(Unsupported, match="vocabulary of 100"):
            identify(tmp_path / "few.safetensors", "x")
    del tensors["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    save_file(tensors, tmp_path / "part.safetensors")
    with pytest.raises(Unsupported, match="lacks tensors"):
        identify(tmp_path / "part.safetensors", "x")


@pytest.mark.parametrize("part", ["clip_l", "t5", "vae"])
def test_a_part_that_is_not_whole_is_refused_while_it_loads(tmp_path, whole, part):
    make_loose(tmp_path, whole["flux"], "flux")
    path = tmp_path / ("vae/ae.safetensors" if part == "vae" else f"text_encoders/{part}xxl_fp16.safetensors")
    path = path if path.is_file() else tmp_path / "text_encoders" / "clip_l.safetensors"
    tensors = vae_of(whole["flux"]) if part == "vae" else texts_of(whole["flux"])[part]
    name = next(name for name in tensors if name.endswith(("conv_out.weight", "layer_norm2.bias", "wo.weight")))
    del tensors[name]
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    with pytest.raises(Unsupported) as refusal:
        load(ModelIndex([tmp_path], starter=False).get("tuned"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE" and path.name in str(refusal.value)
