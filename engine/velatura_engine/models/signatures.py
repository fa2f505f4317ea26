"""What diffusers' pipelines take, read from their source: nothing of diffusers is imported, nothing of it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{2,80}")


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
    node = _class(name, "pipelines", "pipeline_*.py")
    seen = 0
    while node is not None and seen < 8:
        call = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__call__"), None)
        if call is not None:
            return _signature(call)
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        node, seen = (
            next((found for base in bases if (found := _class(base, "pipelines", "pipeline_*.py"))), None),
            seen + 1,
        )
    return None


def _signature(call: ast.FunctionDef) -> Signature:
    arguments = call.args.args[1:]
    last = arguments[len(arguments) - len(call.args.defaults) :]
    plain = {one.arg: value for one, value in zip(last, call.args.defaults, strict=True)}
    plain |= {one.arg: value for one, value in zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True) if value}
    names = tuple(one.arg for one in (*arguments, *call.args.kwonlyargs))
    known = {name: value.value for name, value in plain.items() if isinstance(value, ast.Constant)}
    return Signature(names, frozenset(names) - plain.keys(), known)


@cache
def workflows_of(blocks: str) -> Mapping[str, Mapping[str, Any]]:
    """What modular blocks of that name can do, and what each workflow must be given; nothing where there are none."""
    node = _class(blocks, "modular_pipelines", "modular_blocks_*.py")
    for part in node.body if node is not None else ():
        if isinstance(part, ast.Assign) and any(getattr(to, "id", "") == "_workflow_map" for to in part.targets):
            return ast.literal_eval(part.value)
    return {}


@cache
def inputs_of(blocks: str) -> frozenset[str]:
    """Names that the blocks beside these, of the same model, take."""
    found = _file(blocks, "modular_pipelines", "modular_blocks_*.py")
    texts = "".join(file.read_text(encoding="utf-8") for file in sorted(found.parent.glob("*.py"))) if found else ""
    return frozenset(re.findall(r"InputParam(?:\.template)?\(\s*(?:name=)?\"([a-z_0-9]+)\"", texts))


@cache
def _class(name: str, folder: str, files: str) -> ast.ClassDef | None:
    file = _file(name, folder, files)
    tree = ast.parse(file.read_text(encoding="utf-8")) if file is not None else ast.Module([], [])
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


@cache
def _file(name: str, folder: str, files: str) -> Path | None:
    """The file of diffusers that defines a class."""
    there = home()
    if there is None or not _NAME.fullmatch(name):
        return None
    found = sorted((there / folder).rglob(files))
    return next((file for file in found if f"class {name}(" in file.read_text(encoding="utf-8")), None)
