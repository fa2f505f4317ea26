"""What diffusers' pipelines take, read from their source: nothing of diffusers is imported, nothing of it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{2,80}")
_KNOWN = (ast.Constant,)


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a pipeline's call: their defaults where these are plain values, and which must be given."""

    names: tuple[str, ...]
    required: frozenset[str]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def home() -> Path | None:
    """Where diffusers lies, None where it is not installed."""
    found = find_spec("diffusers")
    return None if found is None or found.origin is None else Path(found.origin).parent


def libraries() -> frozenset[str]:
    """What components may come from: the two libraries, and folders of diffusers' own pipelines."""
    there = home()
    folders = () if there is None else (path.name for path in (there / "pipelines").iterdir() if path.is_dir())
    return frozenset({"diffusers", "transformers", *folders})


@cache
def call_of(name: str) -> Signature | None:
    """The call of diffusers' pipeline class of that name; None where there is no such class."""
    node = _class(name)
    seen = 0
    while node is not None and seen < 8:
        call = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__call__"), None)
        if call is not None:
            return _signature(call)
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        node, seen = next((found for base in bases if (found := _class(base)) is not None), None), seen + 1
    return None


def _signature(call: ast.FunctionDef) -> Signature:
    arguments = call.args.args[1:]
    plain = dict(zip([one.arg for one in arguments][len(arguments) - len(call.args.defaults) :], call.args.defaults, strict=True))
    plain |= {one.arg: value for one, value in zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True) if value}
    names = tuple(one.arg for one in (*arguments, *call.args.kwonlyargs))
    known = {name: value.value for name, value in plain.items() if isinstance(value, _KNOWN)}
    return Signature(names, frozenset(names) - plain.keys(), known)


@cache
def _class(name: str) -> ast.ClassDef | None:
    if not _NAME.fullmatch(name):
        return None
    for file in _sources():
        text = file.read_text(encoding="utf-8")
        if f"class {name}(" in text:
            tree = ast.parse(text)
            return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    return None


def _sources() -> Iterator[Path]:
    there = home()
    if there is not None:
        yield from sorted((there / "pipelines").rglob("pipeline_*.py"))
