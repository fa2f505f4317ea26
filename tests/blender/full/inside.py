"""Runs in a full Blender with `--enable-event-simulate`: uses the panels as an artist does, and says what it saw.

`run.py` starts it. Steps are a generator that yields how long to wait; a timer of 50 ms beside them measures whether
the window stays alive.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

import bpy

DESK = Path(os.environ["VELATURA_DESK"])
sys.path.insert(0, str(DESK))
import heavy  # noqa: E402
import parts as marked  # noqa: E402
import photograph  # noqa: E402
import sections  # noqa: E402
import tabs  # noqa: E402

NAME = "bl_ext.user_default.velatura"
STEP = 0.06  # seconds between looks
HOVER = 14  # pixels between places where a button is looked for
found = {"gaps": {}, "checks": {}, "notes": [], "pumps": [], "placing": []}


class Heart:
    """A timer that notes how late it comes."""

    def __init__(self):
        self.last = None
        self.name = ""

    def beat(self):
        now = time.perf_counter()
        if self.last is not None and self.name:
            found["gaps"].setdefault(self.name, []).append(now - self.last)
        self.last = now
        return 0.05


heart = Heart()


def weigh():
    """Note how much of the processor each pump of the add-on takes; the machine's own noise is not in it."""
    kind = type(session())
    pump = kind.pump

    def weighed(self):
        since, tasks = time.thread_time(), len(self.tasks)
        more = pump(self)
        if self.tasks or heart.name:
            found["pumps" if len(self.tasks) == tasks else "placing"].append(time.thread_time() - since)
        return more

    kind.pump = weighed


def check(name, condition, words=""):
    found["checks"][name] = bool(condition)
    if not condition:
        found["notes"].append(f"{name}: {words}")


def session():
    return sys.modules[NAME + ".session"].session


def drawn_anew():
    """What a script set is seen only then."""
    for area in bpy.context.window_manager.windows[0].screen.areas:
        area.tag_redraw()
    yield 1.5  # panels glide to their places


def shot(name):
    """Have the screen photographed from outside; the heart rests meanwhile."""
    beating, heart.name = heart.name, ""
    yield from drawn_anew()
    (DESK / f"{name}.ask").touch()
    while not (DESK / f"{name}.done").exists():
        yield STEP
    yield 0.2
    heart.name = beating


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        yield STEP
    if not condition():
        raise AssertionError(f"it never came: {condition.__code__.co_names}")


def region_of(area):
    return next(region for region in area.regions if region.type == "UI")


def biggest():
    return max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)


def turn_to(kind):
    """The biggest area becomes an editor of this kind, with our tab open."""
    area = biggest()
    area.ui_type = kind
    yield 0.3
    area.spaces.active.show_region_ui = True
    yield from open_tab(area)


def open_tab(area):
    """Our tab, which can be chosen only once it has been drawn."""
    end = time.monotonic() + 20
    while region_of(area).active_panel_category != "Velatura" and time.monotonic() < end:
        area.tag_redraw()
        yield 0.3
        region_of(area).active_panel_category = "Velatura"
    area.tag_redraw()
    yield 0.5


def hover(x, y):
    bpy.context.window_manager.windows[0].event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)


def below(area):
    """What the button under the pointer does, in Python."""
    window = bpy.context.window_manager.windows[0]
    window_manager = bpy.context.window_manager
    window_manager.clipboard = ""
    try:
        with bpy.context.temp_override(window=window, area=area, region=region_of(area)):
            bpy.ops.ui.copy_python_command_button()
    except RuntimeError:
        return ""
    return window_manager.clipboard


def places(area, *wanted, right=None):
    """Where each of our buttons is, by what it does: the tab is felt from top to bottom, until all wanted are found.

    `right`: so many pixels from the right; the middle where it is not given, and the end of rows for crosses.
    """
    region, seen = region_of(area), {}
    right = right or (43 if "cancel" in wanted else region.width // 2)
    hover(region.x - 200, region.y + 200)
    for _ in range(20):  # what was under the pointer before is let go first
        yield STEP
        if not below(area):
            break
    for y in range(region.y + region.height - 60, region.y + 8, -HOVER):
        place = (region.x + region.width - right, y)
        hover(*place)
        yield STEP
        words = below(area)
        if words.startswith("bpy.ops.velatura."):
            seen.setdefault(words.partition("(")[0].removeprefix("bpy.ops.velatura."), place)
        if set(wanted) <= set(seen):
            break
    return seen


def press(place):
    """Press and release the left button of the mouse somewhere."""
    window = bpy.context.window_manager.windows[0]
    hover(*place)
    yield 0.2
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="LEFTMOUSE", value=value, x=place[0], y=place[1])
        yield 0.1


