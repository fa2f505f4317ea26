"""Embeddings take the place of words, where their names stand, and leave the text encoder as it was."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from fakes import adapters as fake
from fakes.tiny_models import TEXT, make_tiny
from velatura_engine.conditioning.adapters.lexicon import Lexicon
from velatura_engine.conditioning.embeddings import Embedder, Reader
from velatura_engine.conditioning.grammar import parse
from velatura_engine.errors import Unsupported
from velatura_engine.models.identify import identify


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    folder: Path = make_tiny(tmp_path_factory.mktemp("model") / "sd1", "sd1")
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    return pipe


def entry(path: Path, table: torch.Tensor, key: str = "emb_params"):
    return identify(fake.save(path, {key: table}), "x")


@torch.no_grad()
def embed(pipeline, text: str, *entries, skip: int | None = None) -> torch.Tensor:
    lexicon = Lexicon(entries, TEXT, 75)
    embedder = Embedder([Reader(pipeline.tokenizer, pipeline.text_encoder, lexicon=lexicon)], skip)
    branch = parse(text).at(0, 1)[0]
    return embedder.embed(branch, embedder.length([branch]))


def rows(pipeline, text: str) -> torch.Tensor:
    """What the encoder's own table has for a text's tokens."""
    ids = pipeline.tokenizer(text, add_special_tokens=False).input_ids
    return pipeline.text_encoder.get_input_embeddings().weight.data[ids].clone()


@pytest.mark.parametrize("skip", [None, 1])
@pytest.mark.parametrize("said", ["old {} wall", "old ({}:1.3) wall", "{}", "{}, {} BREAK {}", "old [{}] wall"])
def test_an_embedding_of_words_vectors_says_what_the_words_say(pipeline, tmp_path, said, skip):
    words = "red brick"
    found = entry(tmp_path / "zebu.safetensors", rows(pipeline, words))
    assert len(rows(pipeline, words)) == 2
    told = embed(pipeline, said.replace("{}", "zebu"), found, skip=skip)
    assert torch.equal(told, embed(pipeline, said.replace("{}", words), skip=skip))


@pytest.mark.parametrize("name", ["zebu", "ZEBU", "<zebu>", "<cow>"])
def test_its_names_are_its_files_and_its_token(pipeline, tmp_path, name):
    found = entry(tmp_path / "zebu.safetensors", rows(pipeline, "brick"), "<cow>")
    assert torch.equal(embed(pipeline, f"red {name}", found), embed(pipeline, "red brick"))


@pytest.mark.parametrize("said", ["zebus", "azebu", "zebu2", "cow"])
def test_a_part_of_another_word_is_not_its_name(pipeline, tmp_path, said):
    found = entry(tmp_path / "zebu.safetensors", rows(pipeline, "brick"))
    assert torch.equal(embed(pipeline, f"red {said}", found), embed(pipeline, f"red {said}"))


def test_of_two_names_the_longer_one_counts(pipeline, tmp_path):
    short = entry(tmp_path / "zebu.safetensors", rows(pipeline, "brick"))
    long = entry(tmp_path / "zebu calf.safetensors", rows(pipeline, "stone"))
    assert torch.equal(embed(pipeline, "zebu calf zebu", short, long), embed(pipeline, "stone brick"))


def test_an_embedding_is_never_torn_between_two_windows(pipeline, tmp_path):
    found = entry(tmp_path / "zebu.safetensors", fake.embedding(8, TEXT))
    said = "a " * 70 + "zebu " + "b " * 5
    embedder = Embedder([Reader(pipeline.tokenizer, pipeline.text_encoder, lexicon=Lexicon([found], TEXT, 75))])
    first, second = embedder.windows(parse(said).at(0, 1)[0].chunks[0])
    assert len(first[0]) == 70 and min(first[0]) >= 0
    assert second[0][:8] == tuple(range(-1, -9, -1)) and len(second[0]) == 13


def test_the_encoder_is_left_as_it_was(pipeline, tmp_path):
    found = entry(tmp_path / "zebu.safetensors", fake.embedding(3, TEXT))
    before = {name: value.clone() for name, value in pipeline.text_encoder.state_dict().items()}
    plain = embed(pipeline, "red wall")
    embed(pipeline, "red zebu", found)
    assert torch.equal(embed(pipeline, "red wall"), plain)
    assert not pipeline.text_encoder.get_input_embeddings()._forward_hooks
    after = pipeline.text_encoder.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("trouble", ["nan", "wide", "long"])
def test_what_cannot_be_heard_is_refused(tmp_path, trouble):
    table = fake.embedding(80 if trouble == "long" else 2, 48 if trouble == "wide" else TEXT)
    if trouble == "nan":
        table[1, 3] = float("nan")
    with pytest.raises(Unsupported) as caught:
        Lexicon([entry(tmp_path / "zebu.safetensors", table)], TEXT, 75)
    assert "zebu" in caught.value.message and caught.value.remedy
