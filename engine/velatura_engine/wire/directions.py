"""Changes from one thing to another, from outside, checked field by field."""

from __future__ import annotations

from collections.abc import Sequence

from velatura.v1 import diffuse_pb2

from ..errors import Invalid
from ..request import Direction
from .checks import how_many, optional, text

MOST, PHRASES = 4, 64
"""Directions of a painting, and phrases on either side of one."""


def read_directions(asked: Sequence[diffuse_pb2.Direction], field: str, limit: int) -> tuple[Direction, ...]:
    """The directions of a painting, their phrases of at most `limit` bytes. Raises Invalid, naming the field."""
    how_many(len(asked), field, 0, MOST)
    return tuple(_direction(one, f"{field}[{number}]", limit) for number, one in enumerate(asked))


def _direction(ask: diffuse_pb2.Direction, field: str, limit: int) -> Direction:
    strength = optional(ask, "strength", f"{field}.strength", -4, 4)
    return Direction(
        source=_phrases(ask.source, f"{field}.source", limit),
        target=_phrases(ask.target, f"{field}.target", limit),
        strength=1.0 if strength is None else strength,
        keep_layout=optional(ask, "keep_layout", f"{field}.keep_layout", 0, 1) or 0.0,
    )


def _phrases(given: Sequence[str], field: str, limit: int) -> tuple[str, ...]:
    how_many(len(given), field, 1, PHRASES)
    for number, phrase in enumerate(given):
        if not text(phrase, f"{field}[{number}]", limit).strip():
            raise Invalid(f"{field}[{number}]", "is empty", remedy="say something, or leave it out")
    return tuple(given)
