"""Wildcard files: text files whose lines are choices, by the names that prompts call. Nothing in them is trusted."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import Invalid, NotFound

log = logging.getLogger("velatura.front")

FOLDER = "wildcards"
"""Name of the folder inside a models folder."""
MAX_NAMES = 10_000
MAX_DEPTH = 8
"""Folders within folders."""
MAX_BYTES = 4 * 2**20
"""Of a file."""
MAX_LINES = 50_000
"""Of all files that one name stands for."""
MAX_LINE = 2048
"""Characters."""

_NAME = re.compile(r"[\w*][\w.*-]*(?:/[\w*][\w.*-]*)*")
_WEIGHT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)::", re.ASCII)

Value = tuple[float, str]
"""A line, and how often it is drawn in comparison."""


class Wildcards:
    """The wildcard files of some models folders; where two have one name, the first folder's counts."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._roots = tuple(folder / FOLDER for folder in folders)
        self._files: dict[str, Path] = {}
        self.rescan()

    def rescan(self) -> None:
        """Look which files there are."""
        found: dict[str, Path] = {}
        for root in self._roots:
            for path in _text_files(root):
                name = path.relative_to(root).with_suffix("").as_posix()
                if _NAME.fullmatch(name) and "__" not in name and len(found) < MAX_NAMES:
                    found.setdefault(name, path)
        self._files = dict(sorted(found.items()))

    def names(self) -> tuple[str, ...]:
        """What prompts may call, in order."""
        return tuple(self._files)

    @property
    def stamp(self) -> str:
        """Changes with the names."""
        return hashlib.sha256("\n".join(self._files).encode()).hexdigest()[:16] if self._files else ""

    def values(self, name: str, *, field: str) -> tuple[Value, ...]:
        """The lines that a name stands for; empty ones and those that begin with # are left out.

        Raises Invalid, naming `field`, for a name that is a path out of the folder, and for files that are too large,
        hold no text or nothing at all; NotFound with near names.
        """
        if not _NAME.fullmatch(name) or ".." in name:
            raise Invalid(
                field, f"__{name[:64]}__ is no name of a wildcard", reason="NOT_A_WILDCARD",
                remedy="use letters, digits, - . * and / between folders, or write \\__ where it is meant as it stands",
            )  # fmt: skip
        paths = self._matching(name)
        if not paths:
            self.rescan()  # it may have been put there since
            paths = self._matching(name)
        if not paths:
            raise NotFound(
                "wildcard", name, known=self._files, field=field, reason="UNKNOWN_WILDCARD",
                remedy="" if self._files else f"put {name}.txt into the folder {FOLDER} in the models folder, "
                "or write \\__ where it is meant as it stands",
            )  # fmt: skip
        lines: list[Value] = []
        for path in paths:
            lines += _lines(path, field)
            if len(lines) > MAX_LINES:
                raise Invalid(field, f"__{name}__ stands for more than {MAX_LINES} lines", remedy="name fewer files")
        if not any(weight for weight, _ in lines):
            raise Invalid(field, f"__{name}__ has nothing to draw", remedy="write a line into its file")
        return tuple(lines)

    def _matching(self, name: str) -> list[Path]:
        """The file of that name, those that a * fits, else one of that name in any folder."""
        if "*" in name:
            pattern = re.compile(fnmatch.translate(re.sub(r"\*+", "*", name)))
            return [path for known, path in self._files.items() if pattern.match(known)]
        if name in self._files:
            return [self._files[name]]
        return [path for known, path in self._files.items() if known.endswith(f"/{name}")][:1]


def _text_files(root: Path) -> Iterator[Path]:
    """Text files under a folder, in order; links that lead out of it are left alone, and what is hidden."""
    home = root.resolve()
    for folder, inner, files in os.walk(root, followlinks=False):
        here = Path(folder)
        deep = len(here.relative_to(root).parts)
        inner[:] = sorted(name for name in inner if name[0] != ".") if deep < MAX_DEPTH else []
        for name in sorted(files):
            path = here / name
            if name[0] != "." and path.suffix.lower() == ".txt" and path.is_file() and _lies_in(path, home):
                yield path


def _lies_in(path: Path, home: Path) -> bool:
    try:
        return path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _lines(path: Path, field: str) -> list[Value]:
    what = f"the wildcard file {path.name}"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as trouble:
        raise Invalid(field, f"{what} cannot be read: {trouble.strerror}", remedy="look at the file") from None
    except UnicodeDecodeError:
        raise Invalid(field, f"{what} is not UTF-8 text", remedy="save it as UTF-8") from None
    if len(content) > MAX_BYTES:
        raise Invalid(field, f"{what} is larger than {MAX_BYTES >> 20} MB", remedy="divide it")
    found: list[Value] = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] == "#":
            continue
        if len(line) > MAX_LINE or "\0" in line:
            why = f"{what} has a line of more than {MAX_LINE} characters, or one that is no text"
            raise Invalid(field, why, remedy="write one choice on a line")
        weight = _WEIGHT.match(line)
        found.append((float(weight[1]), line[weight.end() :].strip()) if weight else (1.0, line))
    return found
