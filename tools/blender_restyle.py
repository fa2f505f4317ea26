"""A render restyled, alone and as an animation, with the add-on's own operators and a running engine.

    .venv-blender/bin/python tools/blender_restyle.py --out out/restyle [--engine host:port --token secret]

Needs the `bpy` package. Renders a small scene with Cycles, restyles all of it, restyles only the things in it, and then
a few frames in which the ring turns, with their passes. Writes before.jpg, restyled.jpg, chosen.jpg, frames.jpg,
depth.jpg, the folder frames and restyle.blend.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import blender_demo as demo
import bpy
import environments
import numpy as np
import velatura_blender
from velatura import discovery
from velatura_blender import frames, host, place


def build(chosen: argparse.Namespace) -> list[bpy.types.Object]:
    """The scene of the other demonstration, whose ring turns in a second; the things before the wall, in a colour."""
    _, things = demo.build()
    for thing in things:
        thing.data.materials.clear()
        thing.data.materials.append(plain(chosen.color))
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", chosen.samples
    scene.cycles.max_bounces, scene.cycles.use_denoising = 3, True
    scene.render.resolution_x, scene.render.resolution_y = chosen.width, chosen.width * 3 // 4
    scene.frame_start, scene.frame_end, scene.frame_step = 1, 25, 12
    ring = bpy.data.objects["Torus"]
    ring.keyframe_insert("rotation_euler", frame=1)
    ring.rotation_euler.z += 1.6
    ring.keyframe_insert("rotation_euler", frame=25)
    scene.frame_set(1)
    return things


def plain(color: list[float]) -> bpy.types.Material:
    """A material of one colour, linear."""
    made = bpy.data.materials.new("Plain")
    shader = next(node for node in host.give_nodes(made).nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1)
    return made


def save(image: bpy.types.Image, path: Path) -> None:
    """An image as a JPEG file of less than 150 KB."""
    image.filepath_raw, image.file_format = str(path), "JPEG"
    image.save(quality=88)


def side_by_side(files: list[Path], path: Path, name: str) -> None:
    """Pictures in a row."""
    loaded = [bpy.data.images.load(str(file)) for file in files]
    row = np.concatenate([place.read(image)[..., :3] for image in loaded], axis=1)
    for image in loaded:
        bpy.data.images.remove(image)
    save(place.image(name, row), path)


def save_depth(file: Path, path: Path) -> None:
    """The written depth, near white and far black, as a picture to look at."""
    loaded = bpy.data.images.load(str(file))
    width, height = loaded.size
    flat = np.empty(width * height * loaded.channels, np.float32)
    loaded.pixels.foreach_get(flat)
    near = 1 / flat.reshape(height, width, -1)[::-1, :, 0]
    grey = np.rint(255 * near / near.max()).astype(np.uint8)
    save(place.image("Depth", np.repeat(grey[..., None], 3, axis=2)), path)


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
    things = build(chosen)
    more = {"prompt": chosen.prompt, "seed": chosen.seed, "steps": chosen.steps, "size": chosen.size, "wait": True}
    demo.timed("as it is", lambda: bpy.ops.velatura.restyle(**more, change=0.0, depth=False))
    save(bpy.data.images[f"{chosen.prompt} restyled"], out / "before.jpg")
    demo.timed("restyled", lambda: bpy.ops.velatura.restyle(**more, change=chosen.strength))
    save(bpy.data.images[f"{chosen.prompt} restyled.001"], out / "restyled.jpg")
    demo.select(things)
    demo.timed("chosen", lambda: bpy.ops.velatura.restyle(**more, change=chosen.strength, only=True))
    save(bpy.data.images[f"{chosen.prompt} restyled.002"], out / "chosen.jpg")
    folder = out / "frames"
    more |= {
        "folder": str(folder),
        "passes": True,
        "only": True,
        "change": chosen.strength,
        "size": chosen.size * 5 // 8,
    }
    demo.timed("animation", lambda: bpy.ops.velatura.restyle_animation(**more))
    demo.timed("again", lambda: bpy.ops.velatura.restyle_animation(**more))
    numbers = range(1, 26, 12)
    side_by_side([frames.path_of(folder, frames.PICTURE, number) for number in numbers], out / "frames.jpg", "Frames")
    save_depth(frames.path_of(folder, "depth", 1), out / "depth.jpg")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "restyle.blend"))
    velatura_blender.unregister()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = demo.options(__doc__, size=384, width=384)
    parser.add_argument("--prompt", default="yellow brick wall", help="what it is to look like")
    parser.add_argument("--strength", type=float, default=0.5, help="0 keeps the render, 1 paints anew")
    parser.add_argument("--color", type=float, nargs=3, default=[0.8, 0.5, 0.02], help="of the things, linear")
    return parser.parse_args()


if __name__ == "__main__":
    demo.run(main, arguments())
