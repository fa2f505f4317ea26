"""What a capture cannot show, and what cannot be textured: the one place that decides, for every way to paint.

Depth, masks and textures know surfaces alone. What renders show and has none (volumes, hair, clouds of points,
drawings), and what is see-through, is named: where a picture of it is painted over it is refused, else the artist is
told, and the recipe keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import bpy
import numpy as np

from . import capture, host, place

VOLUMES = ("is a volume", "is smoke or fire", "has a volume in its material", "is a world with a volume")
CLEAR = "is see-through and counts as solid"
TYPES = {
    "VOLUME": "is a volume", "POINTCLOUD": "is a cloud of points", "CURVES": "is hair", "GPENCIL": "is a drawing",
    "GREASEPENCIL": "is a drawing",
}  # fmt: skip
"""What renders show and depth cannot."""
SURFACES = {"META": "is a metaball", "CURVE": "is a curve", "SURFACE": "is a NURBS surface", "FONT": "is text"}
"""What has a surface and no UV map."""
LABEL, LABEL_BYTES = "left_out", 256  # of a job; the contract's limit
MOST = 4  # names in a message


def found(depsgraph: bpy.types.Depsgraph, lenses: Sequence[capture.Lens] | None = None) -> dict[str, str]:
    """Why, by their names, things in sight of any of these lenses are not captured as they render; None: wherever they
    are."""
    known: dict[tuple[int, str], str] = {}
    named: dict[str, str] = {}
    for instance in capture.visible(depsgraph):
        shown = instance.object
        key = shown.original.session_uid, shown.type
        if key not in known:
            known[key] = _why(shown)
        if known[key] and (lenses is None or any(_in_sight(lens, instance) for lens in lenses)):
            owner = instance.parent if instance.is_instance else shown
            named.setdefault(owner.original.name, known[key])
    world = depsgraph.scene.world
    if world is not None and _has_volume(world):
        named.setdefault(world.name, "is a world with a volume")
    return named


def refused(named: Mapping[str, str]) -> dict[str, str]:
    """Those of them that a capture is wrong without; what is see-through is only told."""
    return {name: why for name, why in named.items() if why != CLEAR}


def volumes(named: Mapping[str, str]) -> dict[str, str]:
    """Those of them that what a 3D view draws has no depth of either."""
    return {name: why for name, why in named.items() if why in VOLUMES}


def words(named: Mapping[str, str]) -> str:
    """The first few by name, and how many more."""
    told = ", ".join(f"«{name}» {why}" for name, why in list(named.items())[:MOST])
    return told + (f" and {len(named) - MOST} more" if len(named) > MOST else "")


def warning(named: Mapping[str, str]) -> str:
    """What an artist should know; "" where all is captured."""
    return f"Depth cannot show everything here: {words(named)}. Hide it in renders, or make it a mesh" if named else ""


def labels(named: Mapping[str, str]) -> dict[str, str]:
    """The same for a job's recipe."""
    return {LABEL: words(named).encode()[:LABEL_BYTES].decode("utf-8", "ignore")} if named else {}


