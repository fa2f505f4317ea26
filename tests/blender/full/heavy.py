"""A heavy object in the real window: how much of Blender's thread each press takes, and each piece of what follows.

Pieces are timed by their thread's own time, so that what else the machine does, and Blender's own drawing of so many
triangles in software, are not in it. All is done with a small ball before, so that shaders and modules are there.
"""

import time
from contextlib import contextmanager

import bpy
import dense
import numpy as np
import parts

AROUND = {"small": 32, "heavy": 632}  # faces around the ball; half as many lie from pole to pole
SIDE = {"small": 64, "heavy": 2048}  # texels a side of what it wears, and of what is painted onto it
BEAT = 0.01  # seconds


def heavy(tools):
    """Every way to ask that reads the scene, one after the other, until its result is there."""
    yield from tools.turn_to("VIEW_3D")
    clean()
    pieces = watched(tools)
    for scale in AROUND:
        for name, ask in WAYS.items():
            ball = dressed(scale)
            yield from tools.drawn_anew()
            pieces.clear()
            with beating(tools, scale, name):
                press(tools, pieces, lambda ask=ask, ball=ball, scale=scale: ask(ball, SIDE[scale]))
                yield from tools.until(lambda: not tools.module("errands").errands.running, 300)
                yield from tools.until(lambda: not tools.session().tasks, 300)
            tools.check(f"it is painted ({scale}, {name})", not tools.session().failed, tools.session().message)
            if scale == "heavy":
                tools.found.setdefault("heavy", {})[name] = list(pieces)


def clean():
    """A scene with nothing but its camera and lights, and settings as they are in a new file."""
    scene = bpy.context.scene
    for thing in [thing for thing in scene.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    bpy.context.view_layer.update()  # Blender falls where its list of objects is walked before
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 512
    settings = scene.velatura
    settings.prompt, settings.size, settings.seed, settings.steps, settings.sampler = "moss", 512, 3, 0, ""
    settings.source, settings.style = "WORDS", ""
    settings.controls.clear()
    settings.adapters.clear()


def dressed(scale):
    """A ball that takes the place of the last one, selected, with an image of random numbers and some faces chosen."""
    before = bpy.data.objects.get("Ball")
    if before is not None:
        bpy.data.objects.remove(before)
        bpy.context.view_layer.update()
    thing = bpy.data.objects.new("Ball", ball(AROUND[scale], AROUND[scale] // 2))
    bpy.context.scene.collection.objects.link(thing)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    thing.data.materials.append(parts.random_look(SIDE[scale]))
    return thing


def ball(around, down):
    """A ball's mesh; the upper half of what the camera sees of it is chosen."""
    mesh = dense.ball(around, down)
    middles = np.empty(len(mesh.polygons) * 3, np.float32)
    mesh.polygons.foreach_get("center", middles)
    x, y, z = middles.reshape(-1, 3).T
    mesh.polygons.foreach_set("select", (z > 0.4) & (y < 0) & (x > 0))
    return mesh


def hinted(operator):
    """Asks with a hint of the scene's depth."""
    controls = bpy.context.scene.velatura.controls
    controls.clear()
    unit = controls.add()
    unit.kind, unit.source = "depth", "SCENE"
    try:
        operator("INVOKE_DEFAULT")
    finally:
        controls.clear()


def by(name, **more):
    """What presses an operator's button; `texture` is where the side of the texture goes."""
    side = more.pop("texture", "")
    operator = getattr(bpy.ops.velatura, name)
    return lambda ball, texels: operator("INVOKE_DEFAULT", **more, **({side: texels} if side else {}))


WAYS = {
    "Texture Object": by("texture_object", texture="texture_size"),
    "Project from Camera": by("project", texture="texture_size"),
    "Change Part from View": by("local_edit", part="FACES", way="VIEW"),
    "Change Part in Texture": by("local_edit", part="FACES", way="UV"),
    "Restyle a render": by("restyle", origin="RENDER"),
    "Restyle the 3D view": by("restyle", origin="VIEWPORT"),
    "Picture with the scene's depth": lambda ball, texels: hinted(bpy.ops.velatura.generate),
    "Seamless Material": by("material", texture="size"),
}


def watched(tools):
    """Notes of each piece from now on: what for, seconds of its thread, seconds on the clock. What Blender takes to
    draw its 3D view once for us, as it does for every look of the window, is not in them; it is told beside."""
    pieces, drawing = [], tools.module("drawing")
    drawing.draw = apart(tools, drawing.draw)
    placing = tools.module("placing").Placing
    placed, further = [], placing.further

    def place(self):
        placed.append(self)
        return further(self)

    def stage():
        found = "placed" if placed else "got ready"
        placed.clear()
        return found

    placing.further = place
    for owner, name in ((tools.module("errands").Errands, "further"), (type(tools.session()), "pump")):
        setattr(owner, name, timed(pieces, getattr(owner, name), stage))
    return pieces


DRAWN = [0.0, 0.0]
"""Seconds of the thread and on the clock that Blender has drawn its 3D view in the piece under way."""


def apart(tools, draw):
    """The same function, whose time is noted apart."""

    def noted(*given, **more):
        since = time.thread_time(), time.perf_counter()
        try:
            return draw(*given, **more)
        finally:
            took = time.thread_time() - since[0], time.perf_counter() - since[1]
            DRAWN[:] = (one + more for one, more in zip(DRAWN, took, strict=True))
            tools.found["notes"].append(f"Blender drew its 3D view in {took[1] * 1e3:.0f} ms")

    return noted


def timed(pieces, function, stage):
    """The same function, noted in `pieces`; `stage()` says afterwards what it was for."""

    def noted(*given, **more):
        since, DRAWN[:] = (time.thread_time(), time.perf_counter()), (0.0, 0.0)
        try:
            return function(*given, **more)
        finally:
            own, wall = time.thread_time() - since[0] - DRAWN[0], time.perf_counter() - since[1] - DRAWN[1]
            pieces.append((stage(), own, wall))

    return noted


def press(tools, pieces, ask):
    """Ask as a button of the 3D view does; all of it is the first piece."""
    area = tools.biggest()
    region = next(each for each in area.regions if each.type == "WINDOW")
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        timed(whole := [], ask, lambda: "pressed")()
    pieces[:] = whole  # the errand's first piece is in it


@contextmanager
def beating(tools, scale, name):
    """Note how late a timer comes meanwhile. Blender's own drawing of so many triangles in software is in it."""
    gaps, last = tools.found["gaps"], [None]

    def beat():
        now = time.perf_counter()
        if last[0] is not None:
            gaps.setdefault(f"heavy: {name}", []).append(now - last[0])
        last[0] = now
        return BEAT

    if scale == "heavy":
        bpy.app.timers.register(beat)
    try:
        yield
    finally:
        if bpy.app.timers.is_registered(beat):
            bpy.app.timers.unregister(beat)
