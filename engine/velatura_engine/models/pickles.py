"""The tensors of a torch file (.pt, .bin), read without torch and without running anything that it names.

A pickle is a program: it names functions and says what to call them with. Here only those are known that put tensors
together, and they are our own, which count and copy bytes. Any other name ends the reading. This module is meant to
run in a process that can do nothing else (see jail.py).
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_UNPACKED = 512 * 2**20
"""Bytes of all tensors together."""
MAX_AXES = 8
_MAGIC = 0x1950A86A20F9469CFC6C
"""What torch's older files begin with, and after it their version."""
_STORAGES = {
    "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2), "DoubleStorage": ("F64", 8),
    "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1),
}  # fmt: skip


class Refused(ValueError):
    """The file is not read further, and why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of numbers, by safetensors' name, and its size in bytes."""

    name: str
    size: int


@dataclass(slots=True)
class Storage:
    """Numbers as they lie in the file; in older files they come after everything else."""

    kind: Kind
    count: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view into a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Its type, by safetensors' name."""
        return self.storage.kind.name

    def packed(self) -> bytes:
        """Its numbers, row by row. Raises Refused where the view lies outside its storage."""
        size, content = self.storage.kind.size, self.storage.content
        count = math.prod(self.shape)
        if count == 0:
            return b""
        last = self.offset + sum((side - 1) * step for side, step in zip(self.shape, self.strides, strict=True))
        if content is None or len(content) < self.storage.count * size or last >= self.storage.count:
            raise Refused("a tensor lies outside the file")
        if count * size > MAX_UNPACKED:
            raise Refused(f"its tensors are more than {MAX_UNPACKED} bytes")
        # By memoryview and nested strides: without numpy there is nothing else in the jail.
        whole = memoryview(content)
        return b"".join(self._rows(whole, self.offset, 0))

    def _rows(self, whole: memoryview, at: int, axis: int) -> list[bytes]:
        size, inner = self.storage.kind.size, math.prod(self.shape[axis:])
        if self._dense(axis):
            return [bytes(whole[at * size : (at + inner) * size])]
        step = self.strides[axis]
        return [row for n in range(self.shape[axis]) for row in self._rows(whole, at + n * step, axis + 1)]

    def _dense(self, axis: int) -> bool:
        """Whether everything from an axis on lies together, row by row."""
        expected = 1
        for side, step in zip(reversed(self.shape[axis:]), reversed(self.strides[axis:]), strict=True):
            if side != 1 and step != expected:
                return False
            expected *= side
        return True


class Holder:
    """Stands for a torch class that does nothing here but hold what it was saved with."""


def read(content: bytes) -> Any:
    """What was saved: dicts, lists, texts, numbers, with `Tensor`s among them. Raises Refused, with the reason."""
    try:
        if content.startswith(b"PK\x03\x04"):
            return _read_zip(content)
        return _read_old(content)
    except Refused:
        raise
    except MemoryError:
        raise Refused("it asks for more memory than it is given") from None
    except RecursionError:
        raise Refused("it is nested too deep") from None
    except Exception as trouble:  # whatever a malformed program runs into is the file's fault
        raise Refused(f"it is damaged ({type(trouble).__name__}: {str(trouble)[:120]})") from None


def _read_zip(content: bytes) -> Any:
    """torch's files since version 1.6: an archive with the program in data.pkl and a file a storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if sum(info.file_size for info in infos.values()) > MAX_UNPACKED:
            raise Refused(f"it unpacks to more than {MAX_UNPACKED} bytes")
        program = next((name for name in infos if name.rpartition("/")[2] == "data.pkl"), None)
        if program is None:
            raise Refused("it is an archive, and none of torch's")
        folder = program.removesuffix("data.pkl")
        if infos.get(f"{folder}byteorder") and archive.read(f"{folder}byteorder").strip() != b"little":
            raise Refused("its numbers are big-endian")
        storages: dict[str, Storage] = {}

        def storage(kind: Kind, key: str, count: int) -> Storage:
            if key not in storages:
                storages[key] = Storage(kind, count, archive.read(f"{folder}data/{key}"))
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(program)), storage).load()


def _read_old(content: bytes) -> Any:
    """torch's files before that: five programs one after the other, then all numbers."""
    stream = io.BytesIO(content)
    storages: dict[str, Storage] = {}

    def storage(kind: Kind, key: str, count: int) -> Storage:
        return storages.setdefault(key, Storage(kind, count))

    def load() -> Any:
        return _Unpickler(stream, storage).load()

    first = load()
    if first != _MAGIC:
        raise Refused("it is a pickle that torch did not write")
    for _ in ("the format's version", "the machine that wrote it"):
        load()
    saved = load()
    for key in load():
        found = storages.get(str(key))
        count = struct.unpack("<q", stream.read(8))[0]
        if found is None or count != found.count:
            raise Refused("its storages are not those that it names")
        found.content = stream.read(count * found.kind.size)
    return saved


class _Unpickler(pickle.Unpickler):
    """Knows the few names that tensors need."""

    def __init__(self, stream: io.BytesIO, storage: Callable[[Kind, str, int], Storage]) -> None:
        super().__init__(stream)
        self._storage = storage

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """What a name means. Raises Refused for any that is not in the table."""
        known = _KNOWN.get((module_name, global_name))
        if known is None:
            raise Refused(f"it asks for {module_name}.{global_name}, which no tensor needs"[:200])
        return known

    def persistent_load(self, pid: Any, /) -> Any:
        """A storage that the program refers to, or in older files a class, with its source, which is not looked at."""
        if pid[0] == "module" and pid[1] is Holder:
            return Holder
        word, kind, key, _, count, *view = pid
        if word != "storage" or not isinstance(kind, Kind) or any(part is not None for part in view):
            raise Refused("it refers to something that is no storage")
        if not isinstance(count, int) or not 0 <= count <= MAX_UNPACKED:
            raise Refused("a storage has no sensible size")
        return self._storage(kind, str(key), count)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """In the place of torch._utils._rebuild_tensor_v2."""
    numbers = (offset, *shape, *strides)
    sound = all(isinstance(number, int) and 0 <= number <= MAX_UNPACKED for number in numbers)
    if not isinstance(storage, Storage) or not sound or len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise Refused("a tensor is not described as tensors are")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(values: Any, *_: Any) -> Any:
    """In the place of torch._utils._rebuild_parameter: its values."""
    return values


def _ordered(*_: Any) -> OrderedDict[Any, Any]:
    """In the place of OrderedDict, and of what parameters keep hooks in."""
    return OrderedDict()


_KNOWN: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): _ordered,
    ("torch.nn.modules.container", "ParameterDict"): Holder,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
} | {("torch", name): Kind(*facts) for name, facts in _STORAGES.items()}
