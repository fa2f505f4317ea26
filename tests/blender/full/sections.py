"""Further sections of what `inside.py` does in a full Blender: the window's pulse, restyling, and the live view."""

import time
from dataclasses import dataclass
from typing import Any

import bpy

PULSE = 0.01  # seconds
SECONDS = 5.0


@dataclass
class Tools:
    """What `inside.py` lends."""

    found: dict
    check: Any
    session: Any
    module: Any
    shot: Any
    until: Any
    turn_to: Any
    biggest: Any
    drawn_anew: Any
    press: Any
    hover: Any
    places: Any
    click: Any
    region_of: Any


def gaps(tools, name):
    """Note how late a timer of 10 ms comes, for some seconds."""
    print(f"{time.monotonic():.0f} {name}", flush=True)
    noted, last = tools.found["gaps"].setdefault(name, []), [None]

    def beat():
        now = time.perf_counter()
        if last[0] is not None:
            noted.append(now - last[0])
        last[0] = now
        return PULSE if last[0] < end else None

    end = time.perf_counter() + SECONDS
    bpy.app.timers.register(beat)
    while bpy.app.timers.is_registered(beat):
        yield 0.1


def pulse(tools):
    """The window with nothing to do, and with a job whose glimpses come; then six maps are placed."""
    yield from tools.turn_to("VIEW_3D")
    settings = bpy.context.scene.velatura
    settings.sampler, settings.steps = "", 0
    settings.controls.clear()
    settings.adapters.clear()
    yield 3.0  # what was opened is drawn
    yield from gaps(tools, "10 ms, nothing")
    settings.steps = 200  # so that it lasts
    bpy.ops.velatura.texture("EXEC_DEFAULT", prompt="red brick")
    (task,) = tools.session().tasks
    yield from tools.until(lambda: task.preview or task.done, 120)
    yield from gaps(tools, "10 ms, a job with glimpses")
    tools.check("the job ran all the while", not task.done or task.error is None, task.message)
    tools.session().cancel()
    yield from tools.until(lambda: not tools.session().tasks, 60)
    settings.steps, settings.size = 0, 512
    bpy.ops.velatura.material("EXEC_DEFAULT", prompt="red brick")
    (task,) = tools.session().tasks
    yield from tools.until(lambda: task.job.done, 300)
    yield from gaps(tools, "placing six maps, 10 ms")
    yield from tools.until(lambda: task.done, 60)
    tools.check("the material is worn", task.error is None, task.message)
    settings.size = 256


def restyle(tools):
    """A picture of what the camera shows, rendered while the window stays alive."""
    scene, errands = bpy.context.scene, tools.module("errands").errands
    scene.velatura.prompt = "orange wooden planks"
    scene.render.resolution_x, scene.render.resolution_y = 640, 480
    if scene.render.engine not in ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"):
        scene.render.engine = "BLENDER_EEVEE_NEXT"
    before = scene.render.filepath, scene.render.resolution_x, scene.render.image_settings.file_format
    bpy.ops.velatura.restyle("EXEC_DEFAULT")
    yield from tools.until(lambda: not errands.running, 900)  # EEVEE makes its shaders
    yield from tools.until(lambda: not tools.session().tasks, 300)
    made = bpy.data.images.get("orange wooden planks restyled")
    tools.check("the restyled picture is there", made is not None, tools.session().message)
    after = scene.render.filepath, scene.render.resolution_x, scene.render.image_settings.file_format
    tools.check("render settings are as they were", before == after, (before, after))
    yield from tools.turn_to("IMAGE_EDITOR")
    tools.biggest().spaces.active.image = made
    yield from tools.shot("restyle-done")