def paintable(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected meshes, the active one first. Raises ValueError naming what is selected and cannot be textured."""
    chosen = [thing for thing in context.view_layer.objects if thing.select_get()]
    for thing in chosen:
        why = not_textured(thing)
        if why:
            raise ValueError(f"«{thing.name}» {why}")
    things = host.selected_meshes(context)
    if not things:
        raise ValueError("Select at least one mesh object that is shown")
    return things


def not_textured(thing: bpy.types.Object) -> str:
    """Why an object cannot be textured, and the way out; "" where it can, or is nothing that anybody would texture."""
    if thing.type in SURFACES:
        return f"{SURFACES[thing.type]}, which has no UV map: Object > Convert > Mesh, or deselect it"
    if thing.type in TYPES:
        return f"{TYPES[thing.type]}, which has no surface to be textured: deselect it"
    if thing.type == "EMPTY" and thing.instance_type == "COLLECTION" and thing.instance_collection is not None:
        return "shows a collection: select its objects themselves, or Object > Apply > Make Instances Real"
    if thing.type == "MESH" and thing.library is not None:
        return "is linked from another file: Object > Relations > Make Local, or deselect it"
    if thing.type == "MESH" and not thing.visible_get():
        return "is hidden: show it, or deselect it"
    if thing.type == "MESH" and thing.data.library is not None and not (thing.material_slots and thing.data.uv_layers):
        missing = "UV map" if thing.material_slots else "material slot"
        return f"has a mesh from another file, without a {missing}, which Blender would not save: {place.MAKE_LOCAL}"
    return ""


def need_seen(things: Iterable[bpy.types.Object], names: Iterable[str], depsgraph: bpy.types.Depsgraph) -> None:
    """Raises ValueError for an object that is to be painted and is not among what was captured."""
    captured = set(names)
    for thing in things:
        if thing.name in captured:
            continue
        if not capture.renders(thing, depsgraph):
            raise ValueError(f"«{thing.name}» is hidden in renders or from cameras: show it there, or deselect it")
        raise ValueError(f"«{thing.name}» has no faces after its modifiers: nothing can be painted on it")


def _why(shown: bpy.types.Object) -> str:
    """Why an evaluated thing is not what depth shows of it; "" where it is."""
    if shown.type in TYPES or shown.type not in capture.SOLID:
        return TYPES.get(shown.type, "")
    for modifier in shown.modifiers:
        if not modifier.show_render:
            continue
        if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
            if modifier.domain_settings.domain_type == "GAS":
                return "is smoke or fire"
        elif modifier.type == "PARTICLE_SYSTEM":
            settings = modifier.particle_system.settings
            if settings.type == "HAIR" and settings.render_type == "PATH":
                return "has hair"
    worn = [slot.material for slot in shown.material_slots if slot.material is not None]
    if any(_has_volume(each) for each in worn):
        return "has a volume in its material"
    return CLEAR if any(_is_clear(each) for each in worn) else ""


def _output(made: bpy.types.Material | bpy.types.World) -> bpy.types.Node | None:
    kinds = ("OUTPUT_MATERIAL", "OUTPUT_WORLD")
    return next((node for node in host.nodes_of(made) if node.type in kinds and node.is_active_output), None)


def _has_volume(made: bpy.types.Material | bpy.types.World) -> bool:
    output = _output(made)
    return output is not None and output.inputs["Volume"].is_linked


def _is_clear(made: bpy.types.Material) -> bool:
    """Whether light goes straight through parts of it. Glass bends it, and has a surface."""
    output = _output(made)
    left = [link.from_node for link in output.inputs["Surface"].links] if output is not None else []
    seen: set[int] = set()
    while left:
        node = left.pop()
        if node.as_pointer() in seen:
            continue
        seen.add(node.as_pointer())
        if node.type == "BSDF_TRANSPARENT":
            return True
        if node.type == "BSDF_PRINCIPLED":
            alpha = node.inputs["Alpha"]
            if alpha.is_linked or alpha.default_value < 0.999:
                return True
        elif node.type == "GROUP" and node.node_tree is not None:
            left += list(node.node_tree.nodes)
        left += [link.from_node for socket in node.inputs if socket.type == "SHADER" for link in socket.links]
    return False


def _in_sight(lens: capture.Lens, instance: bpy.types.DepsgraphObjectInstance) -> bool:
    """Whether the box around a thing, hair and all, comes into a lens's picture."""
    shown, matrix = instance.object, np.array(instance.matrix_world, np.float64)
    corners = np.array(shown.bound_box, np.float64)
    hair = max((system.settings.hair_length for system in shown.particle_systems), default=0.0)
    middle = corners.mean(0)
    corners += np.sign(corners - middle) * hair
    to_clip = lens.camera_to_clip @ lens.world_to_camera @ matrix
    flat = np.concatenate([corners, np.ones((8, 1))], 1) @ to_clip.T
    bounds = np.stack([flat[:, 3] + sign * flat[:, axis] for axis in range(3) for sign in (1, -1)])
    return bool((bounds >= 0).any(1).all())  # no side of the picture has all corners beyond it
