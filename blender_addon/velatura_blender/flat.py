"""What a lens sees of the scene without any light: the images and colours that surfaces wear, as plain pixels.

A render would bake its lights into the texture that is painted over it. So surfaces are drawn with their UVs, on the
graphics card or ray by ray, and every pixel looks up what its surface wears there. Arrays as in `capture`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from . import capture, meshes, offscreen, place, texels
from .pace import Breath, Pieces

SHADER = offscreen.Shader(
    vertex="void main() { depth = -place.z; laid = uv; gl_Position = to_clip * vec4(place, 1.0); }",
    fragment="void main() { seen = vec4(depth, gl_FrontFacing ? number : -number, laid); }",
    given={"uv": 2},
    between={"depth": 1, "laid": 2},
)
NOTHING = (128, 128, 128)
"""Colour of what is behind everything."""
PLAIN = (0.8, 0.8, 0.8)
"""Colour of what has no material, before it is put on the sRGB curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The faces of one thing that have one material: positions (V, 3) in the world, triangles (T, 3) turned outwards.

    `uvs` (T, 3, 2) say where in `look` they are; without a look they have `color`, sRGB uint8. `slot` is the number of
    the material; `whole` says that it is the object itself and no instance of it.
    """

    name: str
    slot: int
    whole: bool
    positions: np.ndarray
    triangles: np.ndarray
    uvs: np.ndarray | None = None
    look: place.Look | None = None
    color: tuple[int, int, int] = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Depth (H, W) float32 metres, number of the patch (H, W) int32 or -1, whether its front is seen (H, W) bool, and
    UVs (H, W, 2)."""

    lens: capture.Lens
    depth: np.ndarray
    patch: np.ndarray
    front: np.ndarray
    uvs: np.ndarray


def patches(
    depsgraph: bpy.types.Depsgraph,
    looks: Callable[[bpy.types.Object, int], place.Look | None],
    own: Mapping[int, meshes.Form],
) -> Callable[[], list[Patch]]:
    """What reckons everything solid that `capture.solids` knows, as it is now, and touches no Blender data;
    `looks(object, slot)` is what a material of an object shows, `own` the forms of objects' own meshes where they were
    read."""
    read, forms = [], {}
    for instance in capture.visible(depsgraph):
        shown = instance.object
        if shown.type not in capture.SOLID:
            continue
        owner = (instance.parent if instance.is_instance else shown).original
        parts = _read(shown, looks, forms, own)
        if parts:
            read.append((owner.name, not instance.is_instance, np.array(instance.matrix_world, np.float64), *parts))

    def reckon() -> list[Patch]:
        return [patch for each in read for patch in _cut(*each)]

    return reckon


def _read(shown, looks, forms, own):
    """The form of an evaluated thing, the slots (T,) of its triangles, and of each slot that is worn its number, look,
    UVs (L, 2) and colour; None for what has no faces."""
    mesh = shown.to_mesh()
    try:
        if mesh is None or not len(mesh.polygons):
            return None
        key = shown.data.as_pointer()
        if key not in forms:
            data = shown.original.data
            forms[key] = meshes.form(mesh, own.get(data.session_uid) if data is not None else None)
        slots, worn = meshes.slots(mesh, shown.material_slots), []
        for slot in np.flatnonzero(np.bincount(slots)).tolist():
            look = looks(shown.original, slot)
            there = look is not None and look.layer in mesh.uv_layers
            laid = meshes.laid(mesh, look.layer) if there else None
            worn.append((slot, look if there else None, laid, _color(shown, slot)))
        return forms[key], slots[meshes.owners(mesh)], worn
    finally:
        shown.to_mesh_clear()


def _cut(name, whole, matrix, form, slots, worn) -> Iterator[Patch]:
    triangles = form.triangles
    for slot, look, laid, color in worn:
        some, uvs = slots == slot, None
        if look is not None:
            uvs = laid[form.loops[some]] * np.float32(look.scale) + np.float32(look.shift)
        piece = capture.placed((form.positions, triangles[some], uvs), matrix, name)
        yield Patch(
            name=name, slot=slot, whole=whole, positions=piece.positions, triangles=piece.triangles, uvs=piece.uvs,
            look=look, color=color,
        )  # fmt: skip


def _color(shown: bpy.types.Object, slot: int) -> tuple[int, int, int]:
    worn = shown.material_slots[slot].material if slot < len(shown.material_slots) else None
    return tuple(place.base_color(worn, PLAIN).tolist())


Corners = list[offscreen.Drawable]
"""Of each patch the corners of its triangles before a lens, their UVs, and its number, from 1."""