def click(area, name, place):
    """Click a button of ours: where it was felt, or a little beside, for what is felt may be a moment old."""
    felt = []
    for aside in (0, HOVER // 2, -HOVER // 2, HOVER, -HOVER, 2 * HOVER, -2 * HOVER):
        spot = place[0], place[1] + aside
        for nearer in (-30, -3, 0):  # a pointer that stands still tells a new layout nothing
            hover(spot[0] + nearer, spot[1])
            yield STEP
        for _ in range(6):
            yield STEP
            felt.append((spot, below(area)))
            if felt[-1][1].startswith(f"bpy.ops.velatura.{name}("):
                yield from press(spot)
                return
    raise AssertionError(f"{name} is not under the pointer any more: {place}, {sorted(set(felt))}")


def steps():
    bpy.ops.extensions.package_install_files(filepath=str(DESK / "velatura.zip"), repo="user_default",
                                             enable_on_install=True)  # fmt: skip
    check("installed", NAME in bpy.context.preferences.addons)
    settings = bpy.context.scene.velatura
    settings.prompt, settings.size, settings.seed = "red brick", 256, 3
    bpy.context.preferences.view.show_splash = False
    window = bpy.context.window_manager.windows[0]
    window.event_simulate(type="ESC", value="PRESS")
    window.event_simulate(type="ESC", value="RELEASE")
    yield 0.5
    yield from turn_to("VIEW_3D")
    yield from until(lambda: session().status.ok, 60)
    check("models are known", session().models)
    weigh()
    heart.name = "nothing"
    yield 3.0
    heart.name = ""
    only = os.environ.get("VELATURA_ONLY", "").split()
    parts = {
        "panels": lambda: panels(settings), "tabs": lambda: tabs.tabs(tools()),
        "pulse": lambda: sections.pulse(tools()), "photograph": lambda: photograph.lines(tools(), DESK / "mesh.blend"),
        "parts": lambda: marked.parts(tools()), "history": lambda: marked.history(tools()),
        "live": lambda: sections.live(tools()), "restyle": lambda: sections.restyle(tools()),
        "heavy": lambda: heavy.heavy(tools()), "trouble": trouble,
    }  # fmt: skip
    for name, part in parts.items():
        if not only or name in only:
            print(name, flush=True)
            yield from part()


def panels(settings):
    yield from texture_by_click()
    yield from cancel_by_click()
    yield from picture_by_click(settings)
    yield from lines_by_drag()
    yield from nodes_and_preferences()


def texture_by_click():
    area = biggest()
    area.spaces.active.shading.color_type = "TEXTURE"
    where = yield from places(area, "texture", "material", "project")
    check("the buttons are under the pointer", {"texture", "material", "project"} <= set(where), sorted(where))
    yield from shot("view")
    heart.name = "texture"
    yield from click(area, "texture", where["texture"])
    yield from until(lambda: session().tasks, 10)
    (task,) = session().tasks
    yield from until(lambda: task.done or task.job.fraction > 0.3, 200)
    check("it runs while the window is alive", not task.done, session().message)
    yield from shot("progress")
    check("a glimpse came", task.preview)
    yield from until(lambda: not session().tasks, 300)
    heart.name = ""
    cube = bpy.data.objects["Cube"]
    worn = cube.material_slots[0].material
    check("the cube wears it", worn.name == "red brick", worn.name)
    check("it is remembered", len(bpy.context.scene.velatura.history) == 1)
    yield 1.5
    yield from shot("texture")


def cancel_by_click():
    area = biggest()
    before = len(bpy.data.images)
    bpy.context.scene.velatura.steps = 200
    bpy.ops.velatura.texture("EXEC_DEFAULT")
    bpy.ops.velatura.generate("EXEC_DEFAULT", prompt="moss")
    yield from until(lambda: session().tasks and session().tasks[0].job.fraction > 0, 200)
    yield 1.0  # panels glide to their places
    yield from shot("queue")
    heart.name = "queue"
    yield 4.0
    heart.name = ""
    for _ in range(2):
        yield 2.0  # panels glide to their places
        where = yield from places(area, "cancel")
        if "cancel" not in where:
            check("the cross is under the pointer", False, sorted(where))
            break
        left = len(session().tasks)
        yield from click(area, "cancel", where["cancel"])
        yield from until(lambda left=left: len(session().tasks) < left, 60)
    bpy.context.scene.velatura.steps = 0
    check("stopped by clicks", not session().tasks and session().message == "Stopped", session().message)
    check("nothing is left of it", len(bpy.data.images) == before)


def picture_by_click(settings):
    yield from turn_to("IMAGE_EDITOR")
    area = biggest()
    settings.prompt = "old planks"
    where = yield from places(area, "generate")
    heart.name = "picture"
    yield from click(area, "generate", where["generate"])
    yield from until(lambda: session().tasks, 10)
    yield from until(lambda: not session().tasks, 300)
    heart.name = ""
    shown = area.spaces.active.image
    check("the editor shows the picture", shown and shown.name == "old planks", shown and shown.name)
    yield 1.0
    yield from shot("picture")
    settings.source = "MASK"
    yield 0.5
    yield from shot("part")
    settings.source = "WORDS"


def lines_by_drag():
    """Lines over the picture: an end is dragged with the mouse, and the lines give a camera."""
    area, window = biggest(), bpy.context.window_manager.windows[0]
    region = next(each for each in area.regions if each.type == "WINDOW")
    picture = area.spaces.active.image
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)
        bpy.ops.velatura.lines_edit("INVOKE_DEFAULT")
    yield from drawn_anew()
    held = picture.velatura_perspective
    line = held.lines[1]
    x, y = (round(part) for part in region.view2d.view_to_region(*line.end, clip=False))
    way = [(region.x + x, region.y + y + step) for step in (0, 6, 12, 18)]
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=way[0][0], y=way[0][1])
    yield 0.1
    window.event_simulate(type="LEFTMOUSE", value="PRESS", x=way[0][0], y=way[0][1])
    before = tuple(line.end)
    for place in way[1:]:
        window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=place[0], y=place[1])
        yield 0.1
    window.event_simulate(type="LEFTMOUSE", value="RELEASE", x=way[-1][0], y=way[-1][1])
    yield 0.3
    wanted = region.view2d.region_to_view(x, y + 18)
    off = max(abs(a - b) for a, b in zip(line.end, wanted, strict=True))
    check("the mouse moves a line's end", off < 0.01 and tuple(line.end) != before, (before, tuple(line.end)))
    check("the moved line is chosen", held.index == 1, held.index)
    yield from shot("lines")
    window.event_simulate(type="RET", value="PRESS")
    window.event_simulate(type="RET", value="RELEASE")
    yield 0.5
    cameras = len(bpy.data.cameras)
    bpy.ops.velatura.camera_from_lines(image=picture.name)
    check("the lines give a camera", len(bpy.data.cameras) == cameras + 1, session().message)


