"""What a camera sees: true depth, which object is where, and the surfaces to paint. The scene is left as it was.

Everything is taken from the evaluated scene (modifiers, instances) in world space, metres. Depth is distance along the
camera's axis, infinity where nothing is. Arrays are numpy, pictures have row 0 on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from . import meshes, offscreen
from .pace import Breath, Pieces, finished

SOLID = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
Shape = tuple[np.ndarray, np.ndarray, np.ndarray | None]
Forms = dict[int, meshes.Form | None]
"""What was read of evaluated meshes, by their addresses, so that each is read once; of use until something changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One solid thing: its object's name, positions (V, 3) float64 in the world, triangles (T, 3), turned outwards.

    `uvs` (T, 3, 2) float32 of the layer that was asked for, or None.
    """

    name: str
    positions: np.ndarray
    triangles: np.ndarray
    uvs: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One solid thing as Blender has it: its object's name, its evaluated form, and where it stands, a matrix (4, 4).

    `laid` (L, 2) are the UVs of the layer that was asked for, or None. To read is quick, and `pieces` reckons.
    """

    name: str
    form: meshes.Form
    matrix: np.ndarray
    laid: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """A camera: world_to_camera (4, 4) rigid, camera_to_clip (4, 4) OpenGL with shift and aspect, both float64."""

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    orthographic: bool

    def before(self, places: np.ndarray) -> np.ndarray:
        """Places (..., 3) in the world as they are before it, float32: reckoned in double precision."""
        matrix = self.world_to_camera
        return (places @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the lens saw: depth (H, W) float32 metres, objects (H, W) int32 index into `names`, -1 for nothing."""

    lens: Lens
    depth: np.ndarray
    objects: np.ndarray
    names: tuple[str, ...]

    def mask(self, names: Sequence[str]) -> np.ndarray:
        """Pixels (H, W) that show one of these objects."""
        return np.isin(self.objects, [number for number, name in enumerate(self.names) if name in set(names)])


def lens_of(
    camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph, width: int, height: int, *, square: bool = False
) -> Lens:
    """The matrices of a camera object for a picture of this size, whose pixels are the render's, or `square`.

    Panoramic cameras raise ValueError.
    """
    if camera.data.type == "PANO":
        raise ValueError(f"Panoramic cameras cannot project: make {camera.name} a perspective or orthographic one")
    render = depsgraph.scene.render
    to_clip = camera.evaluated_get(depsgraph).calc_matrix_camera(
        depsgraph,
        x=width,
        y=height,
        scale_x=1.0 if square else render.pixel_aspect_x,
        scale_y=1.0 if square else render.pixel_aspect_y,
    )
    pose = camera.evaluated_get(depsgraph).matrix_world.normalized()
    return Lens(
        world_to_camera=np.linalg.inv(np.array(pose)),
        camera_to_clip=np.array(to_clip, np.float64),
        orthographic=camera.data.type == "ORTHO",
    )


def frame(
    camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph, width: int, height: int, *, gpu: bool = True
) -> Frame:
    """Depth and objects as the camera sees them; drawn on the graphics card, or cast ray by ray where there is none."""
    return see(lens_of(camera, depsgraph, width, height), list(solids(depsgraph)), width, height, gpu=gpu)


def see(lens: Lens, pieces: Sequence[Piece], width: int, height: int, *, gpu: bool = True) -> Frame:
    """Depth and objects as a lens sees these pieces."""
    return finished(look(lens, pieces, (width, height), Breath(), gpu=gpu))


def look(
    lens: Lens, pieces: Sequence[Piece], size: tuple[int, int], breath: Breath, *, gpu: bool = True
) -> Pieces[Frame]:
    """The same, in pieces where it is drawn; `size` is (width, height)."""
    names = tuple(dict.fromkeys(piece.name for piece in pieces))
    numbers = [names.index(piece.name) for piece in pieces]
    if gpu and offscreen.ready():
        things = [_drawable(lens, piece, number) for piece, number in zip(pieces, numbers, strict=True)]
        seen = yield from offscreen.draw(offscreen.DEPTH, things, lens.camera_to_clip, size, breath)
        hit = seen[..., 3] > 0.5
        depth = np.where(hit, seen[..., 0], np.float32(np.inf))
        objects = np.where(hit, np.rint(seen[..., 1]), -1).astype(np.int32)
    else:
        depth, objects = _cast(lens, pieces, numbers, *size)
    return Frame(lens=lens, depth=depth, objects=objects, names=names)


def visible(depsgraph: bpy.types.Depsgraph) -> Iterator[bpy.types.DepsgraphObjectInstance]:
    """Everything that is seen both in the viewport and in renders. What is handed out lives until the next one only."""
    rendered, within = _rendered(depsgraph.view_layer), {}
    for instance in depsgraph.object_instances:
        shown, owner = instance.object, instance.parent if instance.is_instance else instance.object
        if shown.hide_render or owner.hide_render or not shown.visible_camera or not instance.show_self:
            continue
        if owner.original.session_uid not in rendered:
            continue
        own = owner.original
        group = own.instance_collection if instance.is_instance and own.instance_type == "COLLECTION" else None
        if group is not None:
            if group.name_full not in within:
                within[group.name_full] = _inside(group)
            if shown.original.session_uid not in within[group.name_full]:
                continue
        yield instance


def renders(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bool:
    """Whether renders show an object, and a camera sees it."""
    return not thing.hide_render and thing.visible_camera and thing.session_uid in _rendered(depsgraph.view_layer)


def _rendered(layer: bpy.types.ViewLayer) -> set[int]:
    """The objects of a view layer that are in a collection which renders show, by numbers that outlive an undo."""
    found: set[int] = set()
    left = [layer.layer_collection]
    while left:
        each = left.pop()
        if each.collection.hide_render or each.indirect_only:
            continue
        left += list(each.children)
        if not each.exclude:  # which excludes nothing of its children's
            found.update(thing.session_uid for thing in each.collection.objects)
    return found


def _inside(group: bpy.types.Collection) -> set[int]:
    """What an instance of a collection shows in renders, other collections in it and instances of those too."""
    found: set[int] = set()
    left, known = [group], set()
    while left:
        each = left.pop()
        if each.hide_render or each.name_full in known:
            continue
        known.add(each.name_full)
        found.update(thing.session_uid for thing in each.objects)
        left += [*each.children, *(one.instance_collection for one in each.objects if one.instance_collection)]
    return found


def solids(depsgraph: bpy.types.Depsgraph) -> Iterator[Piece]:
    """Everything solid that `visible` knows, instances included. What else there is `unseen` knows."""
    return pieces(readings(depsgraph, {}))


def surface(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph, layer: str) -> Piece | None:
    """An object's evaluated surface with a layer's UVs; None where it has no faces, `uvs` None without the layer."""
    found = reading(thing, depsgraph, layer, {})
    return None if found is None else next(pieces([found]))


def readings(depsgraph: bpy.types.Depsgraph, forms: Forms, *, shaded: bool = False) -> Iterator[Reading]:
    """Everything solid as Blender has it; `forms` takes in what is read, `shaded` with normals."""
    for instance in visible(depsgraph):
        shown = instance.object
        if shown.type not in SOLID:
            continue
        owner = instance.parent if instance.is_instance else shown
        form, _ = _form(shown, "", forms, shaded=shaded)
        if form is not None:
            yield Reading(name=owner.original.name, form=form, matrix=np.array(instance.matrix_world, np.float64))


def reading(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph, layer: str, forms: Forms) -> Reading | None:
    """An object's evaluated surface as Blender has it, with a layer's UVs; None where it has no faces."""
    shown = thing.evaluated_get(depsgraph)
    form, laid = _form(shown, layer, forms)
    matrix = np.array(shown.matrix_world, np.float64)
    return None if form is None else Reading(name=thing.name, form=form, matrix=matrix, laid=laid)


def form_of(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph, forms: Forms) -> meshes.Form | None:
    """The form of an object's evaluated surface, where that has been read."""
    return forms.get(thing.evaluated_get(depsgraph).data.as_pointer())


def pieces(found: Iterable[Reading]) -> Iterator[Piece]:
    """What was read, placed in the world; meshes share their triangles. Touches no Blender data."""
    triangles: dict[int, np.ndarray] = {}
    for each in found:
        form = each.form
        if id(form) not in triangles:
            triangles[id(form)] = form.triangles
        uvs = None if each.laid is None else each.laid[form.loops]
        yield placed((form.positions, triangles[id(form)], uvs), each.matrix, each.name)


def _form(
    shown: bpy.types.Object, layer: str, forms: Forms, *, shaded: bool = False
) -> tuple[meshes.Form | None, np.ndarray | None]:
    """The form of an evaluated thing, None where it has no faces, and UVs (L, 2) of a layer, None without it."""
    key = shown.data.as_pointer()
    if key in forms and not layer:
        return forms[key], None
    mesh = shown.to_mesh()
    try:
        if key not in forms:
            forms[key] = meshes.form(mesh, shaded=shaded) if mesh is not None and len(mesh.polygons) else None
        there = forms[key] is not None and layer in mesh.uv_layers
        return forms[key], meshes.laid(mesh, layer) if there else None
    finally:
        shown.to_mesh_clear()


def placed(shape: Shape, matrix: np.ndarray, name: str) -> Piece:
    """A shape in the world."""
    positions, triangles, uvs = shape
    if np.linalg.det(matrix[:3, :3]) < 0:  # mirrored: turn it outwards again
        triangles = triangles[:, ::-1]
        uvs = None if uvs is None else uvs[:, ::-1]
    places = positions.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return Piece(name=name, positions=places, triangles=triangles, uvs=uvs)


def _drawable(lens: Lens, piece: Piece, number: int) -> offscreen.Drawable:
    return offscreen.Drawable(number=number, triangles=piece.triangles, rows={"place": lens.before(piece.positions)})


def _cast(
    lens: Lens, pieces: Sequence[Piece], numbers: Sequence[int], width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and numbers by casting a ray through each pixel's centre."""
    depth = np.full((height, width), np.inf, np.float32)
    objects = np.full((height, width), -1, np.int32)
    if not pieces:
        return depth, objects
    places, triangles, first = [], [], 0
    for piece in pieces:
        places.append(lens.before(piece.positions))
        triangles.append(piece.triangles + first)
        first += len(piece.positions)
    tree = BVHTree.FromPolygons(np.concatenate(places).tolist(), np.concatenate(triangles).tolist(), all_triangles=True)
    owner = np.repeat(numbers, [len(each) for each in triangles])
    start, way = rays(lens, width, height)
    for row in range(height):
        for column in range(width):
            hit, _, index, _ = tree.ray_cast(start[row, column], way[row, column])
            if index is not None:
                depth[row, column], objects[row, column] = -hit.z, owner[index]
    return depth, objects


def rays(lens: Lens, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Origins on the near plane and directions (H, W, 3) through the pixels' centres, in camera space."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2)
    back = np.linalg.inv(lens.camera_to_clip)
    near, deep = (np.stack([x, y, np.full_like(x, z), np.ones_like(x)], -1) @ back.T for z in (-1.0, 0.0))
    near, deep = near[..., :3] / near[..., 3:], deep[..., :3] / deep[..., 3:]
    return near, deep - near
