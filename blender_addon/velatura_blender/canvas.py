"""The texture of an object that is edited in place: which image it is, which texels its faces have, and the parts of it
that an artist marked. The artist's image is never written: a copy takes its place, in a copy of the material.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import bpy
import numpy as np

from . import host, looks, meshes, place, texels, unseen
from .sheets import Sheet, float_sheet, sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """An object's image as one of its materials lays it; `slot` is that material's number."""

    thing: bpy.types.Object
    slot: int
    look: place.Look

    @property
    def image(self) -> bpy.types.Image:
        """The image."""
        return self.look.image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, texels."""
        return tuple(self.look.image.size)

    @property
    def material(self) -> bpy.types.Material:
        """The material."""
        return self.thing.material_slots[self.slot].material


def canvas_of(thing: bpy.types.Object | None) -> Canvas:
    """The active image texture of an object's active material. Raises ValueError that says what is missing."""
    why = "" if thing is None else unseen.not_textured(thing)
    if why:
        raise ValueError(f"«{thing.name}» {why}")
    if thing is None or thing.type != "MESH":
        raise ValueError("Make the mesh object active whose texture is to be changed")
    if not thing.data.uv_layers:
        raise ValueError(f"{thing.name} has no UV map: unwrap it (Edit Mode, U), and give it a texture")
    slot = min(thing.active_material_index, max(len(thing.material_slots) - 1, 0))
    worn = thing.material_slots[slot].material if thing.material_slots else None
    look = None if worn is None else look_of(thing, worn)
    if look is None:
        raise ValueError(
            f"The active material of {thing.name} shows no image texture through a UV map: make one with Seamless "
            "Texture or Texture Object, or bake what other nodes make of it"
        )
    if look.image.source == "TILED":
        raise ValueError(f"{look.image.name} has UDIM tiles, which cannot be edited yet: use one image for each")
    if look.image.source not in ("FILE", "GENERATED"):
        raise ValueError(f"{look.image.name} is no still image: save the frame that is meant, and use that")
    return Canvas(thing=thing, slot=slot, look=look)


def key(block: bpy.types.ID) -> list[str]:
    """Words by which an image or material is found again: its name, and the file of its library or ""."""
    return [block.name, block.library.filepath if block.library is not None else ""]


def found(blocks: bpy.types.bpy_prop_collection, words: list[str]) -> bpy.types.ID | None:
    """What such words name, or None."""
    return blocks.get((words[0], words[1] or None))


def look_of(thing: bpy.types.Object, worn: bpy.types.Material) -> place.Look | None:
    """The active image texture of a material, where it holds colours; else the one of its base colour. Raises
    ValueError for an image whose pixels cannot be read."""
    nodes = host.nodes_of(worn)
    active = nodes.active if nodes else None
    for node in [active] if active is not None else []:
        if node.type == "TEX_IMAGE" and node.image is not None and not node.image.is_multiview:
            _need_pixels(node.image)
            if not node.image.colorspace_settings.is_data:
                found = place.laid_by(thing, node)
                if found is not None:
                    return found
    for node in nodes:
        if node.type == "TEX_IMAGE" and node.image is not None and node.outputs["Color"].is_linked:
            _need_pixels(node.image)
    return place.look(thing, worn)


def laid(look: place.Look) -> list[str | float]:
    """Where and how an image lies on an object, for comparison."""
    return [look.layer, *look.scale, *look.shift]


def shown_in(
    thing: bpy.types.Object, slot: int, where: list[str | float], shape: tuple[int, int]
) -> bpy.types.Image | None:
    """The image that one of an object's materials shows, if it is laid as told and has this height and width."""
    worn = thing.material_slots[slot].material if slot < len(thing.material_slots) else None
    look = None
    if worn is not None:
        with suppress(ValueError):
            look = look_of(thing, worn)
    if look is None or laid(look) != where or tuple(look.image.size) != shape[::-1]:
        return None
    return look.image if look.image.source in ("FILE", "GENERATED") else None


