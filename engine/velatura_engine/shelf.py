"""Open sets of parts: a decorator, a folder to discover, and parameters that describe themselves.

Adding a part is adding a file to the shelf's folder. Keyword-only parameters of the decorated function with
`Annotated[float, Range(0, 1)]` or `Annotated[str, Choice("a", "b")]` become the knobs that hosts draw.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import pkgutil
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Range:
    """Least and greatest value of a number, and a sensible step of its slider."""

    low: float
    high: float
    step: float | None = None


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """Words to choose from."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A parameter as hosts draw it."""

    name: str
    title: str
    description: str = ""
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()

    def checked(self, value: Any, *, field: str = "") -> Any:
        """The value in the default's type. Raises Invalid outside the range or the choices."""
        field = field or self.name
        if self.choices:
            if value not in self.choices:
                raise Invalid(field, f"must be one of {', '.join(self.choices)}", remedy="choose one of them")
            return value
        if isinstance(self.default, bool) or not isinstance(self.default, (int, float)):
            if not isinstance(value, type(self.default)):
                kind = {bool: "flag", str: "text"}.get(type(self.default), "value of another type")
                raise Invalid(field, f"must be a {kind}", remedy=f"send a {kind}, or leave the knob out")
            return value
        return self._number(value, field)

    def _number(self, value: Any, field: str) -> int | float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise Invalid(field, "must be a number", remedy="send a finite number, or leave the knob out")
        if isinstance(self.default, int) and value != int(value):
            raise Invalid(field, f"must be a whole number, got {value:g}", remedy="leave out what is after the point")
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if not low <= value <= high:
            raise Invalid(
                field,
                f"must be between {low:g} and {high:g}, got {value:g}",
                remedy=f"choose a number from {low:g} to {high:g}",
            )
        return type(self.default)(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that can be chosen by name. `build` makes it; `schedules` only samplers have, and some of these can
    paint only one picture at a time, `alone`, and some know models that predict `flow` too. What preprocessors have is
    told by their own shelf: `reads`, the kinds of the `annotator` that they need and of the `helper` that they use if
    there is one, and of the controls that their `hints` are for.
    """

    id: str
    title: str
    description: str
    build: Callable[..., Any]
    knobs: tuple[Knob, ...] = ()
    families: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    alone: bool = False
    looks: int = 1
    """How often a sampler asks the model in a step."""
    flow: bool = False
    reads: str = "picture"
    annotator: str = ""
    helper: str = ""
    hints: str = ""
    available: bool = True
    reason: str = ""

    def checked(self, given: Mapping[str, Any], *, field: str = "knobs") -> dict[str, Any]:
        """All knobs, given or at their defaults and of their types. Raises NotFound for an unknown one, Invalid for a
        bad value.
        """
        known = {knob.name: knob for knob in self.knobs}
        for name in given:
            if name not in known:
                remedy = "" if known else f"leave it out: {self.title} has no knobs"
                raise NotFound(f"knob of {self.title}", name, known=known, field=f"{field}[{name}]", remedy=remedy)
        return {
            name: knob.checked(given[name], field=f"{field}[{name}]") if name in given else knob.default
            for name, knob in known.items()
        }


class Shelf:
    """Parts of one sort. The folder's modules are imported on first use, never at import."""

    def __init__(self, what: str, package: str) -> None:
        """`what` names one part in messages; `package` is the shelf's own package."""
        self.what, self.package = what, package
        self._parts: dict[str, Part] = {}
        self._discovered = False

    def part(self, id: str, title: str, **facts: Any) -> Callable[[Callable], Callable]:
        """Decorator: put what the function builds on the shelf; its docstring describes it, unless `facts` do."""

        def put(build: Callable) -> Callable:
            description = inspect.cleandoc(build.__doc__ or "").split("\n\n")[0].replace("\n", " ")
            given: dict[str, Any] = {"description": description} | facts
            self._parts[id] = Part(id=id, title=title, build=build, knobs=tuple(_knobs(build)), **given)
            return build

        return put

    def parts(self) -> tuple[Part, ...]:
        """Everything on the shelf, by name."""
        self._look()
        return tuple(self._parts[name] for name in sorted(self._parts))

    def get(self, name: str, *, field: str = "") -> Part:
        """The part of that name. Raises NotFound with near matches."""
        self._look()
        if name not in self._parts:
            raise NotFound(self.what, name, known=self._parts, field=field)
        return self._parts[name]

    def discover(self, folder: Path) -> None:
        """Also import the modules of another folder, so that their parts stand on this shelf."""
        self._look()
        for file in sorted(folder.glob("[!_]*.py")):
            spec = importlib.util.spec_from_file_location(f"{self.package}._found_{file.stem}", file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)

    def _look(self) -> None:
        if self._discovered:
            return
        for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        # Last: a look that failed is tried again, and nobody else may meanwhile think it is done.
        self._discovered = True


def _knobs(build: Callable) -> typing.Iterator[Knob]:
    hints = typing.get_type_hints(build, include_extras=True)
    for parameter in inspect.signature(build).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        facts: dict[str, Any] = {}
        for mark in getattr(hints.get(parameter.name), "__metadata__", ()):
            if isinstance(mark, Range):
                facts |= {"minimum": mark.low, "maximum": mark.high, "step": mark.step}
            elif isinstance(mark, Choice):
                facts["choices"] = mark.words
            elif isinstance(mark, str):
                facts["description"] = mark
        title = parameter.name.replace("_", " ").capitalize()
        yield Knob(name=parameter.name, title=title, default=parameter.default, **facts)
