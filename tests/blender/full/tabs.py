"""The tab in every editor and mode, in a full Blender: each panel opened by a click on its header, drawn and shot."""

import sys
from contextlib import contextmanager

import bpy

FIRST_HEADER, HEADER = 22, 26  # pixels from the last button to the first closed panel, and from there to the next
TABS = {
    "VIEW_3D": ("project", "whole local view_relief restyle live view_sampling view_hints view_adapters view_history"),
    "IMAGE_EDITOR": (
        "generate", "repeating image_relief lines image_sampling image_hints image_adapters image_history",
    ),
    "ShaderNodeTree": ("generate", "nodes_sampling nodes_hints nodes_adapters nodes_history"),
}  # fmt: skip
"""For each editor the last button above the panels, and the panels in their order."""
MODES = {"EDIT": "edit-mode", "TEXTURE_PAINT": "paint-mode"}
"""Those in which Change Part is open by itself, and what their screenshots are called."""
drawn: set[str] = set()


@contextmanager
def watched():
    """Note which of our panels are drawn."""

    def note(frame, event, _):
        if event == "return" and frame.f_code.co_name == "draw":
            name = type(frame.f_locals.get("self")).__name__
            if name.startswith("VELATURA_PT_"):
                drawn.add(name.removeprefix("VELATURA_PT_"))

    drawn.clear()
    sys.setprofile(note)  # to put another `draw` into a registered class kills Blender
    try:
        yield
    finally:
        sys.setprofile(None)


def tabs(tools):
    """All of them, with something in each."""
    settings = bpy.context.scene.velatura
    yield from furnish(tools, settings)
    for editor, (last, names) in TABS.items():
        yield from tools.turn_to(editor)
        tools.session().message = ""
        if editor == "IMAGE_EDITOR":
            tools.biggest().spaces.active.image = bpy.data.images["old planks"]
        yield from open_each(tools, last, names.split())
    yield from tools.turn_to("VIEW_3D")
    area, window = tools.biggest(), bpy.context.window_manager.windows[0]
    for mode, name in MODES.items():
        with bpy.context.temp_override(window=window, area=area, region=tools.region_of(area)):
            bpy.ops.object.mode_set(mode=mode)
        yield from settled(tools, area)
        with watched():
            yield from tools.shot(f"tab-{name}")
        tools.check(f"Change Part is open by itself ({name})", "local_marked" in drawn, sorted(drawn))
        with bpy.context.temp_override(window=window, area=area, region=tools.region_of(area)):
            bpy.ops.object.mode_set(mode="OBJECT")


def furnish(tools, settings):
    """A cube that was painted all around, a picture, hints and an adapter."""
    yield from tools.turn_to("VIEW_3D")
    tools.biggest().spaces.active.shading.color_type = "TEXTURE"
    settings.prompt, settings.size, settings.texture_size = "old planks", 128, 256
    bpy.ops.velatura.generate("EXEC_DEFAULT")
    yield from tools.until(lambda: not tools.session().tasks, 60)
    cube = bpy.data.objects["Cube"]
    cube.select_set(True)
    bpy.context.view_layer.objects.active = cube
    settings.prompt = "red brick wall"
    bpy.context.scene.velatura_whole.views = 6
    bpy.ops.velatura.texture_object("EXEC_DEFAULT")
    yield from tools.until(lambda: tools.session().tasks, 20)  # it is asked in pieces
    yield from tools.until(lambda: not tools.session().tasks, 120)
    tools.check("an object was painted all around", not tools.session().failed, tools.session().message)
    bpy.ops.velatura.line_add(image="old planks")
    settings.sampler = "dpmpp_2m"
    settings.controls.clear()
    hint = settings.controls.add()
    hint.kind, hint.source, hint.preprocessor = "canny", "IMAGE", "canny"
    hint.image = bpy.data.images["old planks"]
    if not settings.adapters:
        settings.adapters.add()


def open_each(tools, last, names):
    """Open one panel after the other by its header, look, and close it."""
    area = tools.biggest()
    yield from tools.drawn_anew()
    where = yield from tools.places(area, last)
    for row, name in enumerate(names):
        header = header_below(tools, area, where[last], row)
        yield from tools.press(header)
        low = row > 2
        yield from scroll(tools, area, -8 * low)
        with watched():
            yield from tools.shot(f"tab-{name.replace('_', '-')}")
        tools.check(f"the panel {name} opens where it is looked for", name in drawn, sorted(drawn))
        yield from scroll(tools, area, 8 * low)
        yield 0.3
        yield from tools.press(header)
        yield 0.5


def settled(tools, area):
    """Panels that come and go with the mode glide to their places while the mouse moves over them."""
    region = tools.region_of(area)
    for step in range(12):
        tools.hover(region.x + 100, region.y + 20 + step)
        area.tag_redraw()
        yield 0.2


def scroll(tools, area, steps):
    """Bring what opened below the window's edge into sight with a negative number, or the top again."""
    way = bpy.ops.view2d.scroll_down if steps < 0 else bpy.ops.view2d.scroll_up
    window, region = bpy.context.window_manager.windows[0], tools.region_of(area)
    for _ in range(abs(steps)):
        with bpy.context.temp_override(window=window, area=area, region=region):
            way(deltay=60)
    yield 0.1


def header_below(tools, area, button, row):
    """Where the header of a closed panel is, counted from 0 below the last button."""
    return tools.region_of(area).x + 60, button[1] - FIRST_HEADER - HEADER * row
