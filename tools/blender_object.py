"""A whole object from several views, with the add-on's own operators and a running engine: renders from both sides.

    .venv-blender/bin/python tools/blender_object.py --out out/object [--engine host:port --token secret]

Needs the `bpy` package. Textures a monkey's head, renders it from the front and from behind, before and
after, and blends its views again. Writes those renders, the views and object.blend.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import blender_demo as demo
import bpy
import environments
import velatura_blender
from velatura import discovery
from velatura_blender import views


def build() -> bpy.types.Object:
    """A monkey's head on nothing, lit from the left."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    monkey = demo.add("monkey", "Suzanne", (0, 0, 0), size=2.0)
    monkey.modifiers.new("Subdivision", "SUBSURF").levels = 2
    monkey.modifiers[0].render_levels = 2
    monkey.data.shade_smooth()
    demo.light()
    bpy.context.scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.9
    return monkey


SIDES = {"front": (1.8, -4.6, 1.4), "behind": (-2.6, 4.2, 1.6)}


def look(out: Path, name: str, chosen: argparse.Namespace) -> None:
    """Render from both sides."""
    for side, where in SIDES.items():
        demo.look_from(where, (0, 0, 0))
        demo.render(out / f"{name}-{side}.png", chosen.width, chosen.samples)


def main(chosen: argparse.Namespace) -> None:
    """The whole demonstration."""
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if chosen.engine:
        os.environ["VELATURA_ENGINE"], os.environ["VELATURA_TOKEN"] = chosen.engine, chosen.token
    else:
        program = environments.program(environments.ROOT / ".venv", "velatura")
        discovery.start(program=str(program) if program.exists() else "", wait=180)
    velatura_blender.register()
    monkey = build()
    look(out, "before", chosen)
    demo.select([monkey])
    more = {"seed": chosen.seed, "steps": chosen.steps, "size": chosen.size, "wait": True}
    demo.timed(
        "object", lambda: bpy.ops.velatura.texture_object(
            prompt=chosen.prompt, views=chosen.views, texture_size=chosen.texture, **more
        )
    )  # fmt: skip
    look(out, "after", chosen)
    for view in views.run_of(monkey, bpy.context.scene).views:
        view.image.filepath_raw, view.image.file_format = str(out / f"{view.name}.png"), "PNG"
        view.image.save()
    demo.timed("again", lambda: bpy.ops.velatura.reblend(sharpness=6.0, texture_size=2048, wait=True))
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "object.blend"))
    velatura_blender.unregister()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = demo.options(__doc__, size=256, width=480)
    parser.add_argument("--prompt", default="yellow brick wall", help="what it is made of")
    parser.add_argument("--views", type=int, default=8, help="how many at most, 4 to 10")
    parser.add_argument("--texture", type=int, default=1024, help="side of the texture, pixels")
    return parser.parse_args()


if __name__ == "__main__":
    demo.run(main, arguments())
