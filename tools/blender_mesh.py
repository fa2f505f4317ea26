"""A picture becomes a camera, a mesh and a displaced plane, with the add-on's own operators and a running engine.

    .venv-blender/bin/python tools/blender_mesh.py --out out/mesh [--engine host:port --token secret]

Needs the `bpy` package. Renders a small village, which serves as a photograph of which all is known. Draws lines along
its walls, lets them find the camera, and says how far that is from the true one. Makes a mesh of the picture and its
true depth, renders it through that camera and from the side, and does the same with a plane. Writes photo.png,
lines.png, depth.png, mesh.png, mesh-side.png, plane-side.png and mesh.blend.
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
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from velatura import discovery
from velatura_blender import capture, host, lines_panel, place
from velatura_blender.session import session

HOUSE = (2.0, 3.0, 1.8)
"""Sides of the nearest house, whose lower front corner is the world's origin, metres."""


def paint(thing: bpy.types.Object, kind: str, one: tuple[float, ...], other: tuple[float, ...], scale: float) -> None:
    """A material of one of Blender's textures in two colours."""
    made = bpy.data.materials.new(thing.name)
    host.give_nodes(made)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    texture, where = nodes.new(f"ShaderNodeTex{kind}"), nodes.new("ShaderNodeTexCoord")
    texture.inputs["Color1"].default_value, texture.inputs["Color2"].default_value = (*one, 1), (*other, 1)
    texture.inputs["Scale"].default_value = scale
    links.new(where.outputs["UV"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    nodes["Principled BSDF"].inputs["Roughness"].default_value = 1.0
    thing.data.materials.append(made)


def build() -> list[bpy.types.Object]:
    """Two houses with roofs, two trees and a ball on a checkered ground."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    found = [demo.add("plane", "Ground", (0, 10, 0), size=60)]
    paint(found[0], "Checker", (0.35, 0.42, 0.2), (0.45, 0.5, 0.26), 40)
    for name, where, size, color in (
        ("House", (HOUSE[0] / 2, HOUSE[1] / 2, HOUSE[2] / 2), HOUSE, (0.5, 0.13, 0.08)),
        ("Barn", (-2.6, 6.5, 1.1), (2.6, 2.6, 2.2), (0.55, 0.4, 0.2)),
    ):
        walls = demo.add("cube", name, where, size=1)
        walls.scale = size
        paint(walls, "Brick", color, tuple(0.8 * part for part in color), 6)
        top = (where[0], where[1], size[2] + 0.4)
        roof = demo.add("cone", f"{name} roof", top, vertices=4, radius1=0.72, depth=0.8)
        roof.rotation_euler, roof.scale = (0, 0, math.radians(45)), (size[0], size[1], 1)
        paint(roof, "Checker", (0.16, 0.1, 0.09), (0.22, 0.14, 0.12), 8)
        found += [walls, roof]
    for number, where in enumerate(((-1.3, 2.4), (3.6, 5.0))):
        tree = demo.add("cone", f"Tree {number}", (*where, 1.2), radius1=0.7, depth=2.4)
        paint(tree, "Checker", (0.06, 0.25, 0.08), (0.1, 0.33, 0.12), 12)
        found.append(tree)
    ball = demo.add("uv_sphere", "Ball", (-0.6, -0.2, 0.4), radius=0.4)
    ball.data.shade_smooth()
    paint(ball, "Checker", (0.8, 0.5, 0.05), (0.85, 0.85, 0.8), 8)
    demo.light()
    bpy.context.scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.8
    demo.look_from((-3.6, -5.4, 2.6), (0.4, 1.6, 0.7))
    return [*found, ball]


def draw_lines(picture: bpy.types.Image, camera: bpy.types.Object) -> None:
    """Lines along the house's walls, as an artist would lay them; the lower front edge has a known length."""
    x, y, z = HOUSE
    edges = (
        ("X", (0, 0, 0), (x, 0, 0)), ("X", (0, 0, z), (x, 0, z)), ("Y", (0, 0, 0), (0, y, 0)),
        ("Y", (0, 0, z), (0, y, z)), ("Z", (0, 0, 0), (0, 0, z)), ("Z", (x, 0, 0), (x, 0, z)),
    )  # fmt: skip
    for number, (axis, *ends) in enumerate(edges):
        start, end = (world_to_camera_view(bpy.context.scene, camera, Vector(each))[:2] for each in ends)
        length = x if number == 0 else 0.0
        bpy.ops.velatura.line_add(image=picture.name, axis=axis, start=start, end=end, length=length)


def show_lines(picture: bpy.types.Image, path: Path) -> None:
    """The picture with its lines, as a file to look at."""
    pixels = place.read(picture)[..., :3].astype(np.float64)
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width] + 0.5
    for line in picture.velatura_perspective.lines:
        (x0, y0), (x1, y1) = ((u * width, (1 - v) * height) for u, v in (line.start, line.end))
        along = np.clip(
            ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1
        )
        away = np.hypot(columns - x0 - along * (x1 - x0), rows - y0 - along * (y1 - y0))
        for x, y in ((x0, y0), (x1, y1)):
            away = np.minimum(away, np.abs(np.maximum(np.abs(columns - x), np.abs(rows - y)) - 5))
        share = np.clip(2.2 - away, 0, 1)[..., None]
        pixels = pixels * (1 - share) + share * 255 * np.array(lines_panel.COLORS[line.axis][:3])
    keep(place.image("Lines", np.rint(pixels).astype(np.uint8)), path)


def keep(image: bpy.types.Image, path: Path) -> None:
    """Write an image to a file."""
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


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
    village, scene = build(), bpy.context.scene
    demo.render(out / "photo.png", chosen.width, chosen.samples)
    demo.save_depth(out / "depth.png")
    size, true = (scene.render.resolution_x, scene.render.resolution_y), scene.camera
    seen = capture.frame(true, bpy.context.evaluated_depsgraph_get(), *size)
    photo = bpy.data.images.load(str(out / "photo.png"))
    photo.pack()
    depth = bpy.data.images.new("Z", *size, float_buffer=True, is_data=True)
    values = np.where(np.isfinite(seen.depth), seen.depth, 0)[::-1, :, None]
    depth.pixels.foreach_set(np.repeat(values, 4, 2).astype(np.float32).ravel())

    draw_lines(photo, true)
    show_lines(photo, out / "lines.png")
    demo.timed("camera", lambda: bpy.ops.velatura.camera_from_lines(image=photo.name))
    off = scene.camera.matrix_world.translation - true.matrix_world.translation
    print(f"{math.degrees(abs(scene.camera.data.angle - true.data.angle)):.4f} degrees and {off.length:.4f} m off")
    for thing in village:
        thing.hide_render = True
    more = {"image": photo.name, "depth": depth.name, "depth_kind": "METRES", "wait": True}
    demo.timed("mesh", lambda: bpy.ops.velatura.relief_mesh(lens="SCENE", triangles=60_000, **more))
    mesh = bpy.context.object
    print(session.message)
    found = scene.camera
    shine(mesh)
    demo.render(out / "mesh.png", chosen.width, chosen.samples)
    scene.camera = bpy.data.objects.new("Side", bpy.data.cameras.new("Side"))
    scene.collection.objects.link(scene.camera)
    demo.look_from((0.4, -6.6, 4.4), (0.2, 2.2, 0.6))
    demo.render(out / "mesh-side.png", chosen.width, chosen.samples)
    mesh.hide_render = True
    demo.timed("plane", lambda: bpy.ops.velatura.relief_plane(side=4, height=0.8, **more))
    shine(bpy.context.object)
    demo.look_from((-3.4, -4.6, 1.6), (0, 0, 0))
    demo.render(out / "plane-side.png", chosen.width, chosen.samples)
    scene.camera = found
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "mesh.blend"))
    velatura_blender.unregister()


def shine(thing: bpy.types.Object) -> None:
    """Show its picture without light: the picture has its own."""
    nodes = thing.data.materials[0].node_tree.nodes
    texture = next(node for node in nodes if node.type == "TEX_IMAGE")
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
    links = thing.data.materials[0].node_tree.links
    links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
    links.remove(shader.inputs["Base Color"].links[0])
    shader.inputs["Emission Strength"].default_value = 1.0


if __name__ == "__main__":
    demo.run(main, demo.options(__doc__, size=512, width=640).parse_args())
