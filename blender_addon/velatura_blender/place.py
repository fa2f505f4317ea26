"""Puts results into the scene: images, materials, UV layers. Nothing of the artist's is changed or replaced.

New images and materials get names of their own. A material goes into an object's slots at the object, so the mesh keeps
its own materials: switching a slot's link back to "Data" brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager

import bpy
import numpy as np

LAYER = "Velatura UV"
RECIPE = "velatura_recipe"


def image(name: str, pixels: np.ndarray, recipe: str = "") -> bpy.types.Image:
    """A new packed sRGB image of (H, W, 3 or 4) uint8, row 0 on top. A fourth channel is kept beside the colours."""
    height, width, channels = pixels.shape
    made = bpy.data.images.new(name, width, height, alpha=channels == 4)
    made.colorspace_settings.name = "sRGB"
    made.alpha_mode = "CHANNEL_PACKED"
    flat = np.ones((height, width, 4), np.float32)
    flat[..., :channels] = pixels[::-1] / np.float32(255)
    made.pixels.foreach_set(flat.ravel())
    made.update()
    made.pack()
    made[RECIPE] = recipe
    return made


def material(
    name: str, picture: bpy.types.Image, layer: str, *, repeat: float = 1.0, recipe: str = ""
) -> bpy.types.Material:
    """A new material: UV layer, mapping (`repeat` times over 0..1), image and Principled BSDF, wired."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made[RECIPE] = recipe
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.8
    texture, mapping, where = (nodes.new(f"ShaderNode{kind}") for kind in ("TexImage", "Mapping", "UVMap"))
    texture.image, where.uv_map = picture, layer
    mapping.inputs["Scale"].default_value = (repeat, repeat, 1.0)
    for step, node in enumerate((texture, mapping, where), 1):
        node.location = (shader.location.x - 300 * step, shader.location.y)
    links.new(where.outputs["UV"], mapping.inputs["Vector"])
    links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    nodes.active = texture
    return made


def wear(thing: bpy.types.Object, made: bpy.types.Material) -> None:
    """Show a material on all of an object, at the object: its mesh, and others that share it, keep their own."""
    if not thing.material_slots:
        thing.data.materials.append(None)
    for slot in thing.material_slots:
        if slot.link == "OBJECT" and slot.material is not None:
            slot.material.use_fake_user = True  # it would be gone with the next save
        slot.link = "OBJECT"
        slot.material = made


def look_of(thing: bpy.types.Object, layer: str, side: int) -> np.ndarray:
    """An object's present look as a texture (H, W, 3) uint8, row 0 on top: its image in this layer, else its colour.

    `side` pixels square; an image that is larger keeps its size, so that nothing of it is lost.
    """
    found = next((slot.material for slot in thing.material_slots if slot.material is not None), None)
    color: Sequence[float] = (0.8, 0.8, 0.8)
    if found is not None:
        color = found.diffuse_color[:3]
    if found is not None and found.use_nodes:
        shader = next((node for node in found.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
        if shader is not None:
            picture = _wired_image(shader.inputs["Base Color"], thing, layer)
            if picture is not None:
                return _resized(_pixels(picture), side)
            color = shader.inputs["Base Color"].default_value[:3]
    return np.broadcast_to(_to_bytes(_srgb(np.array(color))), (side, side, 3)).copy()


def _wired_image(socket: bpy.types.NodeSocket, thing: bpy.types.Object, layer: str) -> bpy.types.Image | None:
    """The image that feeds a socket directly and lies in this UV layer once over 0..1."""
    if not socket.is_linked or socket.links[0].from_node.type != "TEX_IMAGE":
        return None
    texture = socket.links[0].from_node
    vector = texture.inputs["Vector"]
    used = thing.data.uv_layers.active.name if thing.data.uv_layers else ""
    if vector.is_linked:
        source = vector.links[0].from_node
        if source.type == "MAPPING" and tuple(source.inputs["Scale"].default_value) == (1, 1, 1):
            inner = source.inputs["Vector"]
            source = inner.links[0].from_node if inner.is_linked else source
        if source.type == "UVMAP":
            used = source.uv_map or used
        elif source.type != "TEX_COORD":
            return None
    picture = texture.image
    return picture if picture is not None and used == layer and picture.has_data else None


def _pixels(picture: bpy.types.Image) -> np.ndarray:
    """Colours (H, W, 3) uint8, row 0 on top, on the sRGB curve."""
    width, height = picture.size
    flat = np.empty(width * height * picture.channels, np.float32)
    picture.pixels.foreach_get(flat)
    colors = flat.reshape(height, width, picture.channels)[::-1, :, :3]
    if colors.shape[2] < 3:
        colors = np.repeat(colors[..., :1], 3, axis=2)
    return _to_bytes(_srgb(colors) if picture.is_float else colors)


def _srgb(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """At least `side` and at most 8192 pixels each way, bilinear."""
    for axis in (0, 1):
        length = pixels.shape[axis]
        wanted = min(max(side, length), 8192)
        if wanted != length:
            place = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
            low = np.floor(place).astype(int)
            part = (place - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            high = np.minimum(low + 1, length - 1)
            pixels = pixels.take(low, axis) * (1 - part) + pixels.take(high, axis) * part
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)


def uv_layer(thing: bpy.types.Object, *, fresh: bool = False) -> tuple[str, bool]:
    """The UV layer to paint in, and whether it was made: the active one, else a new unwrap; no layer is changed.

    Raises ValueError where no further layer fits (a mesh holds 8).
    """
    layers = thing.data.uv_layers
    if layers.active is not None and not fresh:
        return layers.active.name, False
    if LAYER in layers and not layers:
        return LAYER, False
    found = _unwrapped(thing)
    active = layers.active_index
    made = layers.new(name=LAYER, do_init=False)
    if made is None:
        raise ValueError(f"{thing.name} has 8 UV maps already; remove one")
    made.uv.foreach_set("vector", found)
    if active >= 0:
        layers.active_index = active
    return made.name, True


def _unwrapped(thing: bpy.types.Object) -> np.ndarray:
    """UVs of every loop (2 L,) by Blender's Smart UV Project, made on a copy so that no selection changes."""
    copy = bpy.data.objects.new("Velatura unwrap", thing.data.copy())
    copy.scale = thing.matrix_world.to_scale()  # islands get the size they have in the scene
    while copy.data.uv_layers:
        copy.data.uv_layers.remove(copy.data.uv_layers[0])
    try:
        with _alone(copy):
            bpy.ops.object.mode_set(mode="EDIT")
            bpy.ops.mesh.reveal(select=False)
            bpy.ops.mesh.select_all(action="SELECT")
            bpy.ops.uv.smart_project(angle_limit=1.15192, island_margin=0.01)
            bpy.ops.object.mode_set(mode="OBJECT")
        found = np.empty(len(copy.data.loops) * 2, np.float32)
        copy.data.uv_layers[0].uv.foreach_get("vector", found)
        return found
    finally:
        mesh = copy.data
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)


@contextmanager
def _alone(thing: bpy.types.Object):
    """An object as the only selected one, in the scene for the time of the block."""
    view = bpy.context.view_layer
    selected, active = [other for other in view.objects if other.select_get()], view.objects.active
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in selected:
        other.select_set(False)
    bpy.context.scene.collection.objects.link(thing)
    thing.select_set(True)
    view.objects.active = thing
    try:
        yield
    finally:
        bpy.context.scene.collection.objects.unlink(thing)
        for other in selected:
            other.select_set(True)
        view.objects.active = active
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)
