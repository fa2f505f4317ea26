"""The part of the Velatura tab that makes surfaces of pictures."""

import bpy


class Relief:
    """Picture, depth, and the two buttons."""

    bl_label = "Depth and Mesh"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        layout, settings = self.layout, context.scene.velatura_relief
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        if self.bl_space_type == "VIEW_3D":
            column.label(text="Picture")
            column.template_ID(settings, "image", open="image.open")
        column.label(text="Depth" if settings.depth else "Depth: estimated by the engine")
        column.template_ID(settings, "depth", open="image.open")
        if settings.depth:
            column.prop(settings, "depth_kind")
        column = layout.column()
        column.prop(settings, "lens")
        if settings.lens == "OWN":
            column.prop(settings, "angle")
        if not settings.depth or settings.depth_kind != "METRES":
            column.prop(settings, "nearest")
            column.prop(settings, "relief")
        column.prop(settings, "jump")
        column.prop(settings, "triangles")
        column.operator("velatura.relief_mesh", icon="MESH_DATA")
        column = layout.column()
        column.prop(settings, "side")
        column.prop(settings, "height")
        column.operator("velatura.relief_plane", icon="MESH_PLANE")


class VELATURA_PT_view_relief(Relief, bpy.types.Panel):
    """A picture with depth as a surface."""

    bl_space_type = "VIEW_3D"
    bl_parent_id = "VELATURA_PT_panel"


class VELATURA_PT_image_relief(Relief, bpy.types.Panel):
    """The shown picture with depth as a surface."""

    bl_space_type = "IMAGE_EDITOR"
    bl_parent_id = "VELATURA_PT_image"


register, unregister = bpy.utils.register_classes_factory((VELATURA_PT_view_relief, VELATURA_PT_image_relief))
