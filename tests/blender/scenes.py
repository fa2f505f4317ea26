"""Small scenes and what Cycles says of them."""

import bpy
import numpy as np
from mathutils import Vector


def place_camera(place, target=(0, 0, 0)):
    """The scene's camera, at a place, looking at a target."""
    scene = bpy.context.scene
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(scene.camera)
    scene.camera.location = place
    scene.camera.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    return scene.camera


def add(kind, name, place=(0, 0, 0), **more):
    """A primitive with UVs, by the name of Blender's operator."""
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(location=place, **more)
    thing = bpy.context.object
    thing.name = name
    return thing


def suzanne(name="Suzanne", place=(0, 0, 0), levels=1):
    thing = add("monkey", name, place)
    modifier = thing.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = modifier.render_levels = levels
    return thing


def select(*things):
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0] if things else None


def cycles_depth(folder):
    """Depth (H, W) by Cycles' own Z pass; 1e10 for nothing."""
    import OpenEXR

    scene = bpy.context.scene
    scene.view_layers[0].use_pass_z = True
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    settings.exr_codec = "ZIP"
    scene.render.filepath = str(folder / "depth.exr")
    bpy.ops.render.render(write_still=True)
    with OpenEXR.File(scene.render.filepath, separate_channels=True) as file:
        name = next(name for name in file.channels() if name.endswith("Depth.Z"))
        return np.array(file.channels()[name].pixels)
