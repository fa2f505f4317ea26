"""Options of `velatura generate` that turn one painting into several steps, or vary its noise."""

from __future__ import annotations

import argparse
from typing import Any

from velatura import spec
from velatura.errors import Invalid
from velatura.v1 import diffuse_pb2, jobs_pb2

from . import texture


def add(command: argparse.ArgumentParser) -> None:
    """Put them on a command."""
    command.add_argument("--variation", type=float, metavar="X", help="how far toward another seed's picture, 0 to 1")
    command.add_argument("--subseed", type=int, metavar="N", help="that other seed (default: drawn)")
    command.add_argument("--seed-size", metavar="N|WxH", help="draw the noise at this size, to keep its composition")
    command.add_argument("--hires", type=float, metavar="FACTOR", help="paint small, enlarge, and paint over it")
    command.add_argument("--hires-strength", type=float, metavar="X", help="how far the second time (default 0.5)")
    command.add_argument("--loopback", type=int, metavar="N", help="paint over the picture N times")
    command.add_argument(
        "--loopback-change", type=float, metavar="X", help="strength of each round in parts of the last one's (1)"
    )
    command.add_argument("--mend", type=int, metavar="N", help="repaint only N pixels along the edges of --tile")
    add_enlarging(command)


def add_enlarging(command: argparse.ArgumentParser) -> None:
    """What enlarging needs, in every command that does."""
    command.add_argument("--upscaler", default="", metavar="NAME", help="from `velatura list upscalers`")
    command.add_argument(
        "--window", type=int, metavar="N", help="paint through windows of N pixels, 0: the model's own"
    )
    command.add_argument("--vae-tile", type=int, metavar="N", help="let the autoencoder see N pixels at once, 0: all")
    command.add_argument("--overlap", type=int, metavar="N", help="of neighbouring windows, pixels (default a quarter)")


def windows(options: argparse.Namespace) -> diffuse_pb2.Windows | None:
    """The windows that are asked for, if any. Raises Invalid."""
    if options.window is None:
        if options.overlap is not None:
            raise Invalid("overlap is of windows, and there are none", field="overlap", remedy="Give --window too.")
        return None
    return diffuse_pb2.Windows(size=options.window or None, overlap=options.overlap)


def build(options: argparse.Namespace, **asked: Any) -> jobs_pb2.JobSpec:
    """The job that the options describe; `asked` as for `velatura.spec.diffuse`. Raises Invalid."""
    asked["variation"], asked["vae_tile"] = _variation(options), options.vae_tile
    if options.hires is not None and options.loopback is not None:
        raise Invalid("hires and loopback do not go together", field="hires", remedy="Leave one of them out.")
    if options.hires is not None:
        if options.init or options.mask or options.mend:
            remedy = "Use `velatura upscale` for a picture that is there."
            raise Invalid("hires begins with words alone", field="hires", remedy=remedy)
        for name in ("init", "strength", "invert", "mask"):
            asked.pop(name)
        strength = 0.5 if options.hires_strength is None else options.hires_strength
        asked["count"] = asked["count"] or 1
        return spec.hires(
            options.prompt, factor=options.hires, strength=strength, upscaler=options.upscaler,
            windows=windows(options), **asked,
        )  # fmt: skip
    asked["windows"] = windows(options)
    if options.loopback is not None:
        if options.mask or options.mend:
            raise Invalid("loopback paints over the whole picture", field="loopback", remedy="Leave the mask out.")
        asked.pop("mask")
        if asked["strength"] is None:
            asked.pop("strength")
        change = 1.0 if options.loopback_change is None else options.loopback_change
        return spec.loopback(options.prompt, options.loopback, change=change, **asked)
    return spec.diffuse(options.prompt, mend=options.mend, **asked)


def _variation(options: argparse.Namespace) -> diffuse_pb2.Variation | None:
    if options.variation is None and options.subseed is None and options.seed_size is None:
        return None
    width, height = texture.size(options.seed_size) if options.seed_size else (None, None)
    return diffuse_pb2.Variation(
        subseed=options.subseed, strength=options.variation, seed_width=width, seed_height=height
    )
