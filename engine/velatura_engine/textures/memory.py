"""What was worked out once and holds the next time, up to a number of bytes: what was used last is kept."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch

LIMIT = 768 << 20
"""Bytes: eight views of an object of four million texels fit twice."""

Value = TypeVar("Value")


class Memory:
    """Values by the digest of what they were worked out from."""

    def __init__(self, limit: int = LIMIT) -> None:
        """With a `limit` of 0 bytes nothing is kept."""
        self.limit, self.size, self.turn = limit, 0, 0
        self._kept: OrderedDict[bytes, tuple[Any, int, int]] = OrderedDict()
        """Value, bytes and the turn in which it was used last."""

    def begin(self) -> None:
        """A new turn, such as a job: what is used in one is not thrown away in the same for something else. Else what
        does not fit as a whole would never be found again: each part would make room for the one after it."""
        self.turn += 1

    def get(self, name: bytes, compute: Callable[[], Value]) -> Value:
        """The value of that name; computed if it is not kept, then kept in the place of those used longest ago."""
        value = self.find(name)
        return self.keep(name, compute()) if value is None else value

    def find(self, name: bytes) -> Any:
        """The value of that name, or None if it is not kept."""
        if name not in self._kept:
            return None
        value, size, _ = self._kept[name]
        self._kept[name] = value, size, self.turn
        self._kept.move_to_end(name)
        return value

    def keep(self, name: bytes, value: Value) -> Value:
        """Keep a value in the place of the one of that name and of those used longest ago, if there is room."""
        if name in self._kept:
            self.size -= self._kept.pop(name)[1]
        size = _bytes(value)
        while self._kept and self.size + size > self.limit >= size:
            oldest = next(iter(self._kept))
            if self._kept[oldest][2] == self.turn > 0:
                return value
            self.size -= self._kept.pop(oldest)[1]
        if self.size + size <= self.limit:
            self._kept[name] = value, size, self.turn
            self.size += size
        return value


def digest(*parts: Any) -> bytes:
    """A name for tensors, arrays, bytes, and plain values by how they are written."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, (torch.Tensor, np.ndarray)):
            array = np.ascontiguousarray(part)
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(array.view(np.uint8).data if array.size else b"")
        else:
            found.update(part if isinstance(part, bytes) else repr(part).encode())
        found.update(b"|")
    return found.digest()


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(_bytes(getattr(value, part.name)) for part in fields(value))
    return sum(_bytes(part) for part in value) if isinstance(value, (tuple, list)) else 0
