"""Change Part by clicks in a full Blender, with selected faces and with a painted mask; undo; and the history."""

import bpy
import numpy as np
import tabs

SIDE = 128


def parts(tools):
    """Faces in Edit Mode, a mask in Texture Paint, each taken back by one Ctrl-Z."""
    yield from tools.turn_to("VIEW_3D")
    tools.biggest().spaces.active.shading.color_type = "TEXTURE"
    settings = bpy.context.scene.velatura
    settings.prompt, settings.size, settings.texture_size = "moss", 128, 128
    settings.controls.clear()
    settings.adapters.clear()
    before = dressed()
    bpy.ops.ed.undo_push(message="Dressed")
    yield from in_mode(tools, "EDIT")
    yield from change(tools, before, "faces")
    yield from undone(tools, "faces")
    yield from in_mode(tools, "OBJECT")
    yield from in_mode(tools, "TEXTURE_PAINT")
    yield from painted_mask(tools)
    yield from change(tools, before, "mask")
    yield from undone(tools, "mask")
    yield from in_mode(tools, "OBJECT")


def random_look(side):
    """A material that shows an image of random numbers, which is packed and opened, as one that is on the screen is."""
    image = bpy.data.images.new("Own", side, side)
    image.pixels.foreach_set(np.random.default_rng(5).random(side * side * 4, np.float32))
    image.update()
    image.pack()
    made = bpy.data.materials.new("Own")
    made.use_nodes = True
    node = made.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(each for each in made.node_tree.nodes if each.type == "BSDF_PRINCIPLED")
    made.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    return made


def dressed():
    """The cube with an image of random numbers and its upper face selected; the image's pixels."""
    cube = bpy.data.objects["Cube"]
    bpy.context.view_layer.objects.active = cube
    cube.select_set(True)
    cube.material_slots[0].link = "DATA"
    cube.data.materials[0] = random_look(SIDE)
    for polygon in cube.data.polygons:
        polygon.select = polygon.normal.z > 0.9
    for edge in cube.data.edges:
        edge.select = False
    for vertex in cube.data.vertices:
        vertex.select = False
    bpy.context.tool_settings.mesh_select_mode = (False, False, True)
    return pixels(worn())


def pixels(image):
    """Bytes (H, W, 4), row 0 at the bottom."""
    numbers = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(numbers)
    return np.rint(numbers * 255).astype(np.uint8).reshape(SIDE, SIDE, 4)


