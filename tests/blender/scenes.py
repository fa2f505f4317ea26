"""Small scenes and what Cycles says of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bpy
import numpy as np
from mathutils import Vector
from velatura_blender import host, pace
from velatura_blender.errands import Errands, errands
from velatura_blender.session import session


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
    bpy.context.view_layer.update()
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0] if things else None


def many_layers(settings):
    """Let a render be written as one OpenEXR of all its passes, in full floats."""
    if hasattr(settings, "media_type"):  # since Blender 5.0
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"


def layer_of(path, ending):
    """The layer (H, W) float32 of an OpenEXR whose name ends so, whichever of its parts it lies in."""
    import OpenEXR

    with OpenEXR.File(path, separate_channels=True) as file:
        layers = {name: layer for part in file.parts for name, layer in part.channels.items()}
        return np.array(next(layers[name].pixels for name in layers if name.endswith(ending)))


def cycles_depth(folder):
    """Depth (H, W) by Cycles' own Z pass; 1e10 for nothing."""
    scene = bpy.context.scene
    scene.view_layers[0].use_pass_z = True
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    settings = scene.render.image_settings
    many_layers(settings)
    settings.exr_codec = "ZIP"
    scene.render.filepath = str(folder / "depth.exr")
    bpy.ops.render.render(write_still=True)
    return layer_of(scene.render.filepath, "Depth.Z")


def state():
    """Everything an artist would notice, as one comparable thing."""
    scene = bpy.context.scene
    names = [known.identifier for known in scene.render.bl_rna.properties]
    settings = {name: str(getattr(scene.render, name)) for name in names}
    things = [
        (
            thing.name,
            tuple(map(tuple, thing.matrix_world)),
            thing.select_get(),
            thing.hide_get(),
            [slot.name for slot in thing.material_slots],
            thing.mode,
            [(layer.name, uv_bytes(layer)) for layer in thing.data.uv_layers] if thing.type == "MESH" else None,
        )
        for thing in scene.objects
    ]
    blocks = {
        kind: sorted(block.name for block in getattr(bpy.data, kind))
        for kind in ("scenes", "images", "materials", "meshes", "cameras", "objects", "textures", "node_groups")
    }
    active = bpy.context.view_layer.objects.active
    return settings, things, blocks, scene.frame_current, active and active.name, bpy.context.mode


def uv_bytes(layer):
    values = np.empty(len(layer.uv) * 2, np.float32)
    layer.uv.foreach_get("vector", values)
    return values.tobytes()


def render(path, samples=4):
    """The scene as Cycles shows it, (H, W, 3) float 0..1 on the sRGB curve, row 0 on top."""
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    loaded = bpy.data.images.load(str(path))
    width, height = loaded.size
    pixels = np.empty(width * height * loaded.channels, np.float32)
    loaded.pixels.foreach_get(pixels)
    channels = loaded.channels
    bpy.data.images.remove(loaded)
    return pixels.reshape(height, width, channels)[::-1, :, :3]


def daylight():
    """Even light from everywhere."""
    world = bpy.data.worlds.new("World")
    host.give_nodes(world).nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    bpy.context.scene.world = world


def faces_of_texels(thing, side):
    """The face (side, side) whose UVs hold each texel's centre; -1 for none."""
    mesh = thing.data
    mesh.calc_loop_triangles()
    found = np.full((side, side), -1)
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    for triangle in mesh.loop_triangles:
        a, b, c = ((uv.x * side, (1 - uv.y) * side) for uv in (mesh.uv_layers[0].uv[k].vector for k in triangle.loops))
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = np.all([each >= 0 for each in sides], 0) | np.all([each <= 0 for each in sides], 0)
        found[inside] = triangle.polygon_index
    return found


def accepted():
    """Until the engine has taken the first job in."""
    until = time.monotonic() + 5
    while not session.tasks[0].accepted and time.monotonic() < until:
        session.pump()
        time.sleep(0.01)


def after_the_button(monkeypatch, change):
    """Have something changed when the first piece is done, as it is when an artist presses the button; what that begins
    beside Blender's thread waits for the change."""
    start, changed = Errands.start, threading.Event()

    class Held(ThreadPoolExecutor):
        def submit(self, call):
            return super().submit(lambda: call() if changed.wait(20) else None)

    def and_change(self, title, steps, **more):
        errand = start(self, title, steps, **more)
        assert not errand.done
        change()
        changed.set()
        return errand

    monkeypatch.setattr(pace, "ThreadPoolExecutor", Held)
    monkeypatch.setattr(Errands, "start", and_change)


def sent():
    """Until all that was asked for in pieces is at the engine; no result is placed yet. Raises what it failed with."""
    until = time.monotonic() + 20
    for errand in list(errands.running):
        while not errand.done and time.monotonic() < until:
            errands.further(errand)
            time.sleep(0.001)
        assert errand.done, errand.message
        if errand.error is not None:
            raise errand.error


def come():
    """Until the results of all jobs are there; what the artist is told."""
    sent()
    until = time.monotonic() + 20
    while session.tasks and time.monotonic() < until:
        session.pump()
        time.sleep(0.01)
    assert not session.tasks and not session.failed, session.message
    return session.message
