"""`velatura list`: everything that can be chosen by name."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from google.protobuf import json_format
from velatura.errors import NotFound
from velatura.v1 import catalog_pb2, knobs_pb2

from . import connect


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("list", help="show models, samplers and all that has a name", description=__doc__)
    command.add_argument("shelf", nargs="?", help="models, samplers, families, … (default: all)")
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the shelves; returns the exit code."""
    with connect.open(options) as engine:
        catalog = engine.catalog()
    names = ["models", *(shelf.name for shelf in catalog.shelves)]
    if options.shelf and options.shelf not in names:
        raise NotFound(f"there is no shelf {options.shelf!r}", field="shelf", suggestions=names)
    wanted = [options.shelf] if options.shelf else names
    if options.json:
        json.dump(_document(catalog, wanted), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("\n".join("\n".join(_shelf(catalog, name)) + "\n" for name in wanted))
    return 0


def _document(catalog: catalog_pb2.Catalog, wanted: list[str]) -> dict[str, Any]:
    parts: dict[str, Any] = {shelf.name: shelf.parts for shelf in catalog.shelves} | {"models": catalog.models}
    return {
        name: [json_format.MessageToDict(part, preserving_proto_field_name=True) for part in parts[name]]
        for name in wanted
    }


def _shelf(catalog: catalog_pb2.Catalog, name: str) -> list[str]:
    if name == "models":
        return ["models", *(_model(model) for model in catalog.models), *([] if catalog.models else ["  none"])]
    parts = next(shelf.parts for shelf in catalog.shelves if shelf.name == name)
    width = max((len(part.id) for part in parts), default=0)
    lines = [name]
    for part in parts:
        why = "" if part.available else f" (not available: {part.reason})"
        lines.append(f"  {part.id:{width}}  {part.title}: {part.description}{why}")
        lines += [f"  {'':{width}}    {_knob(knob)}" for knob in part.knobs]
    return lines


def _model(model: catalog_pb2.ModelInfo) -> str:
    facts = [model.kind, model.family, f"{model.size / 2**20:.0f} MB"]
    if model.kind == "checkpoint":
        facts += [f"{model.native_size} px", f"{model.sampler}, {model.steps} steps", "/".join(model.tasks)]
    elif model.description:
        facts.append(model.description)
    else:
        facts.append(model.control_kind or model.description.rstrip("."))
    mark = "*" if model.is_default else " "
    return f"{mark} {model.id}  {model.title}: {', '.join(fact for fact in facts if fact)}"


def _knob(knob: knobs_pb2.KnobSpec) -> str:
    kind = knob.default.WhichOneof("value")
    words = knob.name if kind is None else f"{knob.name} = {getattr(knob.default, kind)}"
    if knob.HasField("minimum") and knob.HasField("maximum"):
        words += f" ({knob.minimum:g} to {knob.maximum:g})"
    return words + (f" ({', '.join(knob.choices)})" if knob.choices else "")
