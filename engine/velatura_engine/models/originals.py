"""From layers as a transformer's authors name them to those of diffusers, which parts what they have joined.

`families` have the names; see Originals there.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from ..families import Originals, families

SWAPPED = "~"
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def targets(layer: str, table: Originals) -> tuple[str, ...]:
    """diffusers' layers of an original one, () where the table has none; see Originals for the marks in them."""
    found = table.get(layer)
    if found is not None:
        return found
    for number in _NUMBER.finditer(layer):
        found = table.get(f"{layer[: number.start()]}*{layer[number.end() :]}")
        if found is not None:
            return tuple(one.replace("*", number[0]) for one in found)
    return ()


def known(of: str) -> Originals:
    """The table of a denoiser of that class of diffusers; empty where there is none."""
    for kind in (part.build() for part in families().parts()):
        if kind.flow is not None and kind.components[kind.denoiser] == of:
            return kind.flow.originals
    return {}


def numbered(table: Originals, layers: Container[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Original layers and those of diffusers, block by block, as far as a model has them all."""
    for layer, to in table.items():
        for number in itertools.count() if "*" in layer else (0,):
            found = tuple(one.replace("*", str(number)) for one in to)
            if not all(one.removeprefix(SWAPPED) in layers for one in found):
                break
            yield layer.replace("*", str(number)), found


def to_diffusers(tensors: Mapping[str, Any], table: Originals, rows: Mapping[str, int]) -> dict[str, Any]:
    """Tensors by diffusers' names; those that the table does not have keep theirs.

    `rows` are the rows that a tensor of diffusers' names has, which tell where joined ones part. Raises LookupError
    where there is none, ValueError where the rows are not as many.
    """
    found: dict[str, Any] = {}
    for name, values in tensors.items():
        layer, _, kind = name.rpartition(".")
        to = targets(layer, table)
        if not to:
            found[name] = values
            continue
        names = [f"{one.removeprefix(SWAPPED)}.{'weight' if kind == 'scale' else kind}" for one in to]
        sizes = [rows[one] for one in names]
        if sum(sizes) != len(values):
            raise ValueError(f"{name} has {len(values)} rows, where {sum(sizes)} are needed")
        at = 0
        for one, target, size in zip(names, to, sizes, strict=True):
            part = values[at : at + size]
            found[one] = _swapped(part) if target.startswith(SWAPPED) else part
            at += size
    return found


def _swapped(values: Any) -> Any:
    """The halves the other way round, along rows."""
    half = len(values) // 2
    order = [*range(half, len(values)), *range(half)]
    return values[order]