def live(tools):
    """The live view beside an Image editor: the view moves, a mesh is edited, and the newest state is shown."""
    yield from tools.turn_to("VIEW_3D")
    area, window = tools.biggest(), bpy.context.window_manager.windows[0]
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.4)
    yield 0.5
    views = [each for each in window.screen.areas if each.type == "VIEW_3D"]
    side = min(views, key=lambda each: each.x)
    side.ui_type = "IMAGE_EDITOR"
    side.spaces.active.show_region_ui = False
    area = tools.biggest()
    space = area.spaces.active
    space.shading.type, space.shading.color_type = "SOLID", "TEXTURE"
    space.show_region_ui = False
    space.region_3d.view_location, space.region_3d.view_distance = (0, 0, 0), 8.0
    for thing in [thing for thing in bpy.data.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    bpy.ops.mesh.primitive_monkey_add(size=2.5)
    bpy.context.object.modifiers.new("Subdivision", "SUBSURF").levels = 2
    bpy.ops.object.shade_smooth()
    bpy.context.scene.velatura.prompt = "orange wooden planks"
    bpy.context.scene.velatura_live.change = 0.6
    yield 0.5
    view, now, steps = tools.module("live_view"), tools.module("live_view").now, weighed(tools.module("live_view"))
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.velatura.live("EXEC_DEFAULT")
    yield from tools.until(lambda: now.live is None or now.live.shown >= 1, 200)
    tools.check("the live view shows the first state", now.live is not None, tools.session().message)
    if now.live is None:
        return
    yield from gaps(tools, "10 ms, the live view stands still")
    turn = type(space.region_3d.view_rotation)((0, 0, 1), 0.04)
    shown, noted = now.live.shown, len(now.live.took)
    for _ in range(30):  # an artist who orbits for a second and a half
        space.region_3d.view_rotation = turn @ space.region_3d.view_rotation
        area.tag_redraw()
        yield 0.05
    yield from tools.until(lambda: now.live is None or newest(now), 200)
    tools.check("the newest state is shown after the view moved", now.live and now.live.shown > shown)
    bpy.context.object.scale.z = 1.2
    yield from tools.until(lambda: now.live is None or (now.eye.edits and newest(now)), 200)
    tools.check("and after the mesh was changed", now.live is not None and newest(now))
    captured = now.live.captured
    yield 3.0
    tools.check("nothing is captured while nothing changes", now.live.captured == captured)
    took = sorted(now.live.took[noted:])
    tools.found["notes"].append(
        f"live: {now.live.captured} captures, {now.live.shown} shown, {now.live.dropped} dropped, {now.live.side} "
        f"pixels; a capture takes {took[len(took) // 2] * 1e3:.0f} ms, at most {took[-1] * 1e3:.0f} ms"
    )
    first, later = ([each for each in steps if each[1] and (each[0] == 0) == early] for early in (True, False))
    for name, some in (("getting ready and the first capture", first), ("captures after it", later)):
        told = ", ".join(f"{wall * 1e3:.0f} ({own * 1e3:.0f}, {all_ * 1e3:.0f})" for _, _, wall, own, all_ in some)
        tools.found["notes"].append(f"live, {name}: milliseconds (of this thread, of all threads): {told}")
    own = bpy.context.scene.velatura_live  # what the starter paints best: one material that fills the picture
    bpy.context.scene.velatura.prompt, own.change, own.steps = "yellow brick wall", 1.0, 12
    space.region_3d.view_distance = 3.4
    yield from tools.until(lambda: now.live is None or newest(now), 200)
    image = bpy.data.images[view.NAME]
    tools.check("an Image editor shows it", side.spaces.active.image == image)
    with bpy.context.temp_override(
        window=window, area=side, region=next(e for e in side.regions if e.type == "WINDOW")
    ):
        bpy.ops.image.view_all(fit_view=True)
    yield from tools.shot("live")
    space.show_region_ui = True
    bpy.ops.velatura.live("EXEC_DEFAULT")
    tools.check("switched off nothing is left", view.NAME not in bpy.data.images and now.live is None)


def weighed(view):
    """How long each step of the live view takes that does something: captures so far, whether one was made or made
    ready, seconds on the clock, of its thread's time, and of all threads' time."""
    steps, step = [], view.step

    def measured():
        captured = view.now.live.captured if view.now.live else 0
        since = time.perf_counter(), time.thread_time(), time.process_time()
        more = step()
        took = [
            now - then
            for now, then in zip((time.perf_counter(), time.thread_time(), time.process_time()), since, strict=True)
        ]
        if more:
            made = view.now.live.captured
            steps.append((captured, made > captured or not made, *took))
        return more

    view.step = measured
    return steps


def newest(now):
    """What is shown belongs to the state that is there now."""
    return not now.live.busy and now.live._state == now.eye.state()
