"""`velatura tileset`: tiles of one material that fit beside each other in any order."""

from __future__ import annotations

import argparse
from typing import Any

from velatura import Engine, tiles

from . import connect, files, texture, watch

COUNT = 4
NATIVE = 512
"""Side of a tile of a model that does not say what suits it, pixels."""


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser(
        "tileset", help="paint tiles that fit beside each other in any order", description=__doc__
    )
    command.add_argument("prompt", help='what they are made of, such as "mossy cobblestone"')
    command.add_argument("--size", metavar="N|WxH", help="pixels of a tile (default: the model's own)")
    command.add_argument("--tile", choices=("xy", "x", "y"), default="xy", help="edges that meet (default xy)")
    command.add_argument("--band", type=int, metavar="N", help="pixels along them that all share (default: 1/16)")
    command.add_argument("--strength", type=float, default=0.8, metavar="X", help="how much they differ (default 0.8)")
    texture.add_painting(command)
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Paint them; `--count` is 4 where it is not given. Returns the exit code."""
    said = texture.painting(options)
    count = COUNT if said.pop("count") is None else options.count
    with connect.open(options) as engine:
        size = texture.size(options.size) if options.size is not None else native(engine, options.model)
        job = tiles.tile_set(
            options.prompt, count, size=size, band=options.band, tile=options.tile, strength=options.strength, **said
        )
        result = watch.follow(engine, job, options)
    name = files.slug(options.prompt)
    written = watch.save(result, options, name=name)
    (path,) = files.place(options.out, f"{name}-{written[0]['seed']}", "-mixed.png")
    files.write(path, files.mixed([image.data for image in result.images], options.tile))
    written[0]["preview"] = str(path)
    watch.report(result, written, options)
    return 0


def native(engine: Engine, model: str) -> int:
    """Side that suits a model best, pixels; "" is the engine's default."""
    known = engine.catalog().models
    return next((each.native_size for each in known if each.id == model or (not model and each.is_default)), NATIVE)
