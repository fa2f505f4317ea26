"""ControlNets in one file, T2I-Adapters and estimators of depth: what is loaded is what was saved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, T2IAdapter
from fakes.tiny_models import make_control, make_control_file, make_estimator, make_t2i, make_tiny
from safetensors.torch import save_file
from velatura_engine.models.index import ModelIndex
from velatura_engine.preprocessors import Given, preprocessor
from velatura_engine.runtime.controls import load_guide
from velatura_engine.runtime.models import Models

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


def test_a_union_and_an_adapter_for_xl_are_refused_for_what_they_are(base, tmp_path):
    adapter = make_t2i(tmp_path / "models" / "sketch-xl", base)
    config = adapter / "config.json"
    config.write_text(config.read_text().replace("full_adapter", "full_adapter_xl"))
    union = make_control(tmp_path / "models" / "union", base)
    config = union / "config.json"
    config.write_text(config.read_text().replace("ControlNetModel", "ControlNetUnionModel"))
    index = ModelIndex([tmp_path / "models"], starter=False)
    assert not index.entries()
    assert "union" in index.refused["union"] and "XL" in index.refused["sketch-xl"]


@pytest.mark.parametrize("kind", ["dpt", "depth_anything"])
@pytest.mark.parametrize("size", [(40, 40), (30, 90), (17, 23)])
def test_an_estimator_gives_depth_from_0_to_1_as_large_as_the_picture(tmp_path, kind, size):
    make_estimator(tmp_path / "models" / "small", kind)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    near = estimate(picture)
    assert near.shape == size and near.dtype == np.float32
    assert near.min() == 0 and near.max() == 1 and np.array_equal(near, estimate(picture))
    hint = preprocessor("depth_estimate").build(Given(picture=picture, estimate=estimate), background=0.0)
    assert np.array_equal(hint[..., 1], near)


def test_an_estimator_sees_colours_as_its_settings_say(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    picture = np.random.default_rng(0).random((28, 28, 3), np.float32)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    plain = Models(device="cpu").annotator(entry)(picture)
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "size": {"height": 28}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    told = Models(device="cpu").annotator(entry)(picture)
    assert not np.allclose(plain, told)


def test_metric_estimators_call_the_nearest_near(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    estimate.model.forward = lambda pixels: type(
        "Answer", (), {"predicted_depth": 1 + pixels[:, 0] * 0 + _ramp(pixels)}
    )
    picture = np.zeros((28, 28, 3), np.float32)
    assert estimate(picture)[0, 0] == 0
    estimate.model.config.depth_estimation_type = "metric"
    assert estimate(picture)[0, 0] == 1 and folder.is_dir()


def _ramp(pixels: torch.Tensor) -> torch.Tensor:
    """Distance that grows to the right."""
    return torch.arange(pixels.shape[-1], dtype=pixels.dtype).expand(1, pixels.shape[-2], -1)
