"""Where a part of a texture is changed: beside the 3D view, first in Edit Mode and Texture Paint, else closed."""

import bpy

from . import host


def draw(layout, context):
    """The settings and the button."""
    settings, mode = context.scene.velatura_local, context.mode
    layout.use_property_split = True
    layout.use_property_decorate = False
    column = layout.column()
    column.prop(settings, "way")
    column.prop(settings, "part")
    row = column.row(align=True)
    if settings.part in ("AUTO", "IMAGE"):
        row.prop(settings, "mask")
    row.operator("velatura.new_mask", text="" if settings.part in ("AUTO", "IMAGE") else "New Mask", icon="ADD")
    column.prop(settings, "strength", slider=True)
    column.prop(settings, "surroundings")
    column.prop(settings, "match")
    if settings.way == "VIEW":
        column.prop(settings, "look_from")
        column.prop(settings, "follow_depth")
    else:
        column.prop(settings, "edges")
    layout.operator("velatura.local_edit", icon="UV_FACESEL" if mode == "EDIT_MESH" else "BRUSH_DATA")


class VELATURA_PT_local(bpy.types.Panel):
    """A part of the active object's texture, in Object Mode among the other ways to paint."""

    bl_label = "Change Part"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_parent_id = "VELATURA_PT_panel"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    @classmethod
    def poll(cls, context):
        """Where it is not already open."""
        return context.mode not in host.PARTS_MARKED_IN

    def draw(self, context):
        """The panel."""
        draw(self.layout, context)


class VELATURA_PT_local_marked(bpy.types.Panel):
    """The same in the modes in which parts are marked, open."""

    bl_label = "Change Part"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_parent_id = "VELATURA_PT_panel"
    bl_order = 0  # before all others

    @classmethod
    def poll(cls, context):
        """In Edit Mode and Texture Paint."""
        return context.mode in host.PARTS_MARKED_IN

    def draw(self, context):
        """The panel."""
        draw(self.layout, context)


register, unregister = bpy.utils.register_classes_factory((VELATURA_PT_local, VELATURA_PT_local_marked))
