"""Captions and the tokenizer: every word of the grammar is known, any other word can be spelled."""

from __future__ import annotations

import random

import pytest
from velatura_starter import model_path
from velatura_starter.data.captions import COLOUR_WORDS, NOUNS, Writer, every_word
from velatura_starter.data.families import material_names
from velatura_starter.data.palette import colour_names
from velatura_starter.data.textures import SIZES, Labels
from velatura_starter.tokens import load_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def words():
    """The tokenizer that ships."""
    return load_tokenizer(model_path() / "tokenizer")


def captions(dice, count: int) -> list[str]:
    """Captions of random labels."""
    writer, chance = Writer(dice(3)), random.Random(3)
    return [
        writer.texture(
            Labels(chance.choice(material_names()), chance.choice(colour_names()), None, chance.choice(SIZES), None)
        )
        for _ in range(count)
    ]


def test_every_label_has_words():
    assert set(NOUNS) == set(material_names())
    assert set(COLOUR_WORDS) == set(colour_names())


def test_captions_have_no_unknown_tokens_and_fit(words, dice):
    for caption in captions(dice, 400):
        ids = words(caption, add_special_tokens=False).input_ids
        assert words.unk_token_id not in ids, caption
        assert len(ids) + 2 <= words.model_max_length, caption


def test_words_of_the_grammar_are_one_token_each(words):
    known = {w for phrase in every_word() for w in phrase.split() if w.isalpha()}
    split = [w for w in known if len(words(w, add_special_tokens=False).input_ids) != 1]
    assert not split


@pytest.mark.parametrize("word", ["zebra", "Xylophone", "café", "naïve", "猫", "α-β_7!", "<tag>"])
def test_words_outside_the_grammar_are_spelled(words, word):
    ids = words(word, add_special_tokens=False).input_ids
    assert ids
    assert words.unk_token_id not in ids


def test_case_does_not_matter(words):
    assert words("RED Brick").input_ids == words("red brick").input_ids


def test_a_tokenizer_trained_from_the_grammar_spells_and_knows(tmp_path):
    words = train_tokenizer([*every_word() * 20], tmp_path, 1000)
    assert len(words("cobblestone", add_special_tokens=False).input_ids) == 1
    assert words.unk_token_id not in words("quizzical", add_special_tokens=False).input_ids
