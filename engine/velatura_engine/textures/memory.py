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
"""Bytes: eight views of an object of four million texels fit."""

Value = TypeVar("Value")


class Memory:
    """Values by the digest of what they were worked out from."""

    def __init__(self, limit: int = LIMIT) -> None:
        """With a `limit` of 0 bytes nothing is kept."""
        self.limit, self.size = limit, 0
        self._kept: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def get(self, name: bytes, compute: Callable[[], Value]) -> Value:
        """The value of that name; computed if it is not kept, then kept in the place of those used longest ago."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name][0]
        value = compute()
        size = _bytes(value)
        if size <= self.limit:
            while self.size + size > self.limit:
                self.size -= self._kept.popitem(last=False)[1][1]
            self._kept[name] = value, size
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
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return value.nbytes
    if is_dataclass(value):
        return sum(_bytes(getattr(value, part.name)) for part in fields(value))
    return sum(_bytes(part) for part in value) if isinstance(value, (tuple, list)) else 0
