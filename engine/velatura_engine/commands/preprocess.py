"""`velatura preprocess`: a control hint of a picture or of depth."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from velatura import spec
from velatura.errors import Invalid
from velatura.v1 import diffuse_pb2, jobs_pb2

from . import connect, files, texture, watch


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("preprocess", help="make a control hint of a picture", description=__doc__)
    command.add_argument("preprocessor", help="from `velatura list preprocessors`")
    command.add_argument("picture", metavar="FILE", nargs="?", help="what it is made of")
    command.add_argument("--depth", metavar="FILE", help="scene depth: .npy in metres, or a picture (see --near)")
    command.add_argument("--near", type=float, metavar="M", help="what black means in a depth picture, metres")
    command.add_argument("--far", type=float, metavar="M", help="what white means; without both, white is near")
    command.add_argument(
        "--knob", action="append", default=[], metavar="NAME=VALUE", help="setting of the preprocessor, such as low=50"
    )
    command.add_argument("--tile", choices=texture.TILES, default="none", help="edges that meet (default none)")
    command.add_argument("--out", default=".", metavar="FOLDER|FILE", help="where to (default: here); never overwrites")
    connect.add_options(command)
    command.set_defaults(run=run)


def add_to_controls(command: argparse.ArgumentParser) -> None:
    """The options that say how the hints of a painting are made."""
    command.add_argument(
        "--preprocess", action="append", default=[], metavar="KIND=NAME",
        help="make that hint of its picture by a preprocessor, such as canny=canny",
    )  # fmt: skip
    command.add_argument(
        "--knob", action="append", default=[], metavar="NAME=VALUE", help="setting of those preprocessors"
    )
    command.add_argument(
        "--control-strength", action="append", default=[], metavar="KIND=X", help="how strongly, 0 to 2 (default 1)"
    )


def prepared(controls: Iterable[diffuse_pb2.Control], options: argparse.Namespace) -> list[diffuse_pb2.Control]:
    """The controls with what these options say of them; a preprocessor without a picture takes the one of --init."""
    found = list(controls)
    for words in options.preprocess:
        kind, name = _pair(words, "preprocess", "KIND=NAME, such as canny=canny")
        chosen = [control for control in found if control.kind == kind]
        if not chosen:
            found += (chosen := [diffuse_pb2.Control(kind=kind)])
        for control in chosen:
            control.CopyFrom(_with_knobs(control, name, options.knob))
    for words in options.control_strength:
        kind, value = _pair(words, "control_strength", "KIND=X, such as canny=0.8")
        strength = _number(value)
        if not isinstance(strength, int | float) or kind not in {control.kind for control in found}:
            raise Invalid(f"{words!r} names no --control, or no number", field="control_strength")
        for control in found:
            if control.kind == kind:
                control.strength = strength
    return found


def _with_knobs(control: diffuse_pb2.Control, name: str, words: list[str]) -> diffuse_pb2.Control:
    made = spec.control(control.kind, preprocessor=name, knobs=knobs(words))
    if control.HasField("image"):
        made.image.CopyFrom(control.image)
    return made


def run(options: argparse.Namespace) -> int:
    """Make the hint; returns the exit code."""
    job = build(options)
    with connect.open(options) as engine:
        result = watch.follow(engine, job, options)
    name = files.slug(f"{Path(options.picture or options.depth or '').stem} {options.preprocessor}")
    watch.report(result, watch.save(result, options, name=name), options)
    return 0


def build(options: argparse.Namespace) -> jobs_pb2.JobSpec:
    """The job that the options describe."""
    return spec.preprocess(
        options.preprocessor,
        files.picture(options.picture, "picture") if options.picture else None,
        depth=files.depth(options.depth, near=options.near, far=options.far, strength=None) if options.depth else None,
        knobs=knobs(options.knob),
        tile="" if options.tile == "none" else options.tile,
    )


def knobs(words: list[str]) -> dict[str, bool | int | float | str]:
    """Settings of NAME=VALUE each. Raises Invalid."""
    return {name: _number(value) for name, value in (_pair(one, "knob", "NAME=VALUE, such as low=50") for one in words)}


def _pair(words: str, field: str, form: str) -> tuple[str, str]:
    name, found, value = words.partition("=")
    if not found or not name or not value:
        raise Invalid(f"{words!r} is not {form}", field=field)
    return name, value


def _number(value: str) -> bool | int | float | str:
    """The value in the type that it looks like."""
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
