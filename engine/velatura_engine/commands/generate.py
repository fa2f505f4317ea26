"""`velatura generate` and `velatura depth`: any picture, from words, pictures, masks, depth and hints."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from typing import Any

from velatura import Result, recipe, spec
from velatura.errors import Invalid
from velatura.v1 import diffuse_pb2, jobs_pb2, pixels_pb2

from . import chains, connect, files, preprocess, repaint, texture, watch


def add(commands: Any) -> None:
    """Put both commands on the command line."""
    command = commands.add_parser("generate", help="paint a picture", description=__doc__)
    command.add_argument("prompt", nargs="?", default="", help="what to paint")
    command.add_argument("--depth", metavar="FILE", help="scene depth: .npy in metres, or a picture (see --near)")
    command.add_argument("--replay", metavar="FILE", help="make it again from a PNG that Velatura wrote, or its recipe")
    add_rest(command)
    command = commands.add_parser("depth", help="paint a picture over a scene's depth", description=__doc__)
    command.add_argument("prompt", help="what to paint")
    command.add_argument("depth", metavar="FILE", help="scene depth: .npy in metres, or a picture (see --near)")
    command.set_defaults(replay=None)
    add_rest(command)


def add_rest(command: argparse.ArgumentParser) -> None:
    """The options of every command that paints any picture."""
    command.add_argument("--near", type=float, metavar="M", help="what black means in a depth picture, metres")
    command.add_argument("--far", type=float, metavar="M", help="what white means; without both, white is near")
    command.add_argument(
        "--depth-strength", type=float, metavar="X", help="how strongly to follow it, 0 to 2 (default 1)"
    )
    command.add_argument("--init", metavar="FILE", help="picture to start from")
    command.add_argument("--strength", type=float, metavar="X", help="how far to move from it, 0 to 1")
    command.add_argument("--invert", action="store_true", help="begin with the noise that --init would come from")
    command.add_argument("--mask", metavar="FILE", help="repaint only the white; as large as --init")
    repaint.add_options(command)
    command.add_argument(
        "--control", action="append", default=[], metavar="KIND=FILE", help="hint to follow, such as canny=lines.png"
    )
    command.add_argument(
        "--reference", action="append", default=[], metavar="FILE[:STRENGTH[:ROLE]]",
        help="picture to take after, such as old.png:0.6:style; roles: content (default), style, face",
    )  # fmt: skip
    command.add_argument(
        "--direction", action="append", default=[], metavar="FROM>TO[:STRENGTH]",
        help="change what is said from one thing to another, such as 'red wall|red bricks>blue wall|blue bricks:0.8'",
    )  # fmt: skip
    command.add_argument(
        "--keep-layout",
        type=float,
        metavar="X",
        help="part of the run in which directions leave things in place, 0 to 1",
    )
    preprocess.add_to_controls(command)
    command.add_argument("--vae", metavar="ID", default="", help="another VAE than the model's own, by id")
    command.add_argument(
        "--image-guidance", type=float, metavar="X", help="how much of --init a model keeps that edits, from 1"
    )
    command.add_argument("--width", type=int, help="pixels")
    command.add_argument("--height", type=int, help="pixels")
    command.add_argument("--tile", choices=texture.TILES, default="none", help="edges that meet (default none)")
    chains.add(command)
    texture.add_painting(command)
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Paint; returns the exit code."""
    if not options.prompt and not options.replay:
        raise Invalid("say what to paint, or which picture to make again", field="prompt")
    asked = build(options)
    made = recorded(options.replay) if options.replay else None
    job = asked if made is None else recipe.replay(made)
    with connect.open(options) as engine:
        if made is not None:
            for image in _pictures(asked):  # what it started from, where the engine looks for it
                engine.put_blob(image.data)
        result = watch.follow(engine, job, options)
    if made is not None:
        result = only(result, made)
        for model in replaced(result, made):
            sys.stderr.write(f"Note: {model} is another file now than when this was made; it may look different\n")
    first = job.steps[0].diffuse
    tile = "x" * first.tiling.x + "y" * first.tiling.y
    name = files.slug(options.prompt or first.prompt.text)
    watch.report(result, watch.save(result, options, name=name, tile=tile), options)
    return 0


