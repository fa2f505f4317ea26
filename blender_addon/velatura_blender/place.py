"""Puts results into the scene: images, materials, UV layers. Nothing of the artist's is changed or replaced.

New images and materials get names of their own. A material goes into an object's slots at the object, so the mesh keeps
its own materials: switching a slot's link back to "Data" brings them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import bpy
import numpy as np

from . import host, icons, looks
from .pace import Pieces, beside
from .sheets import Sheet, mark_of, sheet

LAYER = "Velatura UV"
RECIPE = "velatura_recipe"
MARK = "velatura_file"
"""Of images that are still the file that was packed here, what `sheets.mark_of` says of it."""
KEPT = "velatura_kept"
"""Marks materials that are kept by us alone, not by an artist's shield."""
MAKE_LOCAL = "Object > Relations > Make Local > Selected Objects and Data"
MOST_LAYERS = 8  # of a mesh


def title(words: str, most: int = 48) -> str:
    """A name made of what an artist wrote: nothing in it that a file's name may not have, as exporters write images to
    files of their names, and at most so many bytes, as Blender cuts what is longer than 63."""
    plain = " ".join("".join(" " if each in '/\\:*?"<>|' else each for each in words).split())
    return plain.encode()[:most].decode(errors="ignore").strip() or "Velatura"


def image(name: str, picture: np.ndarray | Sheet, recipe: str = "", *, data: bool = False) -> bpy.types.Image:
    """A new packed image of (H, W, 1, 3 or 4), row 0 on top: uint8 in sRGB, or with `data` plain numbers, also uint16.

    A fourth channel is kept beside the colours. Blender reads it when it is first looked at.
    """
    ready = picture if isinstance(picture, Sheet) else sheet(picture)
    name = title(name, 63)
    made = bpy.data.images.new(name, 1, 1, alpha=ready.channels == 4, is_data=data)  # the file brings its size
    made.colorspace_settings.name = "Non-Color" if data else "sRGB"
    made.alpha_mode = "CHANNEL_PACKED"
    made.pack(data=ready.file, data_len=len(ready.file))
    made.source = "FILE"
    made[RECIPE] = recipe
    if ready.mark:
        made[MARK] = ready.mark
    icons.know(made, ready.small)
    return made


def material(
    name: str, picture: bpy.types.Image, layer: str, *, repeat: float = 1.0, recipe: str = ""
) -> bpy.types.Material:
    """A new material: UV layer, mapping (`repeat` times over 0..1), image and Principled BSDF, wired."""
    made = bpy.data.materials.new(name)
    tree = host.give_nodes(made)
    made[RECIPE] = recipe
    nodes, links = tree.nodes, tree.links
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


def texture_node(made: bpy.types.Material, picture: bpy.types.Image) -> None:
    """Add an image to a material's nodes, linked to nothing, left of what is there."""
    nodes = made.node_tree.nodes
    left = min((node.location.x for node in nodes), default=0.0)
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.location = picture, (left - 300, 300)


def fitting(made: bpy.types.Material, thing: bpy.types.Object) -> bpy.types.Material:
    """A material of ours for an object: itself, or a copy that reads the object's own UV layer."""
    if layers_of(made) <= {layer.name for layer in thing.data.uv_layers}:
        return made
    layer, _ = uv_layer(thing)
    copy = made.copy()
    for node in copy.node_tree.nodes:
        if node.type in ("UVMAP", "NORMAL_MAP"):
            node.uv_map = layer
    return copy


def layers_of(made: bpy.types.Material) -> set[str]:
    """The UV layers that a material reads by their names."""
    return {node.uv_map for node in made.node_tree.nodes if node.type in ("UVMAP", "NORMAL_MAP") and node.uv_map}


def wear(thing: bpy.types.Object, made: bpy.types.Material, slots: Sequence[int] = ()) -> None:
    """Show a material on all of an object or in these of its slots, at the object: its mesh, and others that share it,
    keep their own."""
    if not thing.material_slots:
        thing.data.materials.append(None)
    for number, slot in enumerate(thing.material_slots):
        if slots and number not in slots:
            continue
        if slot.link == "OBJECT":
            keep(slot.material)
        slot.link = "OBJECT"
        slot.material = made


