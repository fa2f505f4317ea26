"""The panel in which what the camera shows is restyled."""

import bpy

from .errands import errands
from .panel import Tab
from .restyle import FILM, STILL


class VELATURA_PT_restyle(Tab, bpy.types.Panel):
    """What the camera shows, painted over: as a picture, or frame by frame into a folder"""

    bl_label = "Restyle"
    bl_space_type = "VIEW_3D"
    bl_parent_id = "VELATURA_PT_panel"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        scene, layout = context.scene, self.layout
        chosen = scene.velatura_restyle
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        for name in ("origin", "change", "depth", "normals", "only"):
            column.prop(chosen, name, slider=name == "change")
        column.operator("velatura.restyle", icon="RENDER_STILL")
        column = layout.column()
        for name in ("folder", "passes", "anew"):
            column.prop(chosen, name)
        label = f"Restyle Frames {scene.frame_start} to {scene.frame_end}"
        column.operator("velatura.restyle_animation", text=label, icon="RENDER_ANIMATION")
        for errand in filter(None, (errands.find(STILL), errands.find(FILM))):
            row = layout.row(align=True)
            row.progress(factor=errand.fraction, text=errand.message)
            row.operator("velatura.restyle_stop", text="", icon="CANCEL")


register, unregister = bpy.utils.register_classes_factory((VELATURA_PT_restyle,))