def build(options: argparse.Namespace) -> jobs_pb2.JobSpec:
    """The job that the options describe."""
    scene = None
    if options.depth:
        scene = files.depth(options.depth, near=options.near, far=options.far, strength=options.depth_strength)
    return chains.build(
        options,
        init=files.picture(options.init, "init") if options.init else None,
        strength=options.strength,
        invert=options.invert,
        mask=files.mask(options.mask) if options.mask else None,
        **repaint.settings(options),
        depth=scene,
        controls=preprocess.prepared([_control(words) for words in options.control], options),
        references=[_reference(words) for words in options.reference],
        directions=[_direction(words, options.keep_layout) for words in options.direction],
        vae=options.vae,
        image_guidance=options.image_guidance,
        width=options.width,
        height=options.height,
        tile="" if options.tile == "none" else options.tile,
        **texture.painting(options),
    )


def _control(words: str) -> diffuse_pb2.Control:
    kind, found, path = words.partition("=")
    if not found or not kind or not path:
        raise Invalid(f"{words!r} is not KIND=FILE, such as canny=lines.png", field="control")
    return diffuse_pb2.Control(kind=kind, image=files.picture(path, "control", data=kind != "reference"))


def _reference(words: str) -> diffuse_pb2.Reference:
    # From the end, because a path may have colons too.
    match = re.fullmatch(r"(.+?)(?::([0-9]*\.?[0-9]+)(?::([a-z]+))?)?", words, re.DOTALL)
    if match is None:
        raise Invalid(f"{words!r} is not FILE[:STRENGTH[:ROLE]], such as old.png:0.6:style", field="reference")
    path, strength, role = match.groups()
    return spec.reference(files.picture(path, "reference"), role or "", float(strength) if strength else None)


def _direction(words: str, keep: float | None) -> diffuse_pb2.Direction:
    match = re.fullmatch(r"([^>]+)>([^>]+?)(?::(-?[0-9]*\.?[0-9]+))?", words, re.DOTALL)
    if match is None:
        raise Invalid(f"{words!r} is not FROM>TO[:STRENGTH], such as 'red wall>blue wall:0.8'", field="direction")
    source, target = ([phrase.strip() for phrase in side.split("|")] for side in match.groups()[:2])
    return spec.direction(source, target, float(match[3]) if match[3] else None, keep_layout=keep)


def recorded(path: str) -> jobs_pb2.Recipe:
    """The recipe in a file: a PNG, or its JSON. Raises Invalid."""
    content = files.read(path, "replay")
    found = recipe.read(content) if files.is_png(content) else _recipe_of(content)
    if found is None:
        remedy = "Give a PNG that Velatura wrote, or the .json beside it."
        raise Invalid(f"{path} holds no recipe", field="replay", remedy=remedy)
    return found


def only(result: Result, made: jobs_pb2.Recipe) -> Result:
    """A replay's result with nothing but the picture that the recipe is of; all of it where none is named.

    The others are painted with it because the last bits of a picture depend on how many are painted at once.
    """
    wanted = (made.step_id, made.index)
    same = tuple(artifact for artifact in result.artifacts if (artifact.step_id, artifact.index) == wanted)
    return replace(result, artifacts=same or result.artifacts)


def replaced(result: Result, made: jobs_pb2.Recipe) -> list[str]:
    """Ids of the models whose content is not what it was for the recipe."""
    now = {used.id: used.sha256 for artifact in result.artifacts for used in artifact.recipe.models}
    return [used.id for used in made.models if now.get(used.id, used.sha256) != used.sha256]


def _recipe_of(content: bytes) -> jobs_pb2.Recipe:
    try:
        return recipe.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise Invalid("this is neither a PNG nor a recipe", field="replay") from None


def _pictures(job: jobs_pb2.JobSpec) -> list[pixels_pb2.Image]:
    asked = job.steps[0].diffuse
    found = [asked.init.image, asked.mask.image, asked.depth.image, *(control.image for control in asked.controls)]
    found += [one.image for one in asked.references]
    return [image for image in found if image.data]
