"""`velatura texture`: a picture that repeats without a seam."""

from __future__ import annotations

import argparse
from typing import Any

from velatura import spec
from velatura.errors import Invalid
from velatura.v1 import diffuse_pb2

from . import connect, files, watch

TILES = ("xy", "x", "y", "none")


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("texture", help="paint a seamless texture", description=__doc__)
    command.add_argument("prompt", help='what it is made of, such as "red brick wall"')
    command.add_argument("--size", metavar="N|WxH", help="pixels, such as 512 or 512x256 (default: the model's own)")
    command.add_argument("--tile", choices=TILES, default="xy", help="edges that meet: x = left and right (default xy)")
    add_painting(command)
    connect.add_options(command)
    command.set_defaults(run=run)


def add_painting(command: argparse.ArgumentParser) -> None:
    """The options that every painting command has."""
    command.add_argument("--negative", default="", metavar="WORDS", help="what to avoid")
    command.add_argument("--model", default="", metavar="ID", help="from `velatura list models`")
    command.add_argument("--seed", type=int, help="the same seed gives the same picture (default: drawn)")
    command.add_argument("--count", type=int, help="pictures, seeds counting up (default 1)")
    command.add_argument("--every", action="store_true", help="a picture of every prompt that {a|b} and __name__ allow")
    command.add_argument("--steps", type=int, help="more is finer and slower (default: the model's own)")
    command.add_argument("--sampler", default="", metavar="NAME", help="from `velatura list samplers`")
    command.add_argument("--schedule", default="", metavar="NAME", help="spacing of the noise levels")
    command.add_argument("--guidance", type=float, help="how closely to follow the words, 0 to 100")
    command.add_argument(
        "--cache-interval",
        type=int,
        metavar="N",
        help="whole steps, 1 = each; more is faster (default: the model's own)",
    )
    command.add_argument(
        "--adapter", action="append", default=[], metavar="ID[:WEIGHT[:TEXT]]",
        help="LoRA or hypernetwork to wear, such as rust:0.7; TEXT is its weight on the words (default: WEIGHT)",
    )  # fmt: skip
    command.add_argument("--force-adapters", action="store_true", help="also those that were made for another base")
    command.add_argument("--out", default=".", metavar="FOLDER|FILE", help="where to (default: here); never overwrites")


def painting(options: argparse.Namespace) -> dict[str, Any]:
    """Those options as arguments for `velatura.spec`."""
    names = (
        "negative",
        "model",
        "seed",
        "count",
        "steps",
        "sampler",
        "schedule",
        "guidance",
        "cache_interval",
        "every",
    )
    worn = [_adapter(words, options.force_adapters) for words in options.adapter]
    return {name: getattr(options, name) for name in names} | {"adapters": worn}


def _adapter(words: str, force: bool) -> diffuse_pb2.Adapter:
    name, *weights = words.split(":")
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        numbers = [0.0] * 3
    if not name or len(numbers) > 2:
        raise Invalid(f"{words!r} is not ID, ID:WEIGHT or ID:WEIGHT:TEXT, such as rust:0.7", field="adapter")
    return spec.adapter(name, *numbers, force=force)


def run(options: argparse.Namespace) -> int:
    """Paint; returns the exit code."""
    tile = "" if options.tile == "none" else options.tile
    width, height = size(options.size) if options.size is not None else (None, None)
    job = spec.diffuse(options.prompt, width=width, height=height, tile=tile, **painting(options))
    with connect.open(options) as engine:
        result = watch.follow(engine, job, options)
    watch.report(result, watch.save(result, options, name=files.slug(options.prompt), tile=tile), options)
    return 0


def size(words: str) -> tuple[int, int]:
    """Width and height of "256" or "512x256". Raises Invalid."""
    try:
        sides = [int(part) for part in words.lower().split("x")]
        width, height = sides * 2 if len(sides) == 1 else sides
    except ValueError:
        raise Invalid(f"{words!r} is not a size such as 256 or 512x256", field="size") from None
    return width, height
