"""How long Blender's window waits: the longest piece of its thread for each way to ask, until it is sent, and placed.

Runs in Blender as a module, without a window: `.venv-blender/bin/python bench/blender_window.py`. The scene holds a
ball of 400,000 triangles, images have 2048 pixels a side, and an engine that paints by arithmetic sends results of full
size. Everything is done once on a small scale before, so that modules, shaders and the connection are there; and so is
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TextIO

HELD = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_ARENA_MAX": "1"}
"""How glibc keeps the memory that a process once had: virtual machines get new memory from their hosts ten times as
slowly as computers have it, 2 ms for each MB."""
if __name__ == "__main__" and not HELD.items() <= os.environ.items():
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | HELD)

TABLE = os.fdopen(os.dup(1), "w", encoding="utf-8")
"""Where the table goes, and nothing else: what Blender itself says, from its import on, goes to where errors go."""
os.dup2(2, 1)

import _window  # noqa: E402
import bpy  # noqa: E402
import gpu  # noqa: E402
import numpy as np  # noqa: E402
import velatura_blender  # noqa: E402
from _lab import Figure  # noqa: E402
from _window import PLACED, PRESSED, READY, Watch, come  # noqa: E402
from dense import ball  # noqa: E402
from scenes import place_camera, select  # noqa: E402
from velatura_blender import offscreen, place  # noqa: E402
from velatura_blender.session import session  # noqa: E402

TARGET = 50  # milliseconds
MEMORY = 3 << 30  # bytes
WORDS = {
    PRESSED: "pressed",
    READY: "longest piece until it is painted",
    PLACED: "longest piece while it is placed",
}
Ask = Iterator[None]
"""What is done before the first `yield` gets the scene ready; what is done after it is what a press does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Triangles of the ball, and pixels a side of images and of what the model paints."""

    triangles: int
    texture: int
    size: int

    def said(self, **more: object) -> dict:
        """Values that every operator takes."""
        return {"prompt": "moss", "seed": 3, "size": self.size, **more}


SMALL = Scale(triangles=2000, texture=64, size=64)


def thing(scale: Scale, *, dressed: bool = False) -> bpy.types.Object:
    """A scene with a camera and the ball, selected, which wears an image where it is `dressed`."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 512
    place_camera((3, -4.5, 2.5))
    around = 2 * round((scale.triangles / 4) ** 0.5 / 2) * 2
    made = bpy.data.objects.new("Ball", ball(around, around // 2))
    bpy.context.scene.collection.objects.link(made)
    select(made)
    if dressed:
        made.data.materials.append(place.material("Own", picture(scale), "UVMap"))
    bpy.context.view_layer.update()
    return made


def picture(scale: Scale, name: str = "Own") -> bpy.types.Image:
    """An image of spots, packed by Blender and opened, as an artist's own is that is on the screen."""
    side = scale.texture
    spots = np.random.default_rng(1).random((side // 8, side // 8, 4), np.float32)
    image = bpy.data.images.new(name, side, side)
    image.pixels.foreach_set(spots.repeat(8, 0).repeat(8, 1).ravel())
    image.update()
    image.pack()
    image.pixels[0]
    return image


def mask(scale: Scale) -> bpy.types.Image:
    """A black image with a white part that the camera sees."""
    side = scale.texture
    image, values = bpy.data.images.new("Mask", side, side, is_data=True), np.zeros((side, side, 4), np.float32)
    values[..., 3] = 1
    values[side // 2 : side * 3 // 4, side // 2 : side, :3] = 1
    image.pixels.foreach_set(values.ravel())
    return image


def choose(made: bpy.types.Object) -> None:
    """Select the upper faces that the camera sees."""
    vertices = np.empty(len(made.data.vertices) * 3, np.float32)
    made.data.vertices.foreach_get("co", vertices)
    first = np.empty(len(made.data.polygons), np.int32)
    made.data.polygons.foreach_get("loop_start", first)
    corners = np.empty(len(made.data.loops), np.int32)
    made.data.loops.foreach_get("vertex_index", corners)
    x, y, z = vertices.reshape(-1, 3)[corners[first]].T
    made.data.polygons.foreach_set("select", (z > 0.5) & (y < 0) & (x > 0))


def texture_object(scale: Scale) -> Ask:
    thing(scale)
    yield
    bpy.ops.velatura.texture_object(**scale.said(texture_size=scale.texture))


def project(scale: Scale, dressed: bool = False) -> Ask:
    thing(scale, dressed=dressed)
    yield
    bpy.ops.velatura.project(**scale.said(texture_size=scale.texture))


def change_part(scale: Scale, **more: object) -> Ask:
    made = thing(scale, dressed=True)
    choose(made)
    if more["part"] == "IMAGE":
        more["mask"] = mask(scale).name
    yield
    bpy.ops.velatura.local_edit(**scale.said(look_from="CAMERA", **more))


def on_views(scale: Scale, press: Callable[[], object]) -> Ask:
    """Something that is asked of an object that was textured from views."""
    thing(scale)
    bpy.ops.velatura.texture_object(**scale.said(texture_size=scale.texture))
    come()
    yield
    press()


def restyle(scale: Scale) -> Ask:
    thing(scale, dressed=True)
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    yield
    bpy.ops.velatura.restyle(**scale.said())


def surface(scale: Scale, operator: str) -> Ask:
    """A seamless texture or material."""
    thing(scale)
    yield
    getattr(bpy.ops.velatura, operator)(**scale.said(size=scale.texture))


def generate(scale: Scale, source: str) -> Ask:
    thing(scale, dressed=True)
    if source == "MASK":
        settings = bpy.context.scene.velatura
        settings.mask_source, settings.mask_image = "IMAGE", mask(scale)
    yield
    bpy.ops.velatura.generate(**scale.said(source=source, image="Own", size=scale.texture))


def hinted(scale: Scale) -> Ask:
    thing(scale)
    unit = bpy.context.scene.velatura.controls.add()
    unit.kind, unit.source = "depth", "SCENE"
    yield
    bpy.ops.velatura.generate(**scale.said())


def seamless(scale: Scale) -> Ask:
    thing(scale, dressed=True)
    yield
    bpy.ops.velatura.make_seamless(prompt="moss", seed=3, image="Own", band=8)


def relief(scale: Scale, operator: str, **more: object) -> Ask:
    thing(scale, dressed=True)
    if more:
        picture(scale, "Depth")
    yield
    getattr(bpy.ops.velatura, operator)(image="Own", **more)


def from_history(scale: Scale, operator: str) -> Ask:
    """Something that is asked of a projection in the history."""
    thing(scale)
    bpy.ops.velatura.project(**scale.said(texture_size=scale.texture))
    come()
    yield
    getattr(bpy.ops.velatura, operator)("EXEC_DEFAULT", True, number=0)  # True: with its undo step, as by hand


def saving(scale: Scale) -> Ask:
    thing(scale)
    bpy.ops.velatura.texture_object(**scale.said(texture_size=scale.texture))
    _window.sent()
    yield
    _window.noted()
    session.forget()


WAYS: dict[str, tuple[str, Callable[[Scale], Ask]]] = {
    "whole": ("Texture Object", texture_object),
    "project": ("Project from Camera", project),
    "project-over": ("Project from Camera, over an image", lambda scale: project(scale, dressed=True)),
    "part-faces": ("Change Part, faces from view", lambda scale: change_part(scale, part="FACES", way="VIEW")),
    "part-mask": ("Change Part, mask from view", lambda scale: change_part(scale, part="IMAGE", way="VIEW")),
    "part-texture": ("Change Part, faces in texture", lambda scale: change_part(scale, part="FACES", way="UV")),
    "reblend": ("Re-blend", lambda scale: on_views(scale, lambda: bpy.ops.velatura.reblend(sharpness=8))),
    "redo": ("Redo View", lambda scale: on_views(scale, lambda: bpy.ops.velatura.redo_view(**scale.said(number=2)))),
    "restyle": ("Restyle, of a render", restyle),
    "texture": ("Seamless Texture", lambda scale: surface(scale, "texture")),
    "material": ("Seamless Material", lambda scale: surface(scale, "material")),
    "picture": ("Generate Picture, from words", lambda scale: generate(scale, "WORDS")),
    "picture-over": ("Generate Picture, over a picture", lambda scale: generate(scale, "IMAGE")),
    "picture-mask": ("Generate Picture, in a mask", lambda scale: generate(scale, "MASK")),
    "picture-hint": ("Generate Picture, with the scene's depth", hinted),
    "seamless": ("Make Seamless", seamless),
    "mesh": ("Picture to Mesh", lambda scale: relief(scale, "relief_mesh")),
    "plane": ("Picture to Plane", lambda scale: relief(scale, "relief_plane")),
    "plane-depth": ("Picture to Plane, depth at hand", lambda scale: relief(scale, "relief_plane", depth="Depth")),
    "apply": ("Apply Again", lambda scale: from_history(scale, "history_apply")),
    "vary": ("Vary", lambda scale: from_history(scale, "history_vary")),
    "saving": ("Noting jobs when a file is saved", saving),
}
"""Each way to ask by its name on the command line: how it is called, and what does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long a stage of a way keeps the window, milliseconds: the clock's figure, and its thread's own time."""

    figure: Figure
    thread: float

    def line(self, width: int) -> str:
        """A row of the table."""
        return f"{self.figure.line(width):{width + 51}}  {self.thread:5.0f} ms of its thread"


def measured(watch: Watch, name: str, rounds: int, scale: Scale) -> list[Kept]:
    """What a way takes, the median of rounds for each stage."""
    title, way = WAYS[name]
    found: dict[str, list[_window.Piece]] = {}
    for number in range(-1, rounds):
        walk = way(scale if number >= 0 else SMALL)
        next(walk)
        watch.clear()
        with watch.piece(PRESSED):
            next(walk, None)
        come()
        if number < 0:
            continue
        for stage, piece in watch.longest().items():
            found.setdefault(stage, []).append(piece)
    return [
        Kept(
            figure=Figure(
                name=f"{title}: {WORDS[stage]}", unit="ms", target=TARGET,
                value=statistics.median(piece.wall for piece in found[stage]) * 1e3,
            ),
            thread=statistics.median(piece.own for piece in found[stage]) * 1e3,
        )
        for stage in WORDS if stage in found
    ]  # fmt: skip


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", nargs="*", choices=list(WAYS), default=list(WAYS), help="these ways alone")
    parser.add_argument("--rounds", type=int, default=3, help="times to measure (default 3)")
    parser.add_argument("--triangles", type=int, default=400_000, help="of the ball (default 400000)")
    parser.add_argument("--texture", type=int, default=2048, help="pixels a side of images (default 2048)")
    parser.add_argument("--size", type=int, default=512, help="pixels a side of what is painted (default 512)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    parser.add_argument("--profile", action="store_true", help="say what is called in pieces that are too long")
    return parser.parse_args()


def have_memory() -> None:
    """Touch what will be needed; it is kept."""
    for part in [np.empty(MEMORY >> 5, np.uint8) for _ in range(32)]:
        part.fill(1)


def drawn_by() -> str:
    """What draws off screen."""
    return gpu.platform.renderer_get() if offscreen.ready() else "rays"


def main(out: TextIO) -> None:
    """Measure, and print the table."""
    given = options()
    have_memory()
    velatura_blender.register()
    _window.pretend()
    watch = Watch(TARGET / 1e3 if given.profile else None)
    watch.begin()
    scale = Scale(triangles=given.triangles, texture=given.texture, size=given.size)
    with _window.engine():
        facts = {
            "Blender": bpy.app.version_string, "drawn by": drawn_by(),
            "cores": len(os.sched_getaffinity(0)), "rounds": given.rounds, **asdict(scale),
        }  # fmt: skip
        kept = []
        if not given.json:
            print(
                f"The window's longest waits  ({', '.join(f'{name} {value}' for name, value in facts.items())})",
                file=out,
            )
        width = max(len(title) for title, _ in WAYS.values()) + 2 + max(len(words) for words in WORDS.values())
        for name in given.only:
            rows = measured(watch, name, given.rounds, scale)
            kept += rows
            for row in () if given.json else rows:
                print(row.line(width), file=out, flush=True)
        if given.json:
            figures = [asdict(each.figure) | {"thread": each.thread} for each in kept]
            json.dump({"title": "The window's longest waits", **facts, "figures": figures}, out, indent=2)
            print(file=out)


if __name__ == "__main__":
    code = 0
    try:
        main(TABLE)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        print(end.code if isinstance(end.code, str) else "", end="", file=sys.stderr)
    except BaseException:
        code = 1
        traceback.print_exc()
    for stream in (TABLE, sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # Blender as a module hangs where Python ends
