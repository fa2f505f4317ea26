"""What a safetensors file says of itself, read without its weights and without trusting it."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Unsupported

MAX_HEADER = 100 * 2**20
MAX_TENSORS = 200_000
MAX_NUMBERS = 2**20
"""Bytes of a tensor whose values are read without loading the model."""
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1, "U64": 8, "U32": 4, "U16": 2}  # fmt: skip
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

Shapes = dict[str, tuple[int, ...]]


def shapes(path: Path) -> Shapes:
    """Tensor shapes by name. Raises Unsupported for anything but a sound safetensors file; pickles by their content."""
    header, begin = _read(path)
    header.pop("__metadata__", None)
    room = path.stat().st_size - begin
    return {name: _shape(path, name, facts, room) for name, facts in header.items()}


def said(path: Path) -> dict[str, str]:
    """What the writer of a sound safetensors file noted beside the tensors; nothing where that is not plain text."""
    notes = _read(path)[0].get("__metadata__")
    pairs = notes.items() if isinstance(notes, dict) else ()
    return {str(name): value for name, value in pairs if isinstance(value, str)}


def numbers(path: Path, name: str) -> np.ndarray:
    """The values of one small tensor of 16 or 32 bit floats, as float32 (n,); empty where there is none such."""
    header, begin = _read(path)
    facts = header.get(name)
    if facts is None or facts["dtype"] not in ("F16", "BF16", "F32"):
        return np.empty(0, np.float32)
    _shape(path, name, facts, path.stat().st_size - begin)
    first, last = facts["data_offsets"]
    if last - first > MAX_NUMBERS:
        return np.empty(0, np.float32)
    with path.open("rb") as file:
        file.seek(begin + first)
        content = file.read(last - first)
    if facts["dtype"] == "BF16":  # the upper half of a float
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").astype(np.float32)
    return np.frombuffer(content, "<f2" if facts["dtype"] == "F16" else "<f4").astype(np.float32)


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """The header as it stands there, and where the tensors begin, in bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start, brace = file.read(8), file.read(1)
        # A header's length may well begin like a pickle; what follows it then tells.
        if start.startswith(_PICKLES) and brace != b"{":
            raise Unsupported(
                f"{path.name} is a pickle, which can run code when it is opened", reason="PICKLE_NOT_ALLOWED",
                remedy="convert it to safetensors, or get its safetensors version; velatura import takes in "
                "embeddings, hypernetworks, LoRAs, T2I-Adapters and annotators",
            )  # fmt: skip
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise _broken(path, "its header has no sensible length")
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            raise _broken(path, "its header is not JSON") from None
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise _broken(path, "its header lists no tensors, or too many")
    return header, 8 + length


def _shape(path: Path, name: str, facts: object, room: int) -> tuple[int, ...]:
    try:
        begin, end = facts["data_offsets"]  # type: ignore[index]
        shape = tuple(facts["shape"])  # type: ignore[index]
        expected = math.prod(shape) * _SIZES[facts["dtype"]]  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise _broken(path, f"it does not describe tensor {name[:80]!r}") from None
    numbers = (*shape, begin, end)
    sound = all(isinstance(number, int) and number >= 0 for number in numbers)
    if not sound or end - begin != expected or end > room:
        raise _broken(path, f"tensor {name[:80]!r} lies outside the file")
    return shape


def _broken(path: Path, why: str) -> Unsupported:
    return Unsupported(
        f"{path.name} is not a sound safetensors file: {why}", reason="BROKEN_MODEL_FILE",
        remedy="get the file again; if it is a .ckpt or .pt, convert it to safetensors",
    )  # fmt: skip
