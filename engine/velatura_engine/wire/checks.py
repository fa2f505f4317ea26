"""Checks of single fields: each gives the value back, or says which field is wrong and why."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from ..errors import Invalid

_FILE_ENDINGS = (".ckpt", ".pt", ".safetensors")


def matrix(values: Iterable[float], field: str) -> np.ndarray:
    """A 4x4 matrix that can be undone. Raises Invalid."""
    matrix = np.array(list(values), np.float64)
    if matrix.shape != (16,) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix.reshape(4, 4))) < 1e-12:
        raise Invalid(field, "is not an invertible 4x4 matrix of 16 finite numbers", remedy="send it row by row")
    return matrix.reshape(4, 4)


def given(message: object, name: str, default: float) -> float:
    """The value of a field, or the default where it was left out."""
    return getattr(message, name) if message.HasField(name) else default  # type: ignore[attr-defined]


def optional(message: object, name: str, field: str, low: float, high: float) -> float | None:
    """The value of a field within its range, None where it was left out. Raises Invalid."""
    return between(getattr(message, name), field, low, high) if message.HasField(name) else None  # type: ignore[attr-defined]


def between(value: float, field: str, low: float, high: float) -> float:
    """A number within its range. Raises Invalid."""
    if math.isnan(value) or not low <= value <= high:
        raise Invalid(
            field,
            f"must be between {low:g} and {high:g}, got {value:g}",
            remedy=f"choose a number from {low:g} to {high:g}",
        )
    return value


def part_of_run(message: object, field: str) -> tuple[float, float]:
    """The part of the run, `start` to `end`, that a message names, 0 to 1; all of it by default. Raises Invalid."""
    start = optional(message, "start", f"{field}.start", 0, 1) or 0.0
    end = optional(message, "end", f"{field}.end", 0, 1)
    end = 1.0 if end is None else end
    if start >= end:
        raise Invalid(f"{field}.start", f"{start:g} is not before {field}.end {end:g}", remedy="swap them")
    return start, end


def known(field: str, value: int, kind: EnumTypeWrapper) -> None:
    """Raises Invalid for a number that the contract's enum does not have."""
    if value not in kind.values():
        words = [name for name, number in kind.items() if number]
        raise Invalid(field, f"{value} is not known", remedy=f"use one of: {', '.join(words)}")


def how_many(value: int, field: str, low: int, high: int) -> None:
    """Raises Invalid where there are too few or too many."""
    if not low <= value <= high:
        raise Invalid(
            field, f"must have {low} to {high} entries, has {value}", remedy=f"send at least {low} and at most {high}"
        )


def distinct(names: list[str], field: str) -> None:
    """Raises Invalid where two names are the same."""
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Invalid(field, f"{min(twice)!r} is named twice", remedy="give every target an id of its own")


def text(value: str, field: str, limit: int) -> str:
    """A text of at most `limit` bytes. Raises Invalid."""
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise Invalid(field, "is not valid text", remedy="send UTF-8") from None
    if size > limit:
        raise Invalid(field, f"has {size} bytes, at most {limit} are allowed", remedy="shorten it")
    if "\0" in value:
        raise Invalid(field, "holds a zero byte", remedy="send plain text")
    return value


def catalog_name(value: str, field: str) -> str | None:
    """An optional name from the catalog; a path or address is refused before it is looked up."""
    text(value, field, 128)
    if any(mark in value for mark in ("/", "\\", ":", "..")) or value.lower().endswith(_FILE_ENDINGS):
        raise Invalid(
            field, f"{value!r} looks like a path, file or address", reason="PATH_NOT_ALLOWED",
            remedy="name things by their id in the catalog (velatura list); install models into the models folder",
        )  # fmt: skip
    return value or None
