"""`velatura explore`: one job painted many times, a knob or two apart, as a labelled sheet and a folder to browse."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from velatura import Engine
from velatura import explore as exploring
from velatura.errors import Invalid
from velatura.v1 import catalog_pb2

from . import connect, files, generate, watch

VALUES = """values:
  euler,ddim          words or numbers with commas between them; "quotes" around one that holds a comma
  1..4                by ones, both ends among them; 5..50+5 by fives, 9..1-2 downwards, 0.2..0.8[4] four in all

names:
  sampler, schedule, steps, guidance, seed, strength, model, size, ...; a sampler's knob (velatura list samplers);
  any path of the contract, such as sampling.eta or controls[0].strength;
  "prompt S/R": the first value is looked for in the prompt, and every value takes its place in turn

Cells that are in the folder are not painted again. A cell that fails says why, and the others go on."""


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser(
        "explore",
        help="paint a grid of pictures, a knob or two apart",
        description=__doc__,
        epilog=VALUES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("prompt", nargs="?", default="", help="what to paint")
    group = command.add_argument_group("axes")
    group.add_argument("--x", metavar="NAME=VALUES", help="what changes from left to right")
    group.add_argument("--y", metavar="NAME=VALUES", help="what changes from top to bottom")
    group.add_argument("--z", metavar="NAME=VALUES", help="what changes from table to table")
    group.add_argument("--matrix", metavar="PROMPT", help="a | b | c: a always, b and c in every combination")
    command.add_argument("--depth", metavar="FILE", help="scene depth: .npy in metres, or a picture (see --near)")
    generate.add_rest(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Paint the grid; returns the exit code: 0 also where cells failed, 4 where all did."""
    if bool(options.prompt) == bool(options.matrix):
        raise Invalid("say what to paint: a prompt, or a matrix in its place", field="prompt")
    with connect.open(options) as engine:
        grid = build(options, engine.catalog())
        grid.check(engine)
        outcome = _follow(engine, grid, options)
    _report(grid, outcome, options)
    failed = [made for made in outcome.made if made.state == "failed"]
    return 4 if len(failed) == len(outcome.made) else 0


def build(options: argparse.Namespace, catalog: catalog_pb2.Catalog) -> exploring.Grid:
    """The grid that the options describe. Raises Invalid or NotFound, naming the option."""
    axes = {letter: _axis(getattr(options, letter), letter, catalog) for letter in "xyz"}
    if options.matrix:
        if axes["x"] or axes["y"]:
            raise Invalid("a matrix takes x and y", field="matrix", remedy="Use --z for another axis.")
        options.prompt, axes["x"], axes["y"] = exploring.matrix(options.matrix)
    if axes["x"] is None:
        raise Invalid("nothing changes from picture to picture", field="x", remedy="Give --x NAME=VALUES.")
    return exploring.Grid(generate.build(options), axes["x"], axes["y"], axes["z"])


def _axis(words: str | None, letter: str, catalog: catalog_pb2.Catalog) -> exploring.Axis | None:
    if words is None:
        return None
    name, found, values = words.partition("=")
    if not found:
        raise Invalid(f"{words!r} is not NAME=VALUES, such as steps=5,10,20", field=letter)
    return exploring.axis(name, values, catalog=catalog, field=letter)


def _follow(engine: Engine, grid: exploring.Grid, options: argparse.Namespace) -> exploring.Outcome:
    folder = Path(options.out) if options.out != "." else Path(f"explore-{files.slug(options.prompt)}")
    bar = watch.Bar(sys.stderr, quiet=options.quiet)
    running = exploring.start(engine, grid, folder)
    try:
        while not running.done:
            for event in running.poll():
                _show(bar, grid, event)
            running.wait(0.05)
        for event in running.poll():
            _show(bar, grid, event)
    except KeyboardInterrupt:
        running.cancel()
        running.wait(15.0)
        raise
    finally:
        bar.close()
    return running.result()


def _show(bar: watch.Bar, grid: exploring.Grid, event: exploring.Event) -> None:
    bar.part(event.fraction, f"picture {event.done}/{event.total}")
    if event.made is not None and event.made.state == "failed":
        bar.say(f"Failed: {_place(grid, event.made)}: {event.made.why}")


def _place(grid: exploring.Grid, made: Any) -> str:
    return ", ".join(f"{axis.name} {axis.labels[getattr(made, letter)]}" for letter, axis in grid.axes)


def _report(grid: exploring.Grid, outcome: exploring.Outcome, options: argparse.Namespace) -> None:
    counts = {state: outcome.count(state) for state in ("painted", "kept", "failed")}
    if options.json:
        cells = [
            {"state": made.state, "seed": made.seed}
            | {axis.name: axis.labels[getattr(made, letter)] for letter, axis in grid.axes}
            | ({"picture": str(outcome.folder / made.file)} if made.file else {"why": made.why})
            for made in outcome.made
        ]
        document = {"sheet": str(outcome.sheet), "page": str(outcome.page), "cells": cells} | counts
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    sys.stdout.write(f"{outcome.page}  ({said}; also {outcome.sheet.name})\n")