def keep(worn: bpy.types.Material | None) -> None:
    """Keep a material in the file that is not worn any more: it would be gone with the next save."""
    if worn is not None and worn.library is None and not worn.use_fake_user:
        worn.use_fake_user = True
        worn[KEPT] = True


def is_only_kept(worn: bpy.types.Material) -> bool:
    """Whether nothing uses a material, and no artist asked for it to be kept."""
    return worn.users == (worn.use_fake_user and worn.get(KEPT, False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An image that an object wears: the UV layer it lies in, and how it is laid there, uv * scale + shift."""

    image: bpy.types.Image
    layer: str
    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)


def look_of(
    thing: bpy.types.Object, layer: str, side: int, rooms: list[np.ndarray] | None = None
) -> Callable[[], np.ndarray]:
    """What reckons an object's look as it is now as a texture (H, W, 3) uint8, row 0 on top, and touches no Blender
    data: its image in this layer, read into one of these `rooms`, else its colour.

    `side` pixels square; an image that lies there once and is larger keeps its size, so that nothing of it is lost.
    """
    found = shown(thing, layer, rooms)
    if found is not None:
        return partial(found.texture, side)
    color = base_color(_material_of(thing), (0.8, 0.8, 0.8))
    return lambda: np.broadcast_to(color, (side, side, 3)).copy()


def shown(thing: bpy.types.Object, layer: str, rooms: list[np.ndarray] | None = None) -> looks.Shown | None:
    """The image that an object wears in a layer, as it is now, read into one of these `rooms`; None where its look is
    another one."""
    worn = look(thing)
    if worn is None or worn.layer != layer:
        return None
    return looks.Shown(raw=raw(worn.image, rooms), scale=tuple(worn.scale), shift=tuple(worn.shift))


def shows_more(thing: bpy.types.Object, layer: str) -> bool:
    """Whether an object's look is made by nodes that `look_of` cannot follow, which then finds a colour alone."""
    worn, found = look(thing), _material_of(thing)
    if found is None or (worn is not None and worn.layer == layer):
        return False
    shader = _shader_of(found)
    return bool(host.nodes_of(found)) if shader is None else shader.inputs["Base Color"].is_linked


def base_color(worn: bpy.types.Material | None, other: Sequence[float]) -> np.ndarray:
    """A material's base colour without its images, (3,) uint8 sRGB; `other`, linear, where there is none."""
    color = other
    if worn is not None:
        shader = _shader_of(worn)
        color = worn.diffuse_color if shader is None else shader.inputs["Base Color"].default_value
    return looks.to_bytes(looks.srgb(np.array(color[:3])))


def look(thing: bpy.types.Object, worn: bpy.types.Material | None = None) -> Look | None:
    """The image that an object wears, of its first material or of `worn`, another one of its materials; None where
    its look is a colour, or is made by other nodes."""
    found = _material_of(thing) if worn is None else worn
    shader = None if found is None else _shader_of(found)
    socket = None if shader is None else shader.inputs["Base Color"]
    if socket is None or not socket.is_linked or socket.links[0].from_node.type != "TEX_IMAGE":
        return None
    return laid_by(thing, socket.links[0].from_node)


def laid_by(thing: bpy.types.Object, texture: bpy.types.Node) -> Look | None:
    """How an image texture node lays its image onto an object; None where other nodes have a say in it."""
    if texture.image is None or not texture.image.size[0] or texture.projection != "FLAT":  # asking its size loads it
        return None
    scale, shift, vector = (1.0, 1.0), (0.0, 0.0), texture.inputs["Vector"]
    if vector.is_linked and (mapping := vector.links[0].from_node).type == "MAPPING":
        place, turn, size = (tuple(mapping.inputs[name].default_value) for name in ("Location", "Rotation", "Scale"))
        vector = mapping.inputs["Vector"]
        if mapping.vector_type != "POINT" or any(turn) or not vector.is_linked:
            return None
        scale, shift = size[:2], place[:2]
    layers = thing.data.uv_layers
    layer = next((known.name for known in layers if known.active_render), "")
    if vector.is_linked and vector.links[0].from_node.type == "UVMAP":
        layer = vector.links[0].from_node.uv_map or layer
    elif vector.is_linked and vector.links[0].from_socket.identifier != "UV":
        return None
    return Look(image=texture.image, layer=layer, scale=scale, shift=shift) if layer in layers else None


def _material_of(thing: bpy.types.Object) -> bpy.types.Material | None:
    return next((slot.material for slot in thing.material_slots if slot.material is not None), None)


def _shader_of(worn: bpy.types.Material) -> bpy.types.Node | None:
    nodes = host.nodes_of(worn)
    return next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)


def raw(picture: bpy.types.Image, rooms: list[np.ndarray] | None = None) -> looks.Numbers:
    """An image's numbers as they are now; one of these `rooms` is taken for them, where it fits."""
    file = _own_file(picture)
    if file is not None:
        return looks.Packed(file=file)
    (width, height), channels = picture.size, picture.channels
    count = width * height * channels
    numbers = rooms.pop() if rooms and rooms[-1].size == count else np.empty(count, np.float32)
    picture.pixels.foreach_get(numbers)
    return looks.Raw(numbers=numbers.reshape(height, width, channels), is_float=picture.is_float)


def rooms_for(picture: bpy.types.Image | None, times: int) -> Pieces[list[np.ndarray]]:
    """Room for an image's numbers so many times, in pieces; none for what `raw` needs none for."""
    if picture is None or picture.get(MARK):
        return []
    count = picture.size[0] * picture.size[1] * picture.channels
    return (yield from beside([partial(looks.room, count)] * times))


def _own_file(picture: bpy.types.Image) -> bytes | None:
    """The file that `image` packed, where the image still shows that; else None."""
    mark, files = picture.get(MARK, ""), picture.packed_files
    plain = picture.source == "FILE" and not picture.is_dirty and picture.alpha_mode in ("STRAIGHT", "CHANNEL_PACKED")
    if not mark or not plain or len(files) != 1:
        return None
    file = files[0].packed_file.data
    return file if mark_of(file) == mark else None


def read(picture: bpy.types.Image) -> np.ndarray:
    """An image's pixels (H, W, 4) uint8, row 0 on top, colours on the sRGB curve."""
    return raw(picture).texels()


def uv_layer(thing: bpy.types.Object, *, fresh: bool = False) -> tuple[str, bool]:
    """The UV layer to use, and whether it was made: the active one, else a new unwrap; no layer is changed.

    Raises ValueError where none can be made.
    """
    layers = thing.data.uv_layers
    if layers.active is not None and not fresh:
        return layers.active.name, False
    if thing.data.library is not None:
        raise ValueError(f"The mesh of {thing.name} is from another file and cannot be unwrapped: {MAKE_LOCAL}")
    if thing.use_dynamic_topology_sculpting:
        raise ValueError(f"{thing.name} cannot be unwrapped while it is sculpted with Dyntopo: switch that off first")
    made = add_layer(thing.data, LAYER, _unwrapped(thing)) if len(layers) < MOST_LAYERS else ""
    if not made:
        raise ValueError(f"{thing.name} has 8 UV maps already; remove one")
    return made, True


def add_layer(mesh: bpy.types.Mesh, name: str, uvs: np.ndarray) -> str:
    """A new UV layer with UVs of every loop (2 L,), not the active one unless it is the first; "" where none fits."""
    layers = mesh.uv_layers
    active, made = layers.active_index, layers.new(name=name, do_init=False)
    if made is None:
        return ""
    called = made.name
    try:
        made.uv.foreach_set("vector", uvs)
    except RuntimeError:
        layers.remove(layers[called])
        raise
    if active >= 0:
        layers.active_index = active
    return called


def _unwrapped(thing: bpy.types.Object) -> np.ndarray:
    """UVs of every loop (2 L,) by Blender's Smart UV Project, made on a copy so that no selection changes."""
    copy = bpy.data.objects.new("Velatura unwrap", thing.data.copy())
    copy.scale = thing.matrix_world.to_scale()  # islands get the size they have in the scene
    while copy.data.uv_layers:
        copy.data.uv_layers.remove(copy.data.uv_layers[0])
    try:
        with host.in_a_window(), _alone(copy):
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
    view.update()  # Blender follows its list of objects while it brings it up to date, and falls
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
