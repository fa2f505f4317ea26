"""A part of a texture changed by a painted mask and by selected faces, with the add-on's own operators and an engine.

    .venv-blender/bin/python tools/blender_local.py --out out/local [--engine host:port --token secret]

Needs the `bpy` package. Textures a wall and a column and spills ink over the wall. A painted mask has the ink repaired
as it is seen from the camera; selected faces of the column become something else in the texture. Renders each state,
with mask and faces shown in white, joins the renders into local.jpg, and writes local.blend.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import blender_demo as demo
import bpy
import environments
import numpy as np
import velatura_blender
from velatura import discovery
from velatura_blender import canvas, place

TEXTURE = 256  # pixels, side of the textures


def build() -> tuple[bpy.types.Object, bpy.types.Object]:
    """A wall, and a column before it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    wall = demo.add("plane", "Wall", (0, 1.2, 2), size=4)
    wall.rotation_euler = (math.radians(90), 0, 0)
    column = demo.add("cube", "Column", (1.05, 0, 2), size=1)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide(number_cuts=3)
    bpy.ops.object.mode_set(mode="OBJECT")
    column.scale = (1, 1, 4)
    bpy.ops.object.transform_apply(location=False, rotation=False)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.uv.smart_project(angle_limit=1.15192, island_margin=0.02)
    bpy.ops.object.mode_set(mode="OBJECT")
    demo.look_from((-1.6, -6.4, 2.4), (0.1, 0.6, 2.0))
    demo.light()
    bpy.context.scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.9
    return wall, column


def blot(side: int, wider: float = 0.0) -> np.ndarray:
    """Three soft dabs of a brush (side, side) 0..1, each `wider` than the ink by a part of the side."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    dabs = [(0.30, 0.42, 0.12), (0.41, 0.52, 0.10), (0.30, 0.60, 0.07)]
    return np.max([np.clip((r + wider - np.hypot(x - u, y - v)) / 0.03, 0, 1) for u, v, r in dabs], 0)


def spill(wall: bpy.types.Object) -> None:
    """Ink over the wall's image, as if somebody had painted it."""
    image = canvas.canvas_of(wall).image
    given = np.empty(TEXTURE * TEXTURE * 4, np.float32)
    image.pixels.foreach_get(given)
    colors = given.reshape(TEXTURE, TEXTURE, 4)
    share = blot(TEXTURE)[::-1, :, None]
    colors[..., :3] = colors[..., :3] * (1 - share) + np.array([0.04, 0.05, 0.12]) * share
    image.pixels.foreach_set(given)
    image.update()
    image.pack()


def show(thing: bpy.types.Object, marked: np.ndarray, path: Path, chosen: argparse.Namespace) -> None:
    """Render an object with a part (H, W) 0..1 of its texture in white; it then looks as before."""
    found = canvas.canvas_of(thing)
    worn = [(slot.link, slot.material) for slot in thing.material_slots]
    white = np.full((*marked.shape, 3), 255, np.uint8)
    made = canvas.copy_with(found.image, white, 0.8 * marked, "")
    canvas.wear(thing, found.material, found.image, made)
    demo.render(path, chosen.width, chosen.samples)
    for slot, (link, material) in zip(thing.material_slots, worn, strict=True):
        slot.link, slot.material = link, material


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
    wall, column = build()
    more = {"seed": chosen.seed, "steps": chosen.steps, "wait": True}
    demo.select([wall])
    demo.timed("wall", lambda: bpy.ops.velatura.texture(prompt=chosen.wall, size=TEXTURE, **more))
    demo.select([column])
    demo.timed("column", lambda: bpy.ops.velatura.texture(prompt=chosen.column, size=TEXTURE, **more))
    spill(wall)
    demo.render(out / "before.png", chosen.width, chosen.samples)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "begun.blend"))

    demo.select([wall])
    bpy.ops.velatura.new_mask()
    mask = bpy.context.scene.velatura_local.mask
    painted = np.ones((TEXTURE, TEXTURE, 4), np.float32)
    painted[..., :3] = blot(TEXTURE, 0.05)[::-1, :, None]
    mask.pixels.foreach_set(painted.ravel())
    show(wall, blot(TEXTURE, 0.05), out / "mask.png", chosen)
    asked = more | {"size": chosen.size}
    demo.timed("view", lambda: bpy.ops.velatura.local_edit(
        prompt=chosen.wall, part="STENCIL", way="VIEW", look_from="CAMERA", match=True, follow_depth=False,
        **asked))  # fmt: skip
    demo.render(out / "view.png", chosen.width, chosen.samples)

    demo.select([column])
    for polygon in column.data.polygons:
        polygon.select = abs(polygon.center.z) < 1.1 and abs(polygon.normal.z) < 0.5
    show(column, canvas.faces(canvas.canvas_of(column), {})() / 255, out / "faces.png", chosen)
    demo.timed("faces", lambda: bpy.ops.velatura.local_edit(
        prompt=chosen.band, part="FACES", way="UV", surroundings=0.0, **asked))  # fmt: skip
    demo.render(out / "texture.png", chosen.width, chosen.samples)
    join(out, ("before", "mask", "view", "faces", "texture"))
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "local.blend"))
    velatura_blender.unregister()


def join(out: Path, names: tuple[str, ...]) -> None:
    """Renders side by side in one JPEG file."""
    pictures = []
    for name in names:
        loaded = bpy.data.images.load(str(out / f"{name}.png"))
        pictures.append(place.read(loaded)[..., :3])
        bpy.data.images.remove(loaded)
    whole = place.image("Local", np.concatenate(pictures, 1))
    whole.file_format, whole.filepath_raw = "JPEG", str(out / "local.jpg")
    whole.save(quality=82)
    bpy.data.images.remove(whole)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = demo.options(__doc__, size=256, width=320)
    parser.add_argument("--wall", default="red brick wall", help="what the wall is made of")
    parser.add_argument("--column", default="grey cobblestone", help="what the column is made of")
    parser.add_argument("--band", default="brown planks", help="what faces of the column become")
    return parser.parse_args()


if __name__ == "__main__":
    demo.run(main, arguments())
