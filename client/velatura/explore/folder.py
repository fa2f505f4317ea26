"""The folder of a grid: its pictures, what was made of each cell, and what is there from before."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from .. import pixels, png, recipe
from ..errors import Invalid, VelaturaError
from ..job import Result
from . import fields
from .grid import Cell, Grid

NOTES = "explore.json"
FORMAT = 1
MAX_FILE = 256 << 20
"""Bytes of a file that is read back."""
SIGN = "velatura explore"
"""What the notes of our own folders say they are."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of a cell: "painted", "kept" (from before) or "failed", its file in the folder, its seed, and why."""

    x: int
    y: int
    z: int
    state: str
    file: str = ""
    seed: int = 0
    why: str = ""
    recipe: str = ""
    """The recipe's JSON, as it stands in the file."""


class Folder:
    """A folder that belongs to grids. Raises Invalid for `folder` where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes: dict[str, Any] = {}

    def open(self) -> None:
        """Make it, unless it is there; one that holds other things is left alone."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._notes = self._read_notes()
            if not self._notes and any(self.path.iterdir()):
                remedy = "Choose a new folder, or one that was explored into before."
                raise Invalid(f"{self.path} holds other things", field="folder", remedy=remedy)
        except OSError as trouble:
            raise self._trouble(self.path, trouble) from None

    def seed(self) -> int | None:
        """The seed that was drawn for the grid that was here before."""
        seed = self._notes.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**64 else None

    def find(self, cell: Cell) -> Made | None:
        """The cell's picture from before: a whole file under its name, whose recipe can be read."""
        name = f"{cell.name}.png"
        content = self.read(name)
        if content is None:
            return None
        try:
            made = recipe.read(content)
        except VelaturaError:
            return None
        if made is None:
            return None
        facts = recipe.dumps(made)
        return Made(x=cell.x, y=cell.y, z=cell.z, state="kept", file=name, seed=_seed(cell), recipe=facts)

    def save(self, cell: Cell, result: Result) -> Made:
        """Keep the cell's picture: the last one that its job made."""
        artifacts = [artifact for artifact in result.artifacts if artifact.HasField("image")]
        if not artifacts:
            raise Invalid("its job makes no picture", field="job")
        last = artifacts[-1]
        content = pixels.to_png(last.image)
        if recipe.KEY not in png.read_texts(content):
            content = recipe.write(content, last.recipe)
        name = f"{cell.name}.png"
        self.put(name, content)
        facts = recipe.dumps(last.recipe)
        return Made(x=cell.x, y=cell.y, z=cell.z, state="painted", file=name, seed=last.seed, recipe=facts)

    def fail(self, cell: Cell, trouble: VelaturaError) -> Made:
        """Note why there is no picture."""
        return Made(x=cell.x, y=cell.y, z=cell.z, state="failed", why=str(trouble))

    def read(self, name: str) -> bytes | None:
        """A file's content; None where it is not there, is no plain file or too large."""
        path = self.path / name
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size <= MAX_FILE:
                return path.read_bytes()
        return None

    def put(self, name: str, content: bytes) -> Path:
        """Write a file whole or not at all, in place of one that was there."""
        path, part = self.path / name, self.path / f".{name}.part"
        try:
            part.write_bytes(content)
            os.replace(part, path)
        except OSError as trouble:
            raise self._trouble(path, trouble) from None
        return path

    def note(self, grid: Grid, made: tuple[Made, ...]) -> None:
        """Write `explore.json`: the job, the axes, and what became of each cell."""
        task = fields.painting(grid.job)
        notes = {
            "what": SIGN,
            "format": FORMAT,
            "job": json_format.MessageToDict(grid.job, preserving_proto_field_name=True),
            "seed": task.seed if task.HasField("seed") else None,
            "axes": {letter: {"name": axis.name, "values": list(axis.labels)} for letter, axis in grid.axes},
            "cells": [{name: value for name, value in asdict(one).items() if name != "recipe"} for one in made],
        }
        self.put(NOTES, (json.dumps(notes, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace"))

    def _read_notes(self) -> dict[str, Any]:
        content = self.read(NOTES)
        try:
            notes = json.loads(content.decode("utf-8")) if content else {}
        except (ValueError, RecursionError):
            return {}
        return notes if isinstance(notes, dict) and notes.get("what") == SIGN else {}

    def _trouble(self, path: Path, trouble: OSError) -> Invalid:
        return Invalid(f"{path} cannot be written: {trouble.strerror or trouble}", field="folder")


def _seed(cell: Cell) -> int:
    return fields.painting(cell.job).seed
