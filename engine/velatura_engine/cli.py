"""The program `velatura`: reads the command line, runs a command, and turns its errors into words and exit codes.

Exit codes: 0 done, 2 wrong usage or input, 3 not found, 4 not possible, 5 no engine to talk to, 6 busy, 7 out of
memory, 8 the job was cancelled, 9 it took too long, 70 the engine's own fault, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from velatura import errors
from velatura.version import VERSION

from .commands import (
    connect,
    doctor,
    explore,
    generate,
    importing,
    listing,
    material,
    mesh,
    preprocess,
    stop,
    texture,
    tileset,
    upscale,
)
from .worker.launch import Launched

EXIT_CODES: tuple[tuple[type[errors.VelaturaError], int], ...] = (
    (errors.Invalid, 2),
    (errors.NotFound, 3),
    (errors.Unsupported, 4),
    (errors.Unreachable, 5),
    (errors.Unauthenticated, 5),
    (errors.Incompatible, 5),
    (errors.Busy, 6),
    (errors.OutOfMemory, 7),
    (errors.Cancelled, 8),
    (errors.Timeout, 9),
)
BROKEN = 70
INTERRUPTED = 130

EXAMPLES = """examples:
  velatura texture "red brick wall"
  velatura texture "mossy cobblestone" --size 512 --count 4 --out textures
  velatura tileset "mossy cobblestone" --count 4 --out textures
  velatura depth "stone floor" depth.npy --out room.png
  velatura generate "oak planks" --init sketch.png --strength 0.6
  velatura generate "moss" --hires 2 --hires-strength 0.5
  velatura upscale wall.png --factor 2 --prompt "old brick wall"
  velatura seamless photo.png "pebbles"
  velatura material wall.png --tile xy --out materials
  velatura mesh --init photo.jpg --depth near-is-white.png --max-triangles 50000 --out photo.glb
  velatura generate --replay textures/mossy-cobblestone-7.png
  velatura generate "oak planks" --control canny=photo.png --preprocess canny=canny
  velatura preprocess canny photo.png --out lines.png --knob low=50
  velatura generate "a stone <lora:rust:0.7>" --adapter glaze:0.5
  velatura import easynegative.pt
  velatura explore "red brick wall" --x sampler=euler,ddim --y steps=5..20+5
  velatura list models
  velatura doctor

Needs an engine; where none runs on this computer, one is started and ends after 15 minutes without work.
Exit codes: 0 done, 2 wrong input, 3 not found, 4 not possible, 5 no engine, 6 busy, 7 out of memory, 8 cancelled,
9 took too long, 70 the engine's own fault, 130 interrupted."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="velatura",
        description="Paints pictures and seamless textures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"velatura {VERSION}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the engine in this terminal (velatura serve --help)", add_help=False)
    for module in (
        texture, tileset, generate, upscale, material, mesh, preprocess, explore, listing, importing, doctor, stop,
    ):  # fmt: skip
        module.add(commands)
    return whole


def main(argv: Sequence[str] | None = None, launched: Launched | None = None) -> int:
    """Run a command; returns the exit code. `launched` is a worker's process for `serve` that waits for its options."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:
        from .server.serve import main as serve  # gRPC's server takes a while to import; only this command needs it

        return serve(arguments[1:], launched)
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except errors.VelaturaError as trouble:
        return _complain(trouble, options)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED


def exit_code(trouble: errors.VelaturaError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(trouble, kind)), BROKEN)


def _complain(trouble: errors.VelaturaError, options: argparse.Namespace) -> int:
    code = exit_code(trouble)
    if getattr(options, "json", False):
        json.dump({"error": _facts(trouble), "exit_code": code}, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    sys.stderr.write(f"velatura: {connect.plain(trouble)}\n")
    return code


def _facts(trouble: errors.VelaturaError) -> dict[str, Any]:
    return {
        "kind": type(trouble).__name__,
        "reason": trouble.reason,
        "message": trouble.message,
        "field": trouble.field,
        "remedy": trouble.remedy,
        "suggestions": list(trouble.suggestions),
        "retry_after": trouble.retry_after,
        "text": connect.plain(trouble),
    }
