"""Configs told from tensors, on models of the true sizes that hold no numbers: those that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import diffusers
import pytest
import torch
import transformers
from velatura_engine.families import _flow_configs as configs
from velatura_engine.models import autoencoders, language_models

KLEIN: dict[str, Any] = {"attention_head_dim": 128, "guidance_embeds": False}
QWEN3: dict[str, Any] = {"vocab_size": 151936, "head_dim": 128, "num_key_value_heads": 8, "num_attention_heads": 32,
                         "num_hidden_layers": 36, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
                         "rms_norm_eps": 1e-6, "hidden_act": "silu", "attention_bias": False}  # fmt: skip


def shapes(module: torch.nn.Module, prefix: str = "") -> Mapping[str, tuple[int, ...]]:
    return {f"{prefix}{name}": tuple(values.shape) for name, values in module.state_dict().items()}


@pytest.mark.parametrize(("tell", "of", "facts"), [
    (configs.flux2, "Flux2Transformer2DModel", KLEIN | {
        "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680}),
    (configs.flux2, "Flux2Transformer2DModel", KLEIN | {
        "num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288}),
    (configs.z_image, "ZImageTransformer2DModel", {"axes_lens": [1536, 512, 512]}),
    (configs.qwen_image, "QwenImageTransformer2DModel", {}),
], ids=["klein-4b", "klein-9b", "z-image", "qwen-image"])  # fmt: skip
def test_a_denoisers_config_is_the_one_that_made_it(tell, of, facts):
    with torch.device("meta"):
        made = getattr(diffusers, of)(**facts)
        told = getattr(diffusers, of)(**{name: value for name, value in tell(shapes(made)).items() if name[0] != "_"})
    assert _plain(told.config) == _plain(made.config) | ({"out_channels": None} if of.startswith("Flux2") else {})


@pytest.mark.parametrize("of", ["AutoencoderKLFlux2", "AutoencoderKLQwenImage"])
def test_an_autoencoders_config_is_the_one_that_made_it(of):
    with torch.device("meta"):
        made = getattr(diffusers, of)()
        told = getattr(diffusers, of).from_config(autoencoders.config_of(shapes(made)))
    assert shapes(told) == shapes(made)
    width = {"decoder_block_out_channels": [128, 256, 512, 512]} if of == "AutoencoderKLFlux2" else {}
    assert _plain(told.config) == _plain(made.config) | width


@pytest.mark.parametrize(("width", "inner"), [(2560, 9728), (4096, 12288)], ids=["4B", "8B"])
def test_qwen_3_is_told_from_its_layers(width, inner):
    with torch.device("meta"):
        made = transformers.Qwen3Model(
            transformers.Qwen3Config(**QWEN3, hidden_size=width, intermediate_size=inner)
        )  # fmt: skip
    told = language_models.config_of(shapes(made, "model."), "qwen3")
    assert language_models.kind_of(shapes(made, "model.")) == "qwen3"
    assert {name: told[name] for name in QWEN3} == QWEN3
    assert (told["hidden_size"], told["intermediate_size"]) == (width, inner)


def test_qwen_2_5_vl_7b_is_told_from_its_layers():
    facts: dict[str, Any] = {
        "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-6,
    }  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    config = transformers.models.qwen2_5_vl.configuration_qwen2_5_vl.Qwen2_5_VLTextConfig(**facts, rope_parameters=rope)
    with torch.device("meta"):
        made = transformers.Qwen2_5_VLTextModel(config)
    told = language_models.config_of(shapes(made, "model."), "qwen2_5")
    assert language_models.kind_of(shapes(made, "model.")) == "qwen2_5"
    assert {name: told[name] for name in facts} == facts and told["rope_parameters"] == rope


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in config.items() if name[0] != "_"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}
