"""`velatura mesh`: a mesh of a picture and its depth, with the picture on it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from velatura import recipe, spec
from velatura.errors import Invalid

from . import connect, files, watch

FORMATS = ("glb", "ply")


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("mesh", help="make a mesh of a picture and its depth", description=__doc__)
    command.add_argument("--init", required=True, metavar="FILE", help="the picture, which becomes the texture")
    command.add_argument(
        "--depth", metavar="FILE", help=".npy in metres, or a picture (see --near); default: estimated by a model"
    )
    command.add_argument("--near", type=float, metavar="M", help="what black means in a depth picture, metres")
    command.add_argument("--far", type=float, metavar="M", help="what white means; without both, white is near")
    command.add_argument("--fov", type=float, metavar="DEG", help="field of view along the longer side (default 50)")
    command.add_argument(
        "--nearest", type=float, metavar="M", help="relative depth: how far the nearest is (default 1)"
    )
    command.add_argument(
        "--relief", type=float, metavar="X", help="relative depth: the farthest in times of the nearest (default 5)"
    )
    command.add_argument(
        "--jump", type=float, metavar="X", help="change of distance that cuts the mesh, as a part of it (default 0.05)"
    )
    command.add_argument("--max-triangles", type=int, metavar="N", help="fewer where it is flat (default: no limit)")
    command.add_argument("--format", choices=FORMATS, help="default: as --out ends, else glb")
    command.add_argument("--out", default=".", metavar="FOLDER|FILE", help="where to (default: here); never overwrites")
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the mesh; returns the exit code."""
    ending = Path(options.out).suffix.lower().lstrip(".")
    if options.format and ending in FORMATS and options.format != ending:
        raise Invalid(f"{options.out} does not end in .{options.format}", field="out", remedy="Leave --format out.")
    scene = None
    if options.depth:
        scene = files.depth(options.depth, near=options.near, far=options.far, strength=None)
        scene.ClearField("near")  # they said what the numbers of a picture mean, and a mesh needs no more
        scene.ClearField("far")
    job = spec.relief(
        files.picture(options.init, "init"),
        scene,
        format=options.format or (ending if ending in FORMATS else ""),
        field_of_view=options.fov,
        nearest=options.nearest,
        relief=options.relief,
        jump=options.jump,
        max_triangles=options.max_triangles,
    )
    with connect.open(options) as engine:
        result = watch.follow(engine, job, options)
    made = result.artifacts[0]
    path, card = files.place(options.out, f"{Path(options.init).stem}-mesh", f".{made.name}", f"-{made.name}.json")
    files.write(path, made.file)
    told = {"vertices": int(made.scores["vertices"]), "triangles": int(made.scores["triangles"])}
    written = {"file": path.name, **told, "recipe": json.loads(recipe.dumps(made.recipe))}
    files.write(card, (json.dumps(written, indent=2, ensure_ascii=False) + "\n").encode())
    if options.json:
        document = {"job_id": result.job_id, "path": str(path), "card": str(card), **written}
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{path}\n{told['vertices']} vertices, {told['triangles']} triangles; recipe in {card}\n")
    return 0
