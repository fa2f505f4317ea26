"""The panel *Camera from Lines* beside a photograph over which lines are drawn, for the guide's picture."""

import bpy
import tabs

ROW = 2  # of the panel below the last button in the Image editor


def lines(tools, file):
    """Open the panel by a click and show the lines, where there is a file with such a photograph and its lines."""
    if not file.exists():
        return
    yield from tools.turn_to("IMAGE_EDITOR")
    with bpy.data.libraries.load(str(file)) as (given, wanted):
        wanted.images = [name for name in given.images if name == "photo.png"]
    picture = wanted.images[0]
    tools.check("the photograph has its lines", len(picture.velatura_perspective.lines) > 3)
    picture.velatura_perspective.index = 0
    area, window = tools.biggest(), bpy.context.window_manager.windows[0]
    area.spaces.active.image = picture
    tools.session().message = ""
    yield from tools.drawn_anew()
    where = yield from tools.places(area, "generate")
    yield from tools.press(tabs.header_below(tools, area, where["generate"], ROW))
    yield from tabs.settled(tools, area)
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_zoom_ratio(ratio=1.0)
        bpy.ops.image.view_pan(offset=(110.0, 0.0))  # from below the sidebar
        bpy.ops.velatura.lines_edit("INVOKE_DEFAULT")
    with tabs.watched():
        yield from tools.shot("lines-panel")
    tools.check("Camera from Lines is open", "lines" in tabs.drawn, sorted(tabs.drawn))
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="RET", value=value)
    yield 0.3
