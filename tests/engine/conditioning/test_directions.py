"""Directions in what words mean: exactly the difference of means, added to the prompt and to nothing else."""

from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from fakes.tiny_models import make_tiny
from torch import nn
from velatura_engine.conditioning.directions import Directed, turn
from velatura_engine.conditioning.embeddings import Embedder, Reader
from velatura_engine.conditioning.grammar import parse
from velatura_engine.conditioning.prompt import verbatim
from velatura_engine.conditioning.steering import Conditioning
from velatura_engine.conditioning.voices import Voice


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(make_tiny(tmp_path_factory.mktemp("m") / "tiny", "sd1"))


def embedder(pipeline) -> Embedder:
    pipeline.text_encoder.text_model = pipeline.text_encoder
    return Embedder([Reader(pipeline.tokenizer, pipeline.text_encoder)])


def said(ears: Embedder, text: str, length: int = 1) -> torch.Tensor:
    with torch.no_grad():
        return ears.embed(parse(text).at(0, 1)[0], length)


def turned(ears: Embedder, source: list[str], target: list[str], strength: float = 1.0, keep: float = 0.0) -> Directed:
    with torch.no_grad():
        sides = ([verbatim(text, field="x") for text in side] for side in (source, target))
        return Directed(ears, [turn(*sides, strength, keep, ears)])


def test_a_direction_is_the_mean_of_one_side_less_that_of_the_other_times_its_strength(classic):
    ears = embedder(classic)
    away = turned(ears, ["red wall", "red door"], ["blue wall", "blue door", "blue sky"], 0.5)
    red = (said(ears, "red wall") + said(ears, "red door")) / 2
    blue = (said(ears, "blue wall") + said(ears, "blue door") + said(ears, "blue sky")) / 3
    assert torch.allclose(said(away, "a fence"), said(ears, "a fence") + 0.5 * (blue - red), atol=1e-5)


def test_from_what_is_said_to_something_else_is_that(classic):
    ears = embedder(classic)
    assert torch.allclose(said(turned(ears, ["a"], ["b"]), "a"), said(ears, "b"), atol=1e-5)


def test_a_direction_to_where_it_came_from_changes_nothing_to_the_bit(classic):
    ears = embedder(classic)
    for text in ("moss", "(moss:1.3) wall", "moss " * 90):
        length = ears.length(parse(text).at(0, 1))
        still = turned(ears, ["red", "a red wall"], ["red", "a red wall"])
        assert torch.equal(said(still, text, length), said(ears, text, length))


def test_every_window_is_turned_and_a_blend_once(classic):
    ears = embedder(classic)
    away = turned(ears, ["red"], ["blue"])
    window = said(ears, "blue") - said(ears, "red")
    long = said(away, "moss", 3) - said(ears, "moss", 3)
    assert torch.allclose(long, window.repeat(1, 3, 1), atol=1e-5)
    blended = '("moss", "stone").blend(0.3, 0.7)'
    assert torch.allclose(said(away, blended) - said(ears, blended), window, atol=1e-5)


def test_the_one_vector_of_sdxl_is_turned_too(tmp_path):
    pipeline = StableDiffusionXLPipeline.from_pretrained(make_tiny(tmp_path / "xl", "sdxl"))
    ears = Embedder(
        [
            Reader(pipeline.tokenizer, pipeline.text_encoder, 1),
            Reader(pipeline.tokenizer_2, pipeline.text_encoder_2, 1, pooled=True),
        ]
    )
    away = turned(ears, ["a"], ["b"])
    with torch.no_grad():
        whole, wanted = (one.pooled(parse(text).at(0, 1)[0]) for one, text in ((away, "a"), (ears, "b")))
    assert whole is not None and wanted is not None and torch.allclose(whole, wanted, atol=1e-5)
    assert not torch.allclose(whole, ears.pooled(parse("a").at(0, 1)[0]), atol=1e-3)


class Attention(nn.Module):
    """A denoiser whose only layer makes keys; it keeps what these are made of and what else is heard."""

    def __init__(self) -> None:
        super().__init__()
        self.attn2 = nn.ModuleDict({"to_k": nn.Identity()})
        self.keys: list[torch.Tensor] = []
        self.heard: list[torch.Tensor] = []

    def forward(self, sample, timestep, encoder_hidden_states=None, return_dict=True):
        self.keys.append(self.attn2["to_k"](encoder_hidden_states))
        self.heard.append(encoder_hidden_states)
        return (sample,)


@pytest.mark.parametrize("prompt", ["moss", "moss AND stone"])
def test_keys_leave_a_direction_out_for_their_part_of_the_run_and_in_the_prompts_rows_alone(classic, prompt):
    ears = embedder(classic)
    away = turned(ears, ["red"], ["blue"], keep=0.5)
    voices = [Voice(prompt=parse(prompt))], [Voice(prompt=parse("dust"))]
    with torch.no_grad():
        heard = Conditioning(*voices, ears, steps=4, count=2, directed=away)
    net = Attention()
    rows = torch.cat([heard.arguments["negative_prompt_embeds"], heard.arguments["prompt_embeds"]])
    with heard.steering(net, []):
        for step in range(4):
            heard.go_to(step / 4)
            net(torch.zeros(4, 1, 1, 1), torch.tensor(5), encoder_hidden_states=rows)
    assert not net.attn2["to_k"]._forward_pre_hooks
    window = said(ears, "blue") - said(ears, "red")
    for step, (keys, all_said) in enumerate(zip(net.keys, net.heard, strict=True)):
        left = all_said - keys
        assert not left[:2].any()
        expected = window if step < 2 else window * 0
        assert torch.allclose(left[2:], expected.expand_as(left[2:]), atol=1e-5)