def _need_pixels(image: bpy.types.Image) -> None:
    if image.source in ("FILE", "GENERATED") and not image.size[0]:
        where = image.filepath or "a file that is not named"
        raise ValueError(f"The pixels of {image.name} cannot be read ({where}): find or pack its file")


@contextmanager
def still(thing: bpy.types.Object) -> Iterator[bpy.types.Mesh]:
    """An object's own mesh, readable also while it is edited, be it through another object that shares it."""
    if not thing.data.is_editmode:
        thing.data.calc_loop_triangles()
        yield thing.data
        return
    thing.update_from_editmode()
    copy = thing.data.copy()
    try:
        copy.calc_loop_triangles()
        yield copy
    finally:
        bpy.data.meshes.remove(copy)


FILES = ("STRAIGHT", "CHANNEL_PACKED")
"""How the alpha of images of bytes is kept that a file gives back as it is."""
Forms = dict[int, meshes.Form]
"""What was read of objects' own meshes, by their numbers, so that each is read once; of use until something changes."""


def faces(canvas: Canvas, forms: Forms) -> Callable[[], np.ndarray]:
    """What reckons texels (H, W) uint8 of the faces that are selected now, 255, and touches no Blender data. Raises
    ValueError where none is selected, and there where they have none."""
    width, height = canvas.size
    with still(canvas.thing) as mesh:
        chosen = meshes.numbers(mesh.polygons, "select", bool, 1)[:, 0]
        wearing = chosen & (meshes.slots(mesh, canvas.thing.material_slots) == canvas.slot)
        if not chosen.any():
            raise ValueError("No face is selected: choose some in Edit Mode, or with the paint mask of Texture Paint")
        if not wearing.any():
            raise ValueError(f"The selected faces do not wear {canvas.material.name}: make their material slot active")
        laid, owners = _laid(mesh, _form(canvas.thing, mesh, forms), canvas.look), meshes.owners(mesh)

    def reckon() -> np.ndarray:
        found = texels.drawn(texels.corners_of(laid()[wearing[owners]], width, height), width, height)
        if not found.any():
            raise ValueError(
                "The selected faces have no texels: they are smaller than one, or have no area in the UV map"
            )
        return np.where(found, 255, 0).astype(np.uint8)

    return reckon


def marked(canvas: Canvas, mask: bpy.types.Image) -> Callable[[], np.ndarray]:
    """What reckons texels (H, W) uint8 as white as a mask image is now over the same UV map, and touches no Blender
    data. Raises ValueError for a mask without pixels, and there for a black one."""
    if not mask.size[0]:
        raise ValueError(f"The pixels of the mask {mask.name} cannot be read: find or pack its file")
    read, name, size = place.raw(mask), mask.name, canvas.size

    def reckon() -> np.ndarray:
        given = read.texels()
        found = texels.resized(np.rint(given[..., :3].max(2) * (given[..., 3] / 255)).astype(np.uint8), *size)
        if not found.any():
            raise ValueError(f"The mask {name} is black everywhere: paint white where the texture is to change")
        return found

    return reckon


def covered(canvas: Canvas, forms: Forms) -> Callable[[], np.ndarray]:
    """What reckons the texels (H, W) that any face has whose material shows the image, on this object and on others,
    as they are now; it touches no Blender data."""
    width, height = canvas.size
    parts = []
    for thing in bpy.data.objects:
        if thing.type != "MESH" or not thing.data.uv_layers:
            continue
        for slot, each in enumerate(thing.material_slots):
            look = (
                canvas.look if (thing, slot) == (canvas.thing, canvas.slot) else _look_with(thing, each, canvas.image)
            )
            if look is None:
                continue
            with still(thing) as mesh:
                wearing = meshes.slots(mesh, thing.material_slots) == slot
                parts.append((_laid(mesh, _form(thing, mesh, forms), look), wearing, meshes.owners(mesh)))

    def reckon() -> np.ndarray:
        found = np.zeros((height, width), bool)
        for laid, wearing, owners in parts:
            found |= texels.drawn(texels.corners_of(laid()[wearing[owners]], width, height), width, height)
        return found

    return reckon


