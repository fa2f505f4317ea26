"""What changes from picture to picture: a field, words within the prompt, or which parts of the prompt are there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from ..errors import Invalid
from ..v1 import catalog_pb2, jobs_pb2
from . import fields
from .values import MAX_VALUES, values

MAX_PARTS = 9
"""Optional parts of a prompt matrix: 2 to the 9th are the most pictures that a grid may have."""
SEARCH = "prompt S/R"
"""Name of an axis that replaces words, as in the web UI."""

_SEARCH = re.compile(r"(?:prompt)?[\s:_]*s[\s/]*r", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Axis:
    """Values that a job takes in turn. `labels` are what the sheet says beside them."""

    name: str
    labels: tuple[str, ...]
    rank: ClassVar[int] = 0
    """Lower ranks change a job first: fields, then parts of the prompt, then words within it."""

    def __len__(self) -> int:
        return len(self.labels)

    def check(self, job: jobs_pb2.JobSpec, field: str) -> None:
        """Raises Invalid or NotFound, naming `field`, where a value can not be said to `job`."""
        for number in range(len(self)):
            trial = jobs_pb2.JobSpec()
            trial.CopyFrom(job)
            self.apply(trial, number, field)

    def apply(self, job: jobs_pb2.JobSpec, number: int, field: str = "axis") -> None:
        """Give `job` value `number`, in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class FieldAxis(Axis):
    """A field, by its path or short name (see `fields`), or `size`, as in 512x256."""

    def apply(self, job: jobs_pb2.JobSpec, number: int, field: str = "axis") -> None:
        word = self.labels[number]
        if self.name != "size":
            fields.put(job, self.name, word, field=field)
            return
        sides = _SIZE.fullmatch(word)
        if sides is None:
            raise Invalid(f"{word!r} is not a size such as 512x256", field=field)
        fields.put(job, "width", sides[1], field=field)
        fields.put(job, "height", sides[2], field=field)


@dataclass(frozen=True)
class ReplaceAxis(Axis):
    """The first label is looked for in the prompt and the negative prompt, and each label takes its place in turn."""

    rank: ClassVar[int] = 2

    def check(self, job: jobs_pb2.JobSpec, field: str) -> None:
        task = fields.painting(job, field)
        if not self.labels[0] or self.labels[0] not in task.prompt.text + "\n" + task.negative.text:
            raise Invalid(
                f"{self.labels[0]!r} does not stand in the prompt",
                field=field,
                remedy="The first value is what is looked for; write it as the prompt has it.",
            )

    def apply(self, job: jobs_pb2.JobSpec, number: int, field: str = "axis") -> None:
        task = fields.painting(job, field)
        for prompt in (task.prompt, *([task.negative] if task.HasField("negative") else [])):
            prompt.text = prompt.text.replace(self.labels[0], self.labels[number])


@dataclass(frozen=True)
class PartsAxis(Axis):
    """Parts that are there or not: for each label, those that follow the prompt, after commas."""

    chosen: tuple[tuple[str, ...], ...] = ()
    rank: ClassVar[int] = 1

    def apply(self, job: jobs_pb2.JobSpec, number: int, field: str = "axis") -> None:
        prompt = fields.painting(job, field).prompt
        prompt.text = ", ".join([prompt.text, *self.chosen[number]])


def axis(
    name: str,
    words: str | Iterable[object],
    *,
    catalog: catalog_pb2.Catalog | None = None,
    field: str = "axis",
) -> Axis:
    """An axis of a name and its values: as text (see `values`), or one by one.

    The name is a field (`steps`, `sampling.eta`, `adapters[0].weight`, `size`), or "prompt S/R": then the first value
    is looked for in the prompts, and every value (the first too) takes its place. With a catalog, the bare name of a
    sampler's knob will do. Raises Invalid.
    """
    name = name.strip()
    found = values(words, field=field) if isinstance(words, str) else [_word(value) for value in words]
    if not 1 <= len(found) <= MAX_VALUES:
        raise Invalid(f"an axis has 1 to {MAX_VALUES} values, not {len(found)}", field=field)
    if not name:
        raise Invalid("an axis needs the name of what changes", field=field, remedy="Write NAME=VALUES.")
    twice = next((value for value in found if found.count(value) > 1), None)
    if twice is not None:
        raise Invalid(f"{name} has {twice!r} twice", field=field, remedy="Name every value once.")
    if _SEARCH.fullmatch(name):
        return ReplaceAxis(SEARCH, tuple(found))
    return FieldAxis(_path(name, catalog), tuple(found))


def _path(name: str, catalog: catalog_pb2.Catalog | None) -> str:
    """The name, or the path of the sampler's knob that has it; a field of that name comes first."""
    shelves = catalog.shelves if catalog is not None and not fields.is_known(name) else ()
    parts = [part for shelf in shelves if shelf.name == "samplers" for part in shelf.parts]
    is_knob = any(knob.name == name for part in parts for knob in part.knobs)
    return f"sampling.knobs[{name}]" if is_knob else name


def matrix(prompt: str, *, field: str = "matrix") -> tuple[str, Axis, Axis]:
    """The prompt matrix of `a | b | c`: `a` is always there, each other part in half of the pictures.

    Returns what is always there, and the axes for x and y: the first half of the parts, and the rest. A `|` within
    brackets or after a backslash divides nothing. Raises Invalid.
    """
    first, *parts = _divided(prompt)
    if not first or not parts or not all(parts):
        raise Invalid("a part is empty", field=field, remedy="Write what is always there, then parts: a | b | c.")
    if len(parts) > MAX_PARTS:
        raise Invalid(f"{len(parts)} parts make 2^{len(parts)} pictures; {MAX_PARTS} parts at most", field=field)
    half = (len(parts) + 1) // 2
    return first, _parts(parts[:half]), _parts(parts[half:])


def _parts(parts: list[str]) -> PartsAxis:
    switched = product((False, True), repeat=len(parts))
    # The first part changes fastest, as one reads.
    chosen = tuple(tuple(part for part, on in zip(parts, row[::-1], strict=True) if on) for row in switched)
    labels = tuple(" + ".join(row) if row else "-" for row in chosen)
    return PartsAxis("parts", labels, chosen)


def _divided(prompt: str) -> list[str]:
    parts, depth, start, place = [], 0, 0, 0
    while place < len(prompt):
        letter = prompt[place]
        if letter == "\\":
            place += 1
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(0, depth - 1)
        elif letter == "|" and not depth:
            parts.append(prompt[start:place].strip())
            start = place + 1
        place += 1
    return [*parts, prompt[start:].strip()]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