def nodes_and_preferences():
    yield from turn_to("ShaderNodeTree")
    area = biggest()
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area,
                                   region=next(each for each in area.regions if each.type == "WINDOW")):  # fmt: skip
        bpy.ops.node.view_all()
    yield 1.0
    yield from shot("nodes")
    material = bpy.data.objects["Cube"].material_slots[0].material
    before = len(material.node_tree.nodes)
    where = yield from places(area, "generate")
    check("a picture can be made a node", "generate" in where, sorted(where))
    if "generate" in where:
        yield from click(area, "generate", where["generate"])
        yield from until(lambda: session().tasks, 10)
        yield from until(lambda: not session().tasks, 300)
        check("the picture is a node", len(material.node_tree.nodes) == before + 1)
    bpy.ops.velatura.open_preferences()
    yield 2.0
    yield from shot("preferences")
    windows = bpy.context.window_manager.windows
    if len(windows) > 1:
        with bpy.context.temp_override(window=windows[-1]):
            bpy.ops.wm.window_close()
    yield 0.5


def trouble():
    """The engine dies: the panel says so in words, with the button that helps, within two seconds."""
    (DESK / "kill.ask").touch()
    while not (DESK / "kill.done").exists():
        yield STEP
    since = time.monotonic()
    yield from until(lambda: not session().status.ok, 20)
    check("an engine that died is said within 2 s", time.monotonic() - since < 2.0, f"{time.monotonic() - since:.1f} s")
    where = yield from places(biggest(), "start_engine")
    check("the button that helps is there", "start_engine" in where, sorted(where))
    yield from shot("trouble")


def tools():
    """What the other sections need of this one."""
    return sections.Tools(found=found, check=check, session=session, module=lambda name: sys.modules[f"{NAME}.{name}"],
                          shot=shot, until=until, turn_to=turn_to, biggest=biggest, drawn_anew=drawn_anew, press=press,
                          hover=hover, places=places, click=click, region_of=region_of)  # fmt: skip


def main():
    """Drive the steps from a timer, whatever happens end, and leave."""
    walk, since = steps(), time.monotonic()

    def tick():
        try:
            return next(walk)
        except StopIteration:
            end()
        except Exception:
            found["notes"].append(traceback.format_exc())
            found["checks"]["every step"] = False
            (DESK / "failed.ask").touch()
            bpy.app.timers.register(end, first_interval=3.0)
        return None

    def end():
        found["notes"].append(f"{time.monotonic() - since:.0f} s in all; the panel said:")
        found["notes"] += [session().message, session().status.words]
        (DESK / "found.json").write_text(json.dumps(found))
        bpy.ops.preferences.addon_disable(module=NAME)
        bpy.ops.wm.quit_blender()

    bpy.app.timers.register(heart.beat, first_interval=1.0, persistent=True)
    bpy.app.timers.register(tick, first_interval=2.0, persistent=True)


main()
