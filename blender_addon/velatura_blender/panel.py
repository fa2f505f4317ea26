"""The Velatura tab beside the 3D view."""

import textwrap

import bpy

from . import preferences
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
        preferences.look_for_models(context)
        settings, layout = context.scene.velatura, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(settings, "prompt")
        column.prop(settings, "negative")
        row = column.row(align=True)
        row.prop(settings, "model_choice")
        row.operator("velatura.look", text="", icon="FILE_REFRESH")
        for name in ("size", "seed", "steps"):
            column.prop(settings, name)
        box = layout.column(align=True)
        box.prop(settings, "tiling")
        box.prop(settings, "repeat")
        box.operator("velatura.texture", icon="TEXTURE")
        box.prop(settings, "displace")
        box.operator("velatura.material", icon="MATERIAL")
        box = layout.column(align=True)
        box.prop(settings, "texture_size")
        box.prop(settings, "fresh_uvs")
        box.operator("velatura.project", icon="CAMERA_DATA")
        self.draw_state(layout)

    def draw_words(self, layout, words, *, icon="NONE", alert=False):
        """Words in as many lines as they need."""
        column = layout.column(align=True)
        column.alert = alert
        for number, line in enumerate(textwrap.wrap(words, COLUMNS)):
            column.label(text=line, icon="BLANK1" if number and icon != "NONE" else icon)

    def draw_state(self, layout):
        """Running jobs with their progress, the last message, and what the engine warned of."""
        for task in session.tasks:
            row = layout.row(align=True)
            row.progress(factor=task.job.fraction, text=task.message or task.title)
            row.operator("velatura.cancel", text="", icon="CANCEL")
        if session.message and not session.tasks:
            self.draw_words(layout, session.message, alert=session.failed)
            for warning in session.warnings:
                self.draw_words(layout, warning, icon="ERROR")
        if session.failed and session.engine is None:
            layout.operator("velatura.start_engine", icon="PLAY")


def register() -> None:
    """Show it."""
    bpy.utils.register_class(VELATURA_PT_panel)


def unregister() -> None:
    """Hide it."""
    bpy.utils.unregister_class(VELATURA_PT_panel)
