"""Weighted words become what a denoiser hears; unweighted ones become exactly what diffusers makes of them."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from fakes.tiny_models import make_tiny
from velatura_engine.conditioning.embeddings import BACK, Embedder, Reader
from velatura_engine.conditioning.grammar import parse


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    folder: Path = make_tiny(tmp_path_factory.mktemp("model") / "sd1", "sd1")
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    return pipe


@pytest.fixture
def embedder(pipeline) -> Embedder:
    return Embedder([Reader(pipeline.tokenizer, pipeline.text_encoder)])


def branch(text: str):
    return parse(text).at(0, 1)[0]


@torch.no_grad()
def embed(embedder: Embedder, text: str) -> torch.Tensor:
    return embedder.embed(branch(text), embedder.length([branch(text)]))


@pytest.mark.parametrize("skip", [None, 1])
@pytest.mark.parametrize("text", ["red brick wall", "", "old, mossy; stone!", "a " * 75])
def test_plain_words_mean_what_diffusers_makes_of_them(pipeline, text, skip):
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt([text], "cpu", 1, False, clip_skip=skip)
        said = Embedder([Reader(pipeline.tokenizer, pipeline.text_encoder)], skip).embed(branch(text), 1)
    assert torch.equal(said, expected)


def test_a_word_counts_as_much_as_its_weight_says_and_the_mean_stays(embedder):
    plain, loud = embed(embedder, "red brick wall"), embed(embedder, "red (brick:1.5) wall")
    ratio = loud / plain
    assert loud.mean() == pytest.approx(plain.mean().item(), rel=1e-4)
    rest = ratio[0, 0].mean()
    assert torch.allclose(ratio[0, 2] / rest, torch.tensor(1.5), rtol=1e-4), "begin, red, brick"
    for place in (0, 1, 3, 4, 76):
        assert torch.allclose(ratio[0, place] / rest, torch.tensor(1.0), rtol=1e-4)


def test_weights_that_leave_nothing_give_no_endless_numbers(embedder):
    assert torch.isfinite(embed(embedder, "(red:0) (brick:-1)")).all()


def test_words_past_a_window_begin_another_and_none_is_lost(embedder):
    text = " ".join(f"stone{number}" for number in range(60))
    (span,) = branch(text).chunks[0]
    whole = embedder.tokenizer(span.text, add_special_tokens=False).input_ids
    windows = embedder.windows(branch(text).chunks[0])
    assert len(windows) == 1 + (len(whole) - 1) // 75 > 1
    assert [token for tokens, _ in windows for token in tokens] == whole
    assert embed(embedder, text).shape[1] == 77 * len(windows)


def test_a_window_ends_after_its_last_comma_if_that_is_near(embedder):
    near = "moss " * 60 + ", " + "stone " * 30
    first, second = embedder.windows(branch(near).chunks[0])
    assert (len(first[0]), len(second[0])) == (61, 30)
    far = "moss " * (74 - BACK) + ", " + "stone " * 40
    assert len(embedder.windows(branch(far).chunks[0])[0][0]) == 75


def test_a_comma_that_just_does_not_fit_moves_nothing(embedder):
    first, second = embedder.windows(branch("moss " * 75 + ", stone").chunks[0])
    assert (len(first[0]), len(second[0])) == (75, 2)


def test_break_begins_a_chunk_whose_embedding_is_its_own(embedder):
    both = embed(embedder, "red brick BREAK mossy stone")
    assert torch.equal(both, torch.cat([embed(embedder, "red brick"), embed(embedder, "mossy stone")], 1))


def test_a_shorter_branch_is_followed_by_empty_windows(embedder):
    with torch.no_grad():
        said = embedder.embed(branch("moss"), 2)
    assert torch.equal(said, torch.cat([embed(embedder, "moss"), embed(embedder, "")], 1))


def test_a_blend_is_the_weighted_sum_of_its_parts(embedder):
    said = embed(embedder, '("moss", "red brick").blend(0.25, 0.75)')
    assert torch.allclose(said, 0.25 * embed(embedder, "moss") + 0.75 * embed(embedder, "red brick"), atol=1e-6)
