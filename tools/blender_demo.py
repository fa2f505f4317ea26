"""From an empty scene to textured renders, with the add-on's own operators and a running engine.

    .venv-blender/bin/python tools/blender_demo.py --out out/blender [--engine host:port --token secret]

Needs the `bpy` package. Builds a small scene, renders it, puts a seamless texture on floor and wall, projects another
picture from the camera onto the objects, and renders again from the camera and from the side. Without `--engine` it
uses this computer's engine, and starts the one of `.venv` where none runs. Writes before.png, texture.png,
projected.png, side.png, depth.png and demo.blend.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "client"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blender_addon"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bpy
import environments
import numpy as np
import velatura_blender
from mathutils import Vector
from velatura import discovery
from velatura_blender import capture, host, place
from velatura_blender.session import session


def build() -> tuple[list[bpy.types.Object], list[bpy.types.Object]]:
    """The scene: floor and wall, and what stands before them."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    room = [add("plane", "Floor", (0, -9.6, 0), size=24), add("plane", "Wall", (0, 2.4, 12), size=24)]
    room[1].rotation_euler = (math.pi / 2, 0, 0)
    monkey = add("monkey", "Suzanne", (-0.2, -0.2, 1.0), size=2.0)
    monkey.rotation_euler = (math.radians(-12), 0, math.radians(-15))
    monkey.modifiers.new("Subdivision", "SUBSURF").levels = 2
    monkey.modifiers[0].render_levels = 2
    ring = add("torus", "Torus", (2.15, 0.0, 0.95), major_radius=0.66, minor_radius=0.28, major_segments=64)
    ring.rotation_euler = (math.radians(75), 0, math.radians(-30))
    for thing in (monkey, ring):
        thing.data.shade_smooth()
    box = add("cube", "Cube", (-2.1, 0.3, 0.7), size=1.4)
    box.rotation_euler = (0, 0, math.radians(30))
    clay = bpy.data.materials.new("Clay")
    host.give_nodes(clay)
    clay.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.45, 0.43, 0.41, 1)
    for thing in (*room, monkey, ring, box):
        thing.data.materials.append(clay)
    bpy.context.view_layer.update()
    for thing in (monkey, ring, box):
        thing.location.z -= lowest(thing)
    look_from((0.5, -7.4, 2.9), (0.1, 0, 1.0))
    light()
    return room, [monkey, ring, box]


def add(kind: str, name: str, where: tuple[float, float, float], **more: float) -> bpy.types.Object:
    """A primitive with UVs."""
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(location=where, **more)
    bpy.context.object.name = name
    return bpy.context.object


def lowest(thing: bpy.types.Object) -> float:
    """Height of its lowest point."""
    piece = capture.surface(thing, bpy.context.evaluated_depsgraph_get(), "")
    return 0.0 if piece is None else float(piece.positions[:, 2].min())


def look_from(where: tuple[float, float, float], target: tuple[float, float, float]) -> None:
    """Put the scene's camera there, looking at the target."""
    scene = bpy.context.scene
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(scene.camera)
    scene.camera.location = where
    scene.camera.rotation_euler = (Vector(target) - Vector(where)).to_track_quat("-Z", "Y").to_euler()
    scene.camera.data.lens = 40
    bpy.context.view_layer.update()


def light() -> None:
    """A soft sky and a sun from the left."""
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Sky")
    host.give_nodes(scene.world)
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.8, 0.88, 1.0, 1)
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.35
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 2.0, 0.1
    sun.rotation_euler = (math.radians(50), math.radians(-15), math.radians(-35))
    scene.collection.objects.link(sun)


def render(path: Path, width: int, samples: int) -> None:
    """What the camera sees, by Cycles."""
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
    scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = samples, 3, True
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y = width, width * 3 // 4
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def save_depth(path: Path) -> None:
    """The depth that is sent, near white and far black, as a picture to look at."""
    render_settings = bpy.context.scene.render
    size = render_settings.resolution_x, render_settings.resolution_y
    seen = capture.frame(bpy.context.scene.camera, bpy.context.evaluated_depsgraph_get(), *size)
    near = 1 / np.where(np.isfinite(seen.depth), seen.depth, np.inf)
    grey = np.rint(255 * near / near.max()).astype(np.uint8)
    image = place.image("Depth", np.repeat(grey[..., None], 3, axis=2))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def timed(words: str, ask: Callable[[], object]) -> None:
    """Run an operator and say how long it took and what it said."""
    began = time.perf_counter()
    ask()
    print(f"{words}: {time.perf_counter() - began:.1f} s. {' '.join((session.message, *session.warnings))}", flush=True)


def select(things: list[bpy.types.Object]) -> None:
    """These and no others."""
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0]


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
    room, things = build()
    render(out / "before.png", chosen.width, chosen.samples)
    save_depth(out / "depth.png")
    more = {"seed": chosen.seed, "steps": chosen.steps, "size": chosen.size, "wait": True}
    select(room)
    repeat = 2560 / chosen.size  # the starter's bricks are as many pixels wide at any size
    timed("texture", lambda: bpy.ops.velatura.texture(prompt=chosen.texture, repeat=repeat, **more))
    render(out / "texture.png", chosen.width, chosen.samples)
    select(things)
    timed("projection", lambda: bpy.ops.velatura.project(prompt=chosen.project, texture_size=1024, **more))
    render(out / "projected.png", chosen.width, chosen.samples)
    look_from((5.2, -5.4, 3.0), (0.4, 0, 0.8))
    render(out / "side.png", chosen.width, chosen.samples)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"))
    velatura_blender.unregister()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options(__doc__, size=512, width=640)
    parser.add_argument("--texture", default="red brick wall", help="prompt of the texture")
    parser.add_argument("--project", default="yellow brick wall", help="prompt of the projection")
    return parser.parse_args()


def options(description: str, *, size: int, width: int) -> argparse.ArgumentParser:
    """A command line with what all demonstrations take; `size` and `width` are its defaults, pixels."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the renders")
    parser.add_argument("--engine", default="", help="host:port; default: this computer's, started if need be")
    parser.add_argument("--token", default="", help="the engine's token")
    parser.add_argument("--size", type=int, default=size, help="longer side of what is painted, pixels")
    parser.add_argument("--seed", type=int, default=7, help="seed of what is painted first")
    parser.add_argument("--steps", type=int, default=0, help="0: the model's own")
    parser.add_argument("--width", type=int, default=width, help="width of the renders, pixels")
    parser.add_argument("--samples", type=int, default=16, help="samples of the renders")
    return parser


def run(demonstrate: Callable[[argparse.Namespace], None], chosen: argparse.Namespace) -> None:
    """Run a demonstration and end the process: Blender 4.5 as a module hangs at the interpreter's exit."""
    status = 1
    try:
        demonstrate(chosen)
        status = 0
    except Exception as error:
        print(error, file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    run(main, arguments())
