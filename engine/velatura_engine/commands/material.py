"""`velatura material`: albedo, normal, height, roughness, metallic and occlusion of a picture of a surface."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

from velatura import Result, pixels, recipe, spec
from velatura.v1 import pixels_pb2

from . import connect, files, texture, watch

ORM = ("occlusion", "roughness", "metallic")
"""What glTF packs into red, green and blue of one picture."""


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("material", help="make material maps of a picture", description=__doc__)
    command.add_argument("picture", metavar="FILE", help="what it looks like, seen from straight above")
    command.add_argument("--maps", default="", metavar="NAMES", help="such as normal,height (default: all six)")
    command.add_argument(
        "--model",
        default="",
        metavar="NAME",
        help="from `velatura list materials` (default: the network, or rules of thumb)",
    )
    command.add_argument("--tile", choices=texture.TILES, default="none", help="edges that meet (default none)")
    command.add_argument("--directx", action="store_true", help="green of the normals points down (Unreal); else up")
    command.add_argument("--orm", action="store_true", help="also occlusion, roughness and metallic as glTF packs them")
    command.add_argument("--out", default=".", metavar="FOLDER|FILE", help="where to (default: here); never overwrites")
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the maps; returns the exit code."""
    wanted = [name.strip() for name in options.maps.split(",") if name.strip()]
    asked = [*wanted, *(name for name in ORM if options.orm and wanted and name not in wanted)]
    tile = "" if options.tile == "none" else options.tile
    image = files.picture(options.picture, "picture")
    job = spec.material(image, *asked, model=options.model, y_down=options.directx, tile=tile)
    with connect.open(options) as engine:
        result = watch.follow(engine, job, options)
    _report(result, _save(result, options), options)
    return 0


def _save(result: Result, options: argparse.Namespace) -> dict[str, Any]:
    """Write every map, and one file that says what is what; returns that."""
    made = {artifact.name: artifact for artifact in result.artifacts}
    names = [*made, *(["orm"] if options.orm else [])]
    stem = Path(options.picture).stem
    card, *paths = files.place(options.out, stem, "-material.json", *(f"-{name}.png" for name in names))
    told: dict[str, Any] = {}
    for name, path in zip(names, paths, strict=True):
        content = _packed(made) if name == "orm" else pixels.to_png(made[name].image)
        files.write(path, content)
        srgb = name in made and made[name].image.color_space == pixels_pb2.COLOR_SPACE_SRGB
        told[name] = {"file": path.name, "color_space": "sRGB" if srgb else "linear"}
        if name == "normal":
            told[name]["convention"] = "DirectX" if options.directx else "OpenGL"
        elif name == "height":
            told[name]["relief"] = round(made[name].scores["relief"], 4)  # pixels from black to white
    first = next(iter(made.values()))
    written = {"maps": told, "tile": options.tile, "recipe": json.loads(recipe.dumps(first.recipe))}
    files.write(card, (json.dumps(written, indent=2, ensure_ascii=False) + "\n").encode())
    return {"card": str(card), "pictures": [str(path) for path in paths], **written}


def _packed(made: dict[str, Any]) -> bytes:
    """Occlusion, roughness and metallic in one picture."""
    from PIL import Image

    bands = [Image.open(io.BytesIO(pixels.to_png(made[name].image))).convert("L") for name in ORM]
    buffer = io.BytesIO()
    Image.merge("RGB", bands).save(buffer, "PNG")
    return buffer.getvalue()


def _report(result: Result, written: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        document = {"job_id": result.job_id, **written, "timings": dict(result.finished.timings)}
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    for path in written["pictures"]:
        sys.stdout.write(f"{path}\n")
    sys.stdout.write(f"What is what stands in {written['card']}\n")
