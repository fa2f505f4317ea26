"""What adds to a model is told by content, with the base it was made for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import adapters as fake
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.models import lora_keys
from velatura_engine.models.adapters import MAX_RANK, misfit
from velatura_engine.models.entry import ModelEntry
from velatura_engine.models.identify import identify
from velatura_engine.models.index import ModelIndex

CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
QUERY = "text_model.encoder.layers.0.self_attn.q_proj"
SD1 = ModelEntry(
    id="base", title="Base", kind="checkpoint", family="sd1", path=Path("base"), format="diffusers",
    cross_attention_dim=768, text_widths=(768,),
)  # fmt: skip
SD2 = replace(SD1, cross_attention_dim=1024, text_widths=(1024,))
SDXL = replace(SD1, family="sdxl", cross_attention_dim=2048, text_widths=(768, 1280))


def pair(width: int, rank: int = 2):
    return torch.zeros(rank, width), torch.zeros(8, rank)


def told(tmp_path, tensors) -> ModelEntry:
    return identify(fake.save(tmp_path / "Some File.safetensors", tensors), "x")


@pytest.mark.parametrize("layout", [fake.kohya, fake.peft])
def test_a_lora_says_which_text_it_attends_to(tmp_path, layout):
    entry = told(tmp_path, layout({CROSS: pair(768)}))
    assert (entry.kind, entry.cross_attention_dim, entry.family) == ("lora", 768, "sd1")
    assert not misfit(entry, SD1) and "768" in misfit(entry, SD2) and misfit(entry, SDXL)


def test_a_lora_says_which_text_encoders_it_changes(tmp_path):
    entry = told(tmp_path, fake.kohya({QUERY: pair(768)}, "lora_te"))
    assert entry.text_widths == (768,) and not misfit(entry, SD1) and misfit(entry, SD2)
    both = fake.kohya({QUERY: pair(768)}, "lora_te1") | fake.kohya({QUERY: pair(1280)}, "lora_te2")
    entry = told(tmp_path, both)
    assert (entry.family, entry.text_widths) == ("sdxl", (768, 1280))
    assert not misfit(entry, SDXL) and "2 text encoders" in misfit(entry, SD1)


def test_a_lora_that_does_not_say_what_it_is_for_is_not_refused_beforehand(tmp_path):
    entry = told(tmp_path, fake.kohya({"down_blocks.0.resnets.0.conv1": pair(32)}))
    assert entry.kind == "lora" and not misfit(entry, SD1)


@pytest.mark.parametrize(
    ("parts", "width"),
    [
        ({"hada_w1_a": (8, 2), "hada_w1_b": (2, 768), "hada_w2_a": (8, 2), "hada_w2_b": (2, 768)}, 768),
        ({"lokr_w1": (2, 4), "lokr_w2": (4, 192)}, 768),
        ({"lokr_w1": (2, 4), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 192)}, 768),
        ({"diff": (8, 768)}, 768),
        ({"lora_down.weight": (2, 768), "lora_up.weight": (8, 2), "dora_scale": (8, 1)}, 768),
        ({"a1.weight": (768, 2), "a2.weight": (2, 768), "b1.weight": (8, 2), "b2.weight": (2, 768)}, 768),
        ({"a1.weight": (2, 768), "a2.weight": (768, 2), "b1.weight": (2, 768), "b2.weight": (8, 2)}, 768),
        ({"oft_blocks": (2, 4, 4), "alpha": ()}, 0),
        ({"oft_blocks": (3, 2, 4, 4), "rescale": (8, 1)}, 0),
    ],
    ids=["loha", "lokr", "lokr of low rank", "full", "dora", "glora", "old glora", "oft", "boft"],
)
def test_every_kind_of_lycoris_says_it_too(tmp_path, parts, width):
    name = f"lora_unet_{CROSS.replace('.', '_')}"
    entry = told(tmp_path, {f"{name}.{part}": torch.zeros(shape) for part, shape in parts.items()})
    assert (entry.kind, entry.cross_attention_dim) == ("lora", width)


@pytest.mark.parametrize(
    ("key", "layer", "part"),
    [
        ("lora_unet_a_b.lora_down.weight", "lora_unet_a_b", "down"),
        ("unet.a.b.lora_B.weight", "unet.a.b", "up"),
        ("unet.a.b.lora_A.default.weight", "unet.a.b", "down"),
        ("unet.a.to_k.lora.down.weight", "unet.a.to_k", "down"),
        ("a.attn1.processor.to_out_lora.up.weight", "a.attn1.to_out", "up"),
        ("text_encoder.x.lora_linear_layer.up.weight", "text_encoder.x", "up"),
        ("unet.a.lora_magnitude_vector", "unet.a", "magnitude"),
        ("a.b.weight", "a.b.weight", ""),
    ],
)
def test_a_key_is_a_layer_and_a_part_in_every_layout(key, layer, part):
    assert lora_keys.split(key) == (layer, part)


def test_a_rank_beyond_all_layers_is_refused_before_it_is_read(tmp_path):
    rank = MAX_RANK + 1
    with pytest.raises(Unsupported, match="rank"):
        told(tmp_path, fake.kohya({CROSS: (torch.zeros(rank, 16), torch.zeros(16, rank))}))


@pytest.mark.parametrize(
    ("tensors", "widths", "words"),
    [
        ({"emb_params": (3, 768)}, (768,), ("Some File", "<Some File>")),
        ({"<cat-toy>": (768,)}, (768,), ("Some File", "<Some File>", "<cat-toy>")),
        ({"string_to_param.*": (2, 1024)}, (1024,), ("Some File", "<Some File>")),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, (1280, 768), ("Some File", "<Some File>")),
    ],
)
def test_an_embedding_has_a_name_and_the_widths_of_its_text_encoders(tmp_path, tensors, widths, words):
    entry = told(tmp_path, {name: torch.zeros(shape) for name, shape in tensors.items()})
    assert (entry.kind, sorted(entry.text_widths), entry.words) == ("embedding", sorted(widths), words)
    fits = [model for model in (SD1, SD2, SDXL) if not misfit(entry, model)]
    assert len(fits) == 1 and sorted(fits[0].text_widths) == sorted(widths)


def test_a_hypernetwork_fits_where_the_text_is_as_wide(tmp_path):
    entry = told(tmp_path, {f"{width}.k.linear.0.weight": torch.zeros(2, 2) for width in (320, 768)})
    assert (entry.kind, entry.text_widths) == ("hypernetwork", (320, 768))
    assert not misfit(entry, SD1) and misfit(entry, SD2)


def test_an_adapter_of_an_unknown_kind_says_so(tmp_path):
    with pytest.raises(Unsupported, match="not read"):
        told(tmp_path, {"unet.x.oft_R.weight": torch.zeros(2, 6)})


def test_prompts_call_adapters_by_their_files_names_in_any_case(tmp_path):
    lora = fake.kohya({CROSS: pair(768)})
    fake.save(tmp_path / "loras" / "My Rust_v1.safetensors", lora)
    fake.save(tmp_path / "embeddings" / "My Rust_v1.safetensors", {"emb_params": torch.zeros(1, 768)})
    index = ModelIndex([tmp_path], starter=False)
    for name in ("My Rust_v1", "my rust_V1"):
        assert index.named(name, "lora").kind == "lora"
        assert index.named(name, "embedding").kind == "embedding"
    with pytest.raises(NotFound) as caught:
        index.named("My Rast", "lora")
    assert caught.value.suggestions == ("My Rust_v1",)