def _look_with(thing, slot, image) -> place.Look | None:
    found = None if slot.material is None else place.look(thing, slot.material)
    return found if found is not None and found.image == image else None


def _form(thing: bpy.types.Object, mesh: bpy.types.Mesh, forms: Forms) -> meshes.Form:
    number = thing.data.session_uid
    if number not in forms:
        forms[number] = meshes.form(mesh)
    return forms[number]


def _laid(mesh: bpy.types.Mesh, form: meshes.Form, look: place.Look) -> Callable[[], np.ndarray]:
    """What reckons UVs (T, 3, 2) of all triangles as the look lays them now, and touches no Blender data."""
    flat, layer = meshes.laid(mesh, look.layer), look.layer
    scale, shift = np.float32(look.scale), np.float32(look.shift)

    def reckon() -> np.ndarray:
        if not np.isfinite(flat).all():
            raise ValueError(f"The UV map {layer} holds numbers that are none: unwrap again")
        return flat[form.loops] * scale + shift

    return reckon


def digest(picture: np.ndarray) -> str:
    """A few words that tell pictures apart."""
    return hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16).hexdigest()


def look_since(shown: looks.Shown, before: str, side: int) -> np.ndarray | None:
    """What is shown as a texture (H, W, 3) uint8, if that is another look than the one whose digest is `before`; else
    None. Touches no Blender data."""
    present = shown.texture(side)
    return None if digest(present) == before else present


def laid_in(thing: bpy.types.Object, layer: str) -> Callable[[], np.ndarray]:
    """What reckons UVs (T, 3, 2) of an object's triangles in a layer as they are now, and touches no Blender data."""
    with still(thing) as mesh:
        return _laid(mesh, meshes.form(mesh), place.Look(image=None, layer=layer))


