"""IP-Adapters and picture encoders are told by their tensors; what would not load is never listed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import make_tiny
from fakes.tiny_references import make_adapter, make_encoder
from safetensors.numpy import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex
from velatura_engine.models.reference import for_faces


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_tiny(folder / "tiny")
    make_tiny(folder / "deep", "sd1")
    for variant in ("plain", "plus", "full face"):
        make_adapter(folder / "ip_adapter" / f"{variant.replace(' ', '-')}.safetensors", folder / "tiny", variant)
    make_encoder(folder / "clip_vision" / "eyes")
    return folder


def told(folder: Path, variant: str):
    return identify(folder / "ip_adapter" / f"{variant}.safetensors", "x")


@pytest.mark.parametrize(("variant", "sees"), [("plain", (24, 0)), ("plus", (0, 32)), ("full-face", (0, 32))])
def test_an_adapter_is_told_by_its_tensors(made, variant, sees):
    entry = told(made, variant)
    assert (entry.kind, entry.variant, entry.sees) == ("ip_adapter", variant.replace("-", " "), sees)
    assert entry.cross_attention_dim == 32


def test_it_fits_the_base_whose_attentions_it_has_and_no_other(made):
    index = ModelIndex([made], starter=False)
    assert {entry.id for entry in index.readers(index.get("tiny"))} == {"plain", "plus", "full-face"}
    assert index.readers(index.get("deep")) == []


def test_an_encoder_is_for_those_that_see_as_it_does(made, tmp_path):
    index = ModelIndex([made], starter=False)
    for variant in ("plain", "plus", "full-face"):
        assert [entry.id for entry in index.encoders(told(made, variant))] == ["eyes"]
    make_encoder(tmp_path / "other", projected=32, hidden=24)  # the same numbers, the other way round
    other = ModelIndex([tmp_path], starter=False)
    assert not any(other.encoders(told(made, variant)) for variant in ("plain", "plus"))


@pytest.mark.parametrize(
    ("name", "variant", "faces"),
    [("ip-adapter-plus-face_sd15", "plus", True), ("x", "full face", True), ("ip-adapter_sd15", "plain", False)],
)
def test_an_adapter_for_faces_is_told_by_layout_or_name(name, variant, faces):
    assert for_faces(name, variant) is faces


def drop(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def put(name, *shape):
    return lambda tensors: tensors | {name: np.zeros(shape, "f4")}


def renamed(old, new):
    return lambda tensors: {key.replace(old, new): value for key, value in tensors.items()}


HARMED = {
    "no picture part": ("plain", lambda t: {k: v for k, v in t.items() if k.startswith("ip_adapter.")}),
    "a bias missing": ("plain", drop("image_proj.proj.bias")),
    "a projection of another width": ("plain", put("image_proj.proj.weight", 60, 24)),
    "a projection of nothing": ("plain", put("image_proj.proj.weight", 128, 0)),
    "a projection of one axis": ("plain", put("image_proj.proj.weight", 128)),
    "values without keys": ("plain", drop("ip_adapter.1.to_k_ip.weight")),
    "keys and values that differ": ("plain", put("ip_adapter.1.to_v_ip.weight", 8, 32)),
    "a gap in the numbers": ("plain", renamed("ip_adapter.1.", "ip_adapter.99.")),
    "an attention of one axis": ("plain", put("ip_adapter.1.to_k_ip.weight", 32)),
    "tensors of something else": ("plain", put("ip_adapter.0.to_q_lora.down.weight", 4, 4)),
    "a layer too many": ("plus", put("image_proj.layers.4.0.to_q.weight", 64, 64)),
    "a layer missing": ("plus", drop("image_proj.layers.3.1.3.weight")),
    "heads of another width": ("plus", put("image_proj.layers.0.0.to_q.weight", 40, 64)),
    "latents of two axes": ("plus", put("image_proj.latents", 5, 64)),
    "a face without its norm": ("full-face", drop("image_proj.proj.3.bias")),
}


@pytest.mark.parametrize("case", HARMED)
def test_what_would_not_load_is_refused_in_words(made, tmp_path, case):
    variant, harm = HARMED[case]
    save_file(harm(load_file(made / "ip_adapter" / f"{variant}.safetensors")), tmp_path / "odd.safetensors")
    with pytest.raises(Unsupported) as caught:
        identify(tmp_path / "odd.safetensors", "x")
    assert caught.value.reason == "UNSUPPORTED_LAYOUT" and caught.value.remedy


@pytest.mark.parametrize("mark", [("perceiver_resampler.proj_in.weight",), ("norm.weight", "proj.0.weight")])
def test_one_that_needs_a_face_recogniser_is_refused_by_name(tmp_path, mark):
    tensors = {f"image_proj.{name}": np.zeros((4, 4), "f4") for name in mark}
    save_file(tensors | {"ip_adapter.1.to_k_ip.weight": np.zeros((4, 4), "f4")}, tmp_path / "id.safetensors")
    with pytest.raises(Unsupported) as caught:
        identify(tmp_path / "id.safetensors", "x")
    assert caught.value.reason == "FACE_ID"


def test_a_cut_off_file_is_refused(made, tmp_path):
    content = (made / "ip_adapter" / "plain.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    assert "cut.safetensors" in ModelIndex([tmp_path], starter=False).refused


CONFIGS = {
    "another width": {"hidden_size": 48},
    "another projection": {"projection_dim": 25},
    "more layers than there are": {"num_hidden_layers": 4},
    "one layer": {"num_hidden_layers": 1},
    "a hundred million layers": {"num_hidden_layers": 100_000_000},
    "another size": {"image_size": 56},
    "no patch": {"patch_size": 0},
    "a word for a number": {"hidden_size": "32"},
    "yes for a number": {"num_attention_heads": True},
    "an activation of nowhere": {"hidden_act": "os.system"},
    "grey eyes": {"num_channels": 1},
    "a quantizer": {"quantization_config": {"quant_method": "x"}},
    "heads that do not divide it": {"num_attention_heads": 3},
}


@pytest.mark.parametrize("case", CONFIGS)
def test_an_encoder_whose_config_tells_of_another_is_refused(tmp_path, case):
    folder = make_encoder(tmp_path / "eyes")
    config = json.loads((folder / "config.json").read_text()) | CONFIGS[case]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Unsupported):
        identify(folder, "x")


def test_an_encoder_that_lacks_a_tensor_is_refused_and_not_filled_with_noise(tmp_path):
    folder = make_encoder(tmp_path / "eyes")
    tensors = load_file(folder / "model.safetensors")
    save_file(drop("vision_model.encoder.layers.1.mlp.fc2.bias")(tensors), folder / "model.safetensors")
    with pytest.raises(Unsupported):
        identify(folder, "x")


def test_an_encoders_weights_alone_are_refused(tmp_path):
    folder = make_encoder(tmp_path / "eyes")
    (folder / "model.safetensors").rename(tmp_path / "vit.safetensors")
    with pytest.raises(Unsupported) as caught:
        identify(tmp_path / "vit.safetensors", "x")
    assert "config.json" in caught.value.remedy
