"""What a camera sees: true depth, which object is where, and the surfaces to paint. The scene is left as it was.

Everything is taken from the evaluated scene (modifiers, instances) in world space, metres. Depth is distance along the
camera's axis, infinity where nothing is. Arrays are numpy, pictures have row 0 on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from . import meshes, offscreen

SOLID = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
Shape = tuple[np.ndarray, np.ndarray, np.ndarray | None]


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
class Lens:
    """A camera: world_to_camera (4, 4) rigid, camera_to_clip (4, 4) OpenGL with shift and aspect, both float64."""

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    orthographic: bool


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
    names = tuple(dict.fromkeys(piece.name for piece in pieces))
    if gpu and offscreen.ready():
        numbered = [(names.index(piece.name), *_seen_from(lens, piece)) for piece in pieces]
        depth, objects = offscreen.draw(numbered, lens.camera_to_clip, width, height)
    else:
        depth, objects = _cast(lens, pieces, names, width, height)
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
    shapes: dict[int, Shape | None] = {}
    for instance in visible(depsgraph):
        shown = instance.object
        if shown.type not in SOLID:
            continue
        owner = instance.parent if instance.is_instance else shown
        key = shown.data.as_pointer()
        if key not in shapes:
            shapes[key] = _shape(shown)
        shape = shapes[key]
        if shape is not None:
            yield placed(shape, np.array(instance.matrix_world, np.float64), owner.original.name)


def surface(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph, layer: str) -> Piece | None:
    """An object's evaluated surface with a layer's UVs; None where it has no faces, `uvs` None without the layer."""
    shown = thing.evaluated_get(depsgraph)
    shape = _shape(shown, layer)
    return None if shape is None else placed(shape, np.array(shown.matrix_world, np.float64), thing.name)


def _shape(shown: bpy.types.Object, layer: str | None = None) -> Shape | None:
    """Local positions (V, 3) float32, triangles (T, 3) and UVs (T, 3, 2) or None; None for what has no faces."""
    mesh = shown.to_mesh()
    try:
        if mesh is None or not len(mesh.polygons):
            return None
        loops = meshes.loops(mesh)
        uvs = meshes.laid(mesh, layer)[loops] if layer is not None and layer in mesh.uv_layers else None
        return meshes.positions(mesh), meshes.corners(mesh)[loops], uvs
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


def _seen_from(lens: Lens, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Positions in camera space, in double precision before they are rounded for the graphics card, and triangles."""
    matrix = lens.world_to_camera
    return (piece.positions @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32), piece.triangles


def _cast(
    lens: Lens, pieces: Sequence[Piece], names: Sequence[str], width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same by casting a ray through each pixel's centre."""
    depth = np.full((height, width), np.inf, np.float32)
    objects = np.full((height, width), -1, np.int32)
    if not pieces:
        return depth, objects
    places, triangles, owners, first = [], [], [], 0
    for piece in pieces:
        positions, corners = _seen_from(lens, piece)
        places.append(positions)
        triangles.append(corners + first)
        owners.append(np.full(len(corners), names.index(piece.name), np.int32))
        first += len(positions)
    tree = BVHTree.FromPolygons(np.concatenate(places).tolist(), np.concatenate(triangles).tolist(), all_triangles=True)
    owner = np.concatenate(owners)
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
