"""`velatura upscale` and `velatura seamless`: pictures that are there, made larger, or made to repeat."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from velatura import spec
from velatura.errors import Invalid

from . import chains, connect, files, texture, watch


def add(commands: Any) -> None:
    """Put both commands on the command line."""
    command = commands.add_parser("upscale", help="make a picture larger", description=__doc__)
    command.add_argument("picture", metavar="FILE", help="what to make larger")
    command.add_argument("--factor", type=float, default=2.0, metavar="X", help="how many times, to 8 (default 2)")
    command.add_argument("--prompt", default="", metavar="WORDS", help="paint detail into it; without: enlarge only")
    command.add_argument("--strength", type=float, default=0.3, metavar="X", help="how far to paint (default 0.3)")
    command.add_argument("--tile", choices=texture.TILES, default="none", help="edges that meet (default none)")
    chains.add_enlarging(command)
    _finish(command, upscale)
    command = commands.add_parser("seamless", help="make the edges of a picture meet", description=__doc__)
    command.add_argument("picture", metavar="FILE", help="what is to repeat; its middle stays as it is")
    command.add_argument("prompt", help="what it shows")
    command.add_argument("--tile", choices=texture.TILES[:3], default="xy", help="edges that are to meet (default xy)")
    command.add_argument("--band", type=int, default=64, metavar="N", help="repaint N pixels along them (default 64)")
    command.add_argument("--strength", type=float, metavar="X", help="how far to paint (default 1)")
    _finish(command, seamless)


def _finish(command: argparse.ArgumentParser, run: Any) -> None:
    texture.add_painting(command)
    connect.add_options(command)
    command.set_defaults(run=run)


def upscale(options: argparse.Namespace) -> int:
    """Enlarge, and paint if there are words; returns the exit code."""
    tile = "" if options.tile == "none" else options.tile
    image = files.picture(options.picture, "picture")
    shape: dict[str, Any] = {"factor": options.factor, "upscaler": options.upscaler, "tile": tile}
    if options.prompt:
        job = spec.enlarge(
            image, options.prompt, strength=options.strength, windows=chains.windows(options),
            vae_tile=options.vae_tile, **shape, **texture.painting(options),
        )  # fmt: skip
    else:
        job = spec.upscale(image, **shape)
    return _run(job, options, f"{Path(options.picture).stem}-large", tile, seeded=bool(options.prompt))


def seamless(options: argparse.Namespace) -> int:
    """Mend the edges of a picture; returns the exit code."""
    if not options.prompt:
        raise Invalid("say what it shows", field="prompt")
    image = files.picture(options.picture, "picture")
    job = spec.make_seamless(
        image, options.prompt, band=options.band, tile=options.tile, strength=options.strength,
        **texture.painting(options),
    )  # fmt: skip
    return _run(job, options, f"{Path(options.picture).stem}-seamless", options.tile, seeded=True)


def _run(job: Any, options: argparse.Namespace, name: str, tile: str, *, seeded: bool) -> int:
    with connect.open(options) as engine:
        result = watch.follow(engine, job, options)
    watch.report(result, watch.save(result, options, name=name, tile=tile, seeded=seeded), options)
    return 0
