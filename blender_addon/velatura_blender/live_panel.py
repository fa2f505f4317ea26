"""The panel with the switch of the live view."""

import bpy

from . import live_view
from .panel import Tab, words


class VELATURA_PT_live(Tab, bpy.types.Panel):
    """Painting while the view moves and meshes are edited"""

    bl_label = "Live"
    bl_space_type = "VIEW_3D"
    bl_parent_id = "VELATURA_PT_panel"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        chosen, live, layout = context.scene.velatura_live, live_view.now.live, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = live is None
        column.prop(chosen, "target")
        column = layout.column()
        for name in ("side", "steps", "change", "depth"):
            column.prop(chosen, name, slider=name == "change")
        row = layout.row(align=True)
        row.operator("velatura.live", text="Stop Live" if live else "Live", icon="PAUSE" if live else "PLAY",
                     depress=live is not None)  # fmt: skip
        row.operator("velatura.live_keep", text="", icon="IMAGE_DATA")
        if live is not None:
            words(layout, live.message, alert=live.failed)


register, unregister = bpy.utils.register_classes_factory((VELATURA_PT_live,))