def worn():
    """The image that the cube shows."""
    material = bpy.data.objects["Cube"].material_slots[0].material
    return next((node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE"), None)


def in_mode(tools, mode):
    """Another mode of the cube."""
    area = tools.biggest()
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
        bpy.ops.object.mode_set("EXEC_DEFAULT", True, mode=mode)  # True: with its own undo step, as by hand
    yield from tabs.settled(tools, area)


def change(tools, before, name):
    """Press Change Part; some texels change and not all."""
    area = tools.biggest()
    where = yield from tools.places(area, "local_edit")
    yield from tools.click(area, "local_edit", where["local_edit"])
    yield from tools.until(lambda: tools.session().tasks or tools.session().failed, 10)
    tools.check(f"Change Part asks ({name})", not tools.session().failed, tools.session().message)
    yield from tools.until(lambda: not tools.session().tasks, 120)
    made = worn()
    tools.check(f"a copy of the image is worn ({name})", made.name == "Own.001", (made.name, tools.session().message))
    share = (pixels(made) != before).any(2).mean()
    tools.check(f"only a part of it has changed ({name})", 0.002 < share < 0.25, share)
    tools.check(f"the artist's own is as it was ({name})", np.array_equal(pixels(bpy.data.images["Own"]), before))
    yield from tabs.settled(tools, area)
    yield from tools.shot(f"part-{name}")


def undone(tools, name):
    """One Ctrl-Z over the 3D view takes all of it back, and nothing else."""
    mode = bpy.data.objects["Cube"].mode
    yield from undo(tools)
    made = worn()
    tools.check(f"one Ctrl-Z takes it back ({name})", made is not None and made.name == "Own", made and made.name)
    tools.check(f"and leaves nothing ({name})", "Own.001" not in bpy.data.images, sorted(bpy.data.images.keys()))
    now = bpy.data.objects["Cube"].mode
    tools.check(f"and the mode is the same ({name})", now == mode, (mode, now))


def undo(tools):
    """Ctrl-Z, pressed over the 3D view."""
    area, window = tools.biggest(), bpy.context.window_manager.windows[0]
    place = {"x": area.x + area.width // 3, "y": area.y + area.height // 2}
    tools.hover(*place.values())
    yield 0.3
    window.event_simulate(type="LEFT_CTRL", value="PRESS", ctrl=True, **place)
    yield 0.1
    window.event_simulate(type="Z", value="PRESS", ctrl=True, **place)
    window.event_simulate(type="Z", value="RELEASE", ctrl=True, **place)
    yield 0.1
    window.event_simulate(type="LEFT_CTRL", value="RELEASE", **place)
    yield 1.0


def painted_mask(tools):
    """A mask by its button, white where the cube's upper face is."""
    area = tools.biggest()
    where = yield from tools.places(area, "new_mask", right=43)
    tools.check("there is a button for a mask", "new_mask" in where, sorted(where))
    yield from tools.click(area, "new_mask", where["new_mask"])
    yield from tools.until(lambda: bpy.context.scene.velatura_local.mask is not None, 10)
    mask = bpy.context.scene.velatura_local.mask
    white = np.zeros((SIDE, SIDE, 4), np.float32)
    white[..., 3] = 1
    white[72:88, 84:100, :3] = 1  # on the upper face; brushes are assets, which not every Blender has
    mask.pixels.foreach_set(white.ravel())
    mask.update()
    mask.pack()
    bpy.ops.ed.undo_push(message="Mask")
    yield 0.2


def history(tools):
    """Undo of each way to paint, and the history's buttons."""
    yield from tools.turn_to("VIEW_3D")
    settings = bpy.context.scene.velatura
    settings.prompt, settings.size, settings.texture_size, settings.seed = "moss", 128, 128, 5
    bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
    bpy.data.objects["Cube"].select_set(True)
    for name in ("texture", "material", "project", "texture_object", "generate"):
        bpy.ops.ed.undo_push(message="Before")
        before = state()
        getattr(bpy.ops.velatura, name)("EXEC_DEFAULT")
        yield from tools.until(lambda: tools.session().tasks, 20)  # a whole object is asked in pieces
        yield from tools.until(lambda: not tools.session().tasks, 120)
        tools.check(f"it is painted ({name})", state() != before, tools.session().message)
        yield from undo(tools)
        tools.check(f"one Ctrl-Z takes it back ({name})", state() == before, (before, state()))
    yield from by_click(tools)


def by_click(tools):
    """Use, vary, apply and forget, by clicks in the history's panel."""
    bpy.ops.velatura.texture("EXEC_DEFAULT")
    yield from tools.until(lambda: not tools.session().tasks, 120)
    settings = bpy.context.scene.velatura  # those before Ctrl-Z may be gone
    tools.session().message = ""
    settings.prompt, settings.seed = "something else", 9
    area = tools.biggest()
    where = yield from tools.places(area, "project")
    yield from tools.press(tabs.header_below(tools, area, where["project"], 8))
    yield from tabs.scroll(tools, area, -8)
    yield from tabs.settled(tools, area)
    yield from tools.shot("history")
    settings = bpy.context.scene.velatura
    middle = tools.region_of(area).width // 4
    left = yield from tools.places(area, "history_vary", right=3 * middle)
    right = yield from tools.places(area, "history_delete", right=middle)
    tools.check("its four buttons are there", {"history_use", "history_vary"} <= set(left)
                and {"history_apply", "history_delete"} <= set(right), (sorted(left), sorted(right)))  # fmt: skip
    yield from tools.click(area, "history_use", left["history_use"])
    yield 0.5
    tools.check("settings are used again", (settings.prompt, settings.seed) == ("moss", 5), settings.prompt)
    count = len(settings.history)
    yield from tools.click(area, "history_vary", left["history_vary"])
    yield from tools.until(lambda: tools.session().tasks, 10)
    yield from tools.until(lambda: not tools.session().tasks, 120)
    tools.check("it is varied", len(settings.history) == count + 1, tools.session().message)
    yield from tools.shot("history-varied")


def state():
    """What there is of what is painted."""
    cube = bpy.data.objects["Cube"]
    return (
        sorted(bpy.data.images.keys()), sorted(bpy.data.materials.keys()), sorted(cube.data.uv_layers.keys()),
        [slot.material and slot.material.name for slot in cube.material_slots], len(bpy.context.scene.velatura.history),
    )  # fmt: skip
