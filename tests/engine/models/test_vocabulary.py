"""Qwen's vocabulary as the engine ships it: whole, and read as its authors say."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from transformers import Qwen2Tokenizer
from velatura_engine.models.single_file import bundled_file
from velatura_engine.models.vocabulary import byte_letters, vocabulary
from velatura_engine.runtime.load import unpack_words

USER = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
QWEN_IMAGE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
)
"""What Qwen-Image says before a prompt, of which its pipeline cuts off 34 tokens."""


@pytest.fixture(scope="module")
def merges() -> str:
    return gzip.decompress(bundled_file("qwen", "tokenizer", "merges.txt.gz").read_bytes()).decode()


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Qwen2Tokenizer:
    folder: Path = tmp_path_factory.mktemp("words")
    unpack_words("qwen", "tokenizer", folder)
    return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)


def test_it_has_all_bytes_and_whatever_a_merge_makes_of_two_words_before_it(merges):
    found = vocabulary(merges)
    assert sorted(found.values()) == list(range(151643))
    assert {len(letter) for letter in byte_letters().values()} == {1} and len(set(byte_letters().values())) == 256
    assert list(byte_letters().values()) == sorted(found, key=found.__getitem__)[:256]
    for number, line in enumerate(merges.splitlines()[1:]):
        left, right = line.split(" ")
        assert max(found[left], found[right]) < found[left + right] == 256 + number


def test_the_words_that_part_a_chat_have_the_numbers_that_the_models_were_trained_with(words):
    known = {
        "<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|vision_start|>": 151652,
        "<|vision_end|>": 151653, "<|image_pad|>": 151655, "<tool_call>": 151657, "<think>": 151667,
        "</think>": 151668,
    }  # fmt: skip
    assert {word: words(word).input_ids for word in known} == {word: [number] for word, number in known.items()}
    assert len(words) == 151669 and (words.pad_token_id, words.eos_token_id) == (151643, 151645)
    assert words.padding_side == "right"


@pytest.mark.parametrize(("text", "numbers"), [
    ("Hello, world!", [9707, 11, 1879, 0]), ("Hello", [9707]), (" the", [279]), ("\n", [198]), ("user", [872]),
    ("assistant", [77091]), ("system", [8948]), ("!", [0]),
])  # fmt: skip
def test_well_known_words_have_their_numbers(words, text, numbers):
    assert words(text).input_ids == numbers


@pytest.mark.parametrize("text", [
    "a very old brick wall, naïve façade", "It's 12345 stones; DON'T you'll", "  two   spaces\n\n\ttabs \r\n x ",
    "日本語のテキスト 한국어 тест", "🎨👩‍🎨 £9.99…", "e\u0301 is é", "x" * 300, "",
])  # fmt: skip
def test_a_text_is_read_as_the_merges_say(words, merges, text):
    found = vocabulary(merges)
    assert words(text).input_ids == [found[word] for word in slowly(text, merges)]


def test_a_prompt_is_wrapped_as_the_models_were_trained_with(words):
    ask = {"conversation": [{"role": "user", "content": "a {wall}"}], "tokenize": False, "add_generation_prompt": True}
    assert words.apply_chat_template(**ask, enable_thinking=True) == USER.format("a {wall}")
    assert words.apply_chat_template(**ask) == USER.format("a {wall}")
    thought = "<think>\n\n</think>\n\n"
    assert words.apply_chat_template(**ask, enable_thinking=False) == USER.format("a {wall}") + thought


def test_what_qwen_image_says_before_a_prompt_is_as_long_as_its_pipeline_cuts_off(words):
    assert len(words(QWEN_IMAGE).input_ids) == 34


def slowly(text: str, merges: str) -> Iterator[str]:
    """A text's words, by the rule itself: of all neighbours the earliest merge, again and again."""
    ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(merges.splitlines()[1:])}
    letters = byte_letters()
    for piece in pieces(unicodedata.normalize("NFC", text)):
        parts = [letters[byte] for byte in piece.encode()]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            first = min(pairs, key=ranks.__getitem__)
            at = next(place for place, pair in enumerate(pairwise(parts)) if pair == first)
            parts[at : at + 2] = ["".join(first)]
        yield from parts


def pieces(text: str) -> list[str]:
    """What merges do not reach across: short forms, words with what stands before them, digits, signs, white space."""
    letter, number = r"[^\W\d_]", r"\d"
    signs = rf"(?:(?!{letter}|{number})\S)"
    return re.findall(
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:(?!{letter}|{number})[^\r\n])?{letter}+|{number}| ?{signs}+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+",
        text,
    )
