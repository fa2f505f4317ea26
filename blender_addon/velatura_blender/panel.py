"""The Velatura tab beside the 3D view."""

import textwrap

import bpy

from .session import session

COLUMNS = 38  # letters in a line of the panel


class VELATURA_PT_panel(bpy.types.Panel):
    """What to paint, the buttons, and how it goes."""

    bl_label = "Velatura"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Velatura"

    def draw(self, context):
        """The panel."""
        settings, layout = context.scene.velatura, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        for name in ("prompt", "negative", "size", "seed", "steps"):
            column.prop(settings, name)
        box = layout.column(align=True)
        box.prop(settings, "tiling")
        box.prop(settings, "repeat")
        box.operator("velatura.texture", icon="TEXTURE")
        box = layout.column(align=True)
        box.prop(settings, "texture_size")
        box.prop(settings, "fresh_uvs")
        box.operator("velatura.project", icon="CAMERA_DATA")
        self.draw_state(layout)

    def draw_state(self, layout):
        """Running jobs with their progress, and the last message."""
        for task in session.tasks:
            row = layout.row(align=True)
            row.progress(factor=task.job.fraction, text=task.message or task.title)
            row.operator("velatura.cancel", text="", icon="CANCEL")
        if session.message and not session.tasks:
            column = layout.column(align=True)
            column.alert = session.failed
            for line in textwrap.wrap(session.message, COLUMNS):
                column.label(text=line)
        if session.failed and session.engine is None:
            layout.operator("velatura.start_engine", icon="PLAY")


def register() -> None:
    """Show it."""
    bpy.utils.register_class(VELATURA_PT_panel)


def unregister() -> None:
    """Hide it."""
    bpy.utils.unregister_class(VELATURA_PT_panel)