def over(present: np.ndarray, laid: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """A projection (H, W, 4) uint8 laid over a look (H, W, 3) of triangles with UVs (T, 3, 2). Its alpha says what was
    painted; other texels stay, and islands keep their paint past their edges. Touches no Blender data."""
    height, width = np.maximum(painted.shape[:2], present.shape[:2])
    if painted.shape[:2] != (height, width):
        # What lies beside the paint holds the look that was painted over: none of it may be mixed in.
        colors = texels.filled(painted[..., :3], painted[..., 3] > 0, steps=2)
        painted = np.concatenate([colors, painted[..., 3:]], 2)
    found, present = texels.resized(painted, width, height), texels.resized(present, width, height)
    known = texels.drawn(texels.corners_of(laid, width, height), width, height) | (found[..., 3] > 0)
    share = (texels.padded(found[..., 3], known) / np.float32(255))[..., None]
    found[..., :3] = np.rint(present + (found[..., :3] - present.astype(np.float32)) * share)
    return found


def mixed_with(
    paint: np.ndarray, mixed: np.ndarray | None, asked: np.ndarray | None, present: np.ndarray
) -> np.ndarray:
    """Paint (H, W, 3) uint8 sRGB, of which a share `mixed` (H, W) 0..1 is paint and the rest `asked` (H, W, 4), as if
    that rest were `present`. Without `asked` the paint as it is. Touches no Blender data."""
    if mixed is None or asked is None:
        return paint
    rest = present[..., :3].astype(np.float32) - asked[..., :3]
    return np.rint(np.clip(paint + rest * (1 - mixed)[..., None], 0, 255)).astype(np.uint8)


def copy_with(image: bpy.types.Image, paint: np.ndarray, share: np.ndarray, recipe: str) -> bpy.types.Image:
    """A packed copy of an image with paint (H, W, 3) uint8 sRGB laid over it by a share (H, W) 0..1; row 0 on top.

    Where the share is 0 every number is the image's own, also in floats; its alpha stays everywhere.
    """
    (width, height), channels = image.size, image.channels
    flat = np.empty(width * height * channels, np.float32)
    image.pixels.foreach_get(flat)
    wanted = paint.astype(np.float32) / 255
    found = _over(
        flat.reshape(height, width, channels)[::-1], looks.linear(wanted) if image.is_float else wanted, share
    )
    made = bpy.data.images.new(
        image.name, width, height, alpha=channels in (2, 4), float_buffer=image.is_float,
        is_data=image.colorspace_settings.is_data,
    )  # fmt: skip
    _mean_as(made, image)
    made.pixels.foreach_set(np.ascontiguousarray(found[::-1]).ravel())
    made.update()
    made.pack()
    made[place.RECIPE] = recipe
    return made


def _mean_as(made: bpy.types.Image, image: bpy.types.Image) -> None:
    """Let a copy's numbers mean what the image's do: its colour space and alpha."""
    made.colorspace_settings.name = image.colorspace_settings.name
    # Floats are multiplied by their alpha already, and would be once more whenever the file is opened.
    made.alpha_mode = "PREMUL" if image.is_float and image.alpha_mode == "STRAIGHT" else image.alpha_mode


def fits_a_file(image: bpy.types.Image) -> bool:
    """Whether an image can be made anew from a file, with the very same numbers."""
    return image.alpha_mode in (("STRAIGHT", "CHANNEL_PACKED", "PREMUL") if image.is_float else FILES)


def laid_over(
    present: looks.Numbers, texels: np.ndarray, paint: np.ndarray, share: np.ndarray, *, alpha: bool
) -> Sheet:
    """Paint (H, W, 3) laid over an image's numbers, whose `texels` (H, W, 4) are known, as `copy_with` does. Touches no
    Blender data."""
    if not present.is_float:
        touched, found = share > 0, texels.copy() if alpha else texels[..., :3].copy()
        there, part = found[touched, :3].astype(np.float32), share[touched][:, None].astype(np.float32)
        found[touched, :3] = np.rint(there + (paint[touched].astype(np.float32) - there) * part)
        return sheet(found)
    found = _over(present.numbers[::-1], looks.linear(paint.astype(np.float32) / 255), share)
    return float_sheet(found[..., : 4 if alpha else 3])


def _over(given: np.ndarray, paint: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Paint (H, W, 3) laid over an image's numbers (H, W, C) by a share (H, W): (H, W, 4) float32, alpha 1 where there
    is none."""
    channels, touched = given.shape[2], share > 0
    found = np.ones((*share.shape, 4), np.float32)
    found[..., :3] = given[..., :3] if channels >= 3 else given[..., :1]
    if channels in (2, 4):
        found[..., 3] = given[..., -1]
    there = found[touched, :3]
    found[touched, :3] = there + (paint[touched] - there) * share[touched][:, None].astype(np.float32)
    return found


def copy_from(image: bpy.types.Image, ready: Sheet, recipe: str) -> bpy.types.Image:
    """A packed copy of an image with the pixels of `laid_over`."""
    made = place.image(image.name, ready, recipe, data=image.colorspace_settings.is_data)
    made.name = image.name
    _mean_as(made, image)
    return made


def wear(thing: bpy.types.Object, worn: bpy.types.Material, before: bpy.types.Image, after: bpy.types.Image) -> None:
    """Show one image instead of another on an object: in a copy of the material that shows it, worn at the object."""
    made = worn.copy()
    made[place.RECIPE] = after[place.RECIPE]
    for node in made.node_tree.nodes:
        if node.type == "TEX_IMAGE" and node.image == before:
            node.image = after
    for slot in thing.material_slots:
        if slot.material == worn:
            if slot.link == "OBJECT":
                place.keep(worn)
            slot.link = "OBJECT"
            slot.material = made
    if before.is_dirty and before.library is None:
        before.use_fake_user = True  # and so would what was painted on it by hand
