"""The part of the Velatura tab that textures whole objects and blends their views."""

import bpy

from . import views


class VELATURA_PT_whole(bpy.types.Panel):
    """Views, the button, and what can be changed afterwards."""

    bl_label = "Whole Object"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_parent_id = "VELATURA_PT_panel"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        layout, settings = self.layout, context.scene.velatura_whole
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(settings, "cameras")
        if settings.cameras == "AUTO":
            column.prop(settings, "views")
            column.prop(settings, "lens")
        column.prop(settings, "method")
        for name in ("uvs", "sharpness", "refine", "view_words"):
            if name != "refine" or settings.method == "sequence":
                column.prop(settings, name)
        column.operator("velatura.texture_object", icon="SHADING_TEXTURE")
        run = views.run_of(context.view_layer.objects.active, context.scene)
        if run is not None:
            self.draw_run(layout, run)

    def draw_run(self, layout, run):
        """The views of the active object, each with what can be done to it."""
        layout.label(text=run.prompt, icon="IMAGE_DATA")
        column = layout.column(align=True)
        for number, view in enumerate(run.views, 1):
            row = column.row(align=True)
            row.use_property_split = False
            row.prop(view, "use", text=view.name)
            row.prop(view, "weight", text="")
            row.operator("velatura.redo_view", text="", icon="FILE_REFRESH").number = number
        column = layout.column()
        column.prop(run, "sharpness")
        column.prop(run, "texture_size")
        column.operator("velatura.reblend", icon="RENDERLAYERS")
        column.operator("velatura.remove_views", icon="X")


def register() -> None:
    """Show it."""
    bpy.utils.register_class(VELATURA_PT_whole)


def unregister() -> None:
    """Hide it."""
    bpy.utils.unregister_class(VELATURA_PT_whole)
