"""The options that say how new pixels meet old ones, and by how much the canvas grows."""

from __future__ import annotations

import argparse
from typing import Any

from velatura import spec
from velatura.errors import Invalid

FILLS = ("original", "surroundings", "neutral", "noise")
SIDES = ("left", "top", "right", "bottom")


def add_options(command: argparse.ArgumentParser) -> None:
    """Put them on a command."""
    command.add_argument(
        "--outpaint", metavar="SIDE=N,…", help="grow the canvas of --init, such as left=64,right=64, pixels"
    )
    command.add_argument("--fill", choices=FILLS, help="what stands under the mask before painting")
    command.add_argument("--grow", type=int, metavar="N", help="grow the mask, pixels")
    command.add_argument("--feather", type=int, metavar="N", help="soften its edge outward, pixels")
    command.add_argument("--context", type=int, metavar="N", help="paint only the mask and this much around, pixels")
    command.add_argument(
        "--color-match", action=argparse.BooleanOptionalAction, default=None,
        help="match the new pixels to the ones around (default: only with --outpaint)",
    )  # fmt: skip
    command.add_argument(
        "--layer", action="store_true", help="give the new pixels alone, with alpha; says where they belong"
    )


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Those options as arguments for `velatura.spec.diffuse`. Raises Invalid."""
    asked = {
        "fill": options.fill or "", "grow": options.grow, "feather": options.feather, "context": options.context,
        "color_match": options.color_match, "layer": options.layer,
    }  # fmt: skip
    found: dict[str, Any] = {}
    if any(value not in (None, "", False) for value in asked.values()) or options.color_match is False:
        found["inpaint"] = spec.inpaint(**asked)
    if options.outpaint is not None:
        found["outpaint"] = spec.outpaint(**margins(options.outpaint))
    return found


def margins(words: str) -> dict[str, int]:
    """Pixels by side, of "left=64,right=64" or "64" for every side. Raises Invalid."""
    try:
        if "=" not in words:
            return dict.fromkeys(SIDES, _pixels(words))
        found = dict(part.strip().split("=") for part in words.split(","))
        if set(found) <= set(SIDES) and len(found) == words.count(",") + 1:
            return {side: _pixels(value) for side, value in found.items()}
    except ValueError:
        pass
    raise Invalid(f"{words!r} is not SIDE=PIXELS, such as left=64,right=64", field="outpaint")


def _pixels(word: str) -> int:
    value = int(word)
    if not 0 <= value <= 8192:
        raise ValueError(word)
    return value