def corners(lens: capture.Lens, pieces: Sequence[Patch]) -> Corners:
    """Where patches are before a lens. Touches no Blender data."""
    found = []
    for number, piece in enumerate(pieces, 1):
        uvs = np.zeros((*piece.triangles.shape, 2)) if piece.uvs is None else piece.uvs
        rows = {
            "place": lens.before(piece.positions)[piece.triangles].reshape(-1, 3),
            "uv": uvs.reshape(-1, 2).astype(np.float32),
        }
        each = np.arange(piece.triangles.size).reshape(-1, 3)
        found.append(offscreen.Drawable(number=number, triangles=each, rows=rows))
    return found


def see(
    lens: capture.Lens, given: Corners, size: tuple[int, int], breath: Breath, *, drawn: bool = True
) -> Pieces[Seen]:
    """What a lens sees of patches whose `corners` before it are given, in pieces; `size` is (width, height). `drawn` on
    the graphics card where there is one."""
    if drawn and offscreen.ready():
        seen = yield from offscreen.draw(SHADER, given, lens.camera_to_clip, size, breath)
        signed, laid = np.rint(seen[..., 1]).astype(np.int32), seen[..., 2:]
        depth = np.where(signed != 0, seen[..., 0], np.float32(np.inf))
    else:
        depth, signed, laid = _cast(given, lens, *size)
    return Seen(lens=lens, depth=depth, patch=np.abs(signed) - 1, front=signed > 0, uvs=laid)


def _cast(things, lens, width, height):
    """Depth, signed numbers and UVs by casting a ray through each pixel's centre."""
    depth, signed = np.full((height, width), np.inf, np.float32), np.zeros((height, width), np.int32)
    laid = np.zeros((height, width, 2), np.float32)
    if not things:
        return depth, signed, laid
    corners, given = (np.concatenate([thing.rows[name] for thing in things]) for name in ("place", "uv"))
    corners, given = corners.reshape(-1, 3, 3), given.reshape(-1, 3, 2)
    owner = np.repeat([thing.number for thing in things], [len(thing.triangles) for thing in things])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    tree = BVHTree.FromPolygons(
        corners.reshape(-1, 3).tolist(), np.arange(len(corners) * 3).reshape(-1, 3).tolist(), all_triangles=True
    )
    start, way = capture.rays(lens, width, height)
    for row in range(height):
        for column in range(width):
            hit, _, index, _ = tree.ray_cast(start[row, column], way[row, column])
            if index is None:
                continue
            a, b, c = corners[index]
            parts = np.linalg.lstsq(np.stack([b - a, c - a], 1), np.array(hit) - a, rcond=None)[0]
            laid[row, column] = given[index][0] + parts @ (given[index][1:] - given[index][0])
            depth[row, column] = -hit.z
            signed[row, column] = owner[index] * (1 if normals[index] @ way[row, column] < 0 else -1)
    return depth, signed, laid


def images(seen: Seen, pieces: Sequence[Patch]) -> list[bpy.types.Image]:
    """The images that are seen, each once."""
    known = {}
    for number, piece in enumerate(pieces):
        if piece.look is not None and (seen.patch == number).any():
            known[piece.look.image.session_uid] = piece.look.image
    return list(known.values())


def colors(seen: Seen, pieces: Sequence[Patch], shown: Sequence[np.ndarray | None]) -> np.ndarray:
    """What is seen, (H, W, 3) uint8 on the sRGB curve; images are averaged where a pixel shows many texels of them.
    `shown` are the pixels (H, W, 3) of each piece's image. Touches no Blender data."""
    found = np.empty((*seen.patch.shape, 3), np.uint8)
    found[...] = NOTHING
    for number, (piece, pixels) in enumerate(zip(pieces, shown, strict=True)):
        here = seen.patch == number
        if here.any():
            found[here] = piece.color if pixels is None else np.rint(values(seen, here, pixels))
    return found


def values(seen: Seen, here: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """What a picture (H, W, C) uint8 shows at the pixels `here` (H, W): (N, C) float32."""
    height, width = pixels.shape[:2]
    fine = 2 ** int(np.log2(max(_texels_a_pixel(seen, here, width, height), 1)))
    small = texels.resized(pixels, max(width // fine, 1), max(height // fine, 1)) if fine > 1 else pixels
    return texels.sampled(small, texels.corners_of(seen.uvs[here], small.shape[1], small.shape[0]))


def _texels_a_pixel(seen: Seen, here: np.ndarray, width: int, height: int) -> float:
    """How many texels a pixel is wide, in the middle of what is seen."""
    steps = np.abs(np.diff(seen.uvs, axis=1)) * (width, height)
    both = here[:, 1:] & here[:, :-1]
    return float(np.median(steps.max(2)[both])) if both.any() else 1.0
