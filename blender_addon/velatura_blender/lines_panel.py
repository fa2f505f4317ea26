"""Drawing lines over a picture: the panel, the lines as they are seen, and the mouse that moves their ends."""

from types import MappingProxyType

import bpy
import gpu
from gpu_extras.batch import batch_for_shader

from . import host
from .lines import REACH

COLORS = MappingProxyType({"X": (0.93, 0.2, 0.32, 1), "Y": (0.45, 0.75, 0.1, 1), "Z": (0.2, 0.5, 0.93, 1)})
HELD = (1.0, 1.0, 1.0, 1.0)
_drawing: list[object] = []
"""The handler that draws while the lines are shown, at most one."""


def ends(held):
    """(line, name, (u, v)) of all ends."""
    return [(line, name, tuple(getattr(line, name))) for line in held.lines for name in ("start", "end")]


def nearest(held, point, to_screen, reach=REACH):
    """The end (line, name) that is at a point of the screen, or None. `to_screen(u, v)` says where a place is seen."""
    found, least = None, reach
    for line, name, place in ends(held):
        x, y = to_screen(*place)
        away = ((x - point[0]) ** 2 + (y - point[1]) ** 2) ** 0.5
        if away <= least:
            found, least = (line, name), away
    return found


def draw():
    """All lines of the shown picture, with handles."""
    space, region = bpy.context.space_data, bpy.context.region
    if space is None or space.type != "IMAGE_EDITOR" or space.image is None:
        return
    held = space.image.velatura_perspective
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", (region.width, region.height))
    gpu.state.blend_set("ALPHA")
    for number, line in enumerate(held.lines):
        a, b = (region.view2d.view_to_region(*getattr(line, name), clip=False) for name in ("start", "end"))
        shader.uniform_float("color", COLORS[line.axis])
        shader.uniform_float("lineWidth", 4.0 if number == held.index else 2.5)
        batch_for_shader(shader, "LINES", {"pos": [(*a, 0), (*b, 0)]}).draw(shader)
        for x, y in (a, b):
            square = [(x + dx, y + dy, 0) for dx, dy in ((-5, -5), (5, -5), (5, 5), (-5, 5), (-5, -5))]
            shader.uniform_float("lineWidth", 1.5)
            shader.uniform_float("color", HELD if number == held.index else COLORS[line.axis])
            batch_for_shader(shader, "LINE_STRIP", {"pos": square}).draw(shader)
    gpu.state.blend_set("NONE")


def show(shown):
    """Draw the lines in Image editors from now on, or no more."""
    if shown and not _drawing:
        _drawing.append(bpy.types.SpaceImageEditor.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL"))
    elif not shown and _drawing:
        bpy.types.SpaceImageEditor.draw_handler_remove(_drawing.pop(), "WINDOW")


class VELATURA_OT_lines_edit(bpy.types.Operator):
    """Move the ends of the lines with the mouse; Enter, Esc or the right button ends it"""

    bl_idname = "velatura.lines_edit"
    bl_label = "Draw Lines"
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context):
        """In an Image editor that shows a picture."""
        space = context.space_data
        return space is not None and space.type == "IMAGE_EDITOR" and space.image is not None

    def invoke(self, context, event):
        """Begin; without lines some are laid down."""
        if not context.space_data.image.velatura_perspective.lines:
            bpy.ops.velatura.line_add(image=context.space_data.image.name)
        self.window = next(region for region in context.area.regions if region.type == "WINDOW")
        self.area, self.picture, self.held = context.area, context.space_data.image.name, None
        show(True)
        context.window_manager.modal_handler_add(self)
        context.area.header_text_set("Lay the lines over what runs along X, Y and Z.  Enter: done")
        context.area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        """Follow the mouse."""
        picture = bpy.data.images.get(self.picture)
        if event.type in ("RET", "ESC", "RIGHTMOUSE") or picture is None or self.area not in list(context.screen.areas):
            return self.done(context)
        point = event.mouse_x - self.window.x, event.mouse_y - self.window.y
        lines = picture.velatura_perspective
        if event.type == "MOUSEMOVE" and self.held is not None:
            line = lines.lines[self.held[0]]
            setattr(line, self.held[1], self.window.view2d.region_to_view(*point))
            self.area.tag_redraw()
            return {"RUNNING_MODAL"}
        if event.type == "LEFTMOUSE" and event.value == "PRESS":
            self.held = self.take(lines, point)
            self.area.tag_redraw()
            return {"PASS_THROUGH"} if self.held is None else {"RUNNING_MODAL"}
        if event.type == "LEFTMOUSE" and event.value == "RELEASE" and self.held is not None:
            self.held = None
            host.undo_step("Move Line")
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def take(self, held, point):
        """The end under the mouse, as the line's number and the end's name; it is chosen in the list too."""
        inside = 0 <= point[0] < self.window.width and 0 <= point[1] < self.window.height

        def to_screen(u, v):
            return self.window.view2d.view_to_region(u, v, clip=False)

        found = nearest(held, point, to_screen) if inside else None
        if found is None:
            return None
        held.index = list(held.lines).index(found[0])
        return held.index, found[1]

    def done(self, context):
        """End it."""
        show(False)
        if self.area in list(context.screen.areas):
            self.area.header_text_set(None)
            self.area.tag_redraw()
        return {"FINISHED"}


class VELATURA_UL_lines(bpy.types.UIList):
    """Lines by their axis, with their length."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0):
        """A row."""
        row = layout.row(align=True)
        row.prop(item, "axis", text="")
        row.prop(item, "length", text="")


class VELATURA_PT_lines(bpy.types.Panel):
    """A camera from the lines of the picture that is shown."""

    bl_label = "Camera from Lines"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_parent_id = "VELATURA_PT_image"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        layout, picture = self.layout, host.shown_image(context)
        if picture is None:
            layout.label(text="Open a picture", icon="INFO")
            return
        held = picture.velatura_perspective
        layout.operator("velatura.lines_edit", icon="GREASEPENCIL")
        row = layout.row()
        row.template_list("VELATURA_UL_lines", "", held, "lines", held, "index", rows=4)
        column = row.column(align=True)
        column.operator("velatura.line_add", text="", icon="ADD").axis = "Z"
        column.operator("velatura.line_remove", text="", icon="REMOVE")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in ("focal", "free_centre", "match_size"):
            column.prop(held, name)
        column.operator("velatura.camera_from_lines", icon="CAMERA_DATA")


CLASSES = (VELATURA_OT_lines_edit, VELATURA_UL_lines, VELATURA_PT_lines)


def register() -> None:
    """Show it."""
    for each in CLASSES:
        bpy.utils.register_class(each)


def unregister() -> None:
    """Hide it."""
    show(False)
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
