"""Qwen's vocabulary, which its merges tell whole: bytes come first, and then what each merge makes, in order."""

from __future__ import annotations


def vocabulary(merges: str) -> dict[str, int]:
    """Words of a `merges.txt` by their numbers from 0, in the letters that stand for bytes; a first line that begins
    with "#version" does not count.
    """
    lines = merges.removesuffix("\n").split("\n")
    made = (line.replace(" ", "") for line in lines[lines[0].startswith("#version") :])
    return {word: number for number, word in enumerate((*byte_letters().values(), *made))}


def byte_letters() -> dict[int, str]:
    """A letter for each byte, in the order in which they are numbered: those that can be seen stand for themselves, the
    others for letters from 256 on (GPT-2's convention, Radford et al. 2019).
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = (byte for byte in range(256) if byte not in seen)
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + place) for place, byte in enumerate(others)}
