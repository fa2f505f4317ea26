"""Train a small byte-pair tokenizer: every domain word is one token, any other word is spelled."""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from .architecture import TOKENS

START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(phrases: Iterable[str], folder: Path, size: int = 1200) -> CLIPTokenizer:
    """Learn merges from ``phrases`` and write vocab.json and merges.txt in CLIP's layout to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    model.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    model.decoder = decoders.ByteLevel()
    letters = string.ascii_lowercase + string.digits + string.punctuation
    alphabet = sorted({*pre_tokenizers.ByteLevel.alphabet(), *letters})
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=[START, END], end_of_word_suffix="</w>",
        show_progress=False,
    )  # fmt: skip
    model.train_from_iterator([*phrases, " ".join(alphabet)], trainer)
    add_final_letters(model, folder, alphabet)
    return load_tokenizer(folder)


def add_final_letters(model: Tokenizer, folder: Path, alphabet: list[str]) -> None:
    """Write the files, with each letter in its end-of-word form too, so that nothing is unknown."""
    import json

    raw = json.loads(model.to_str())["model"]
    vocab: dict[str, int] = raw["vocab"]
    for letter in alphabet:
        vocab.setdefault(letter, len(vocab))
        vocab.setdefault(letter + "</w>", len(vocab))
    merges = [" ".join(m) if not isinstance(m, str) else m for m in raw["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer with our length; padding repeats the end token as CLIP's does."""
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKENS, pad_token=END,
        bos_token=START, eos_token=END, unk_token=END,
    )  # fmt: skip
