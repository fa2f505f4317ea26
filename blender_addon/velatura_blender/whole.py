"""Texturing whole objects from several views."""

from functools import partial

import bpy
import numpy as np

from . import (
    asking,
    asking_views,
    capture,
    place,
    preferences,
    reblend,
    resume,
    unseen,
    uvs,
    view_hints,
    viewpoints,
    views,
)
from .session import session

SCOUT = 96  # pixels; side of the depth maps by which views are chosen
CAMERAS = [
    ("AUTO", "Automatic", "Cameras are put where they show most"),
    ("SELECTED", "Selected Cameras", "The cameras that are selected along with the meshes"),
]
UVS = [
    ("AUTO", "As Needed", "A new UV map where there is none, or where it overlaps or leaves the square"),
    ("KEEP", "Keep", "The UV map that is there"),
    ("NEW", "New UV Map", "Unwrap into a new UV map"),
]
METHODS = [
    (
        "sequence",
        "In Turn",
        "Each view goes on with what the ones before it show: crisp, and may drift round the object",
    ),
    ("together", "Together", "All views at once, which agree at every step: even all around, and softer"),
]
LENSES = [
    ("PERSP", "Perspective", "As the eye sees"),
    ("ORTHO", "Orthographic", "Without perspective; for flat and technical things"),
]


class VelaturaWhole(bpy.types.PropertyGroup):
    """How whole objects are textured, kept with the scene."""

    cameras: bpy.props.EnumProperty(name="Views", items=CAMERAS)  # type: ignore[valid-type]
    views: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Number", description="How many views at most; more see more and take longer", default=8, min=4, max=10
    )
    lens: bpy.props.EnumProperty(name="Lens", items=LENSES)  # type: ignore[valid-type]
    uvs: bpy.props.EnumProperty(name="UV Map", items=UVS)  # type: ignore[valid-type]
    sharpness: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Sharpness",
        description="How strongly each place takes the view that faces it most; low values mix views",
        default=4.0, min=0.0, max=32.0,
    )  # fmt: skip
    method: bpy.props.EnumProperty(name="Paint", items=METHODS)  # type: ignore[valid-type]
    refine: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Refine",
        description="How far what a later view sees better is painted again: 0 keeps it, 1 paints anew",
        default=0.4, min=0.0, max=1.0,
    )  # fmt: skip
    view_words: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Name the Views", description="Add «front view», «side view» and so on to the prompt, for full models"
    )


class VELATURA_OT_texture_object(reblend.OfViews, bpy.types.Operator):
    """Paint the selected meshes all around, from several views that agree, onto one texture each; needs no camera"""

    bl_idname = "velatura.texture_object"
    bl_label = "Texture Object"

    texture_size: bpy.props.IntProperty(name="Texture", default=1024, min=16, max=8192, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    cameras: bpy.props.EnumProperty(name="Views", items=CAMERAS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    views: bpy.props.IntProperty(name="Number", default=8, min=4, max=10, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    lens: bpy.props.EnumProperty(name="Lens", items=LENSES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    uvs: bpy.props.EnumProperty(name="UV Map", items=UVS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    sharpness: bpy.props.FloatProperty(name="Sharpness", default=4.0, min=0.0, max=32.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    method: bpy.props.EnumProperty(name="Paint", items=METHODS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    refine: bpy.props.FloatProperty(name="Refine", default=0.4, min=0.0, max=1.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    view_words: bpy.props.BoolProperty(name="Name the Views", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        own = context.scene.velatura_whole
        if not self.properties.is_property_set(name) and hasattr(own, name):
            return getattr(own, name)
        return super().value(context, name)

    def ask(self, context):
        """Choose views, look through them, and send it."""
        things = self.targets(context)
        side = max(round(self.value(context, "size") / 8) * 8, 64)
        wish = self.wish(context, (side, side))
        lenses = self.lenses(context, things, side)
        session.connect(preferences.endpoint(context))
        depsgraph, names = context.evaluated_depsgraph_get(), [thing.name for thing in things]
        pieces = list(capture.solids(depsgraph))
        unseen.need_seen(things, (piece.name for piece in pieces), depsgraph)
        left_out = unseen.found(depsgraph, [lens for lens, _, _ in lenses])
        frames = [(capture.see(lens, pieces, *size), words) for lens, size, words in lenses]
        masked = [(frame, frame.mask(names), words) for frame, words in frames]
        masked = [found for found in masked if found[1].any()]
        if not masked:
            raise ValueError("No view sees any of the selected objects: move what hides them, or select others")
        kept = {name: self.value(context, name) for name in ("texture_size", "sharpness", "refine")}
        run = views.begin(context.scene, wish, kept, masked)
        key = run.key
        try:
            notes = self.take_in(context, run, things)
            found, lost = views.surfaces(run, context.evaluated_depsgraph_get())
            if lost:
                raise ValueError(lost[0])
            found = [
                asking_views.target(piece.name, piece.positions, piece.triangles, piece.uvs, run.texture_size)
                for piece in found.values()
            ]
            painting = asking_views.Painting(
                refine=run.refine, method=self.value(context, "method"),
                depth=view_hints.depth_strength(context.scene.velatura.controls),
            )  # fmt: skip
            spec = asking_views.texture(
                wish, views.sights(run, anew=set(range(len(run.views)))), found,
                asking_views.Blending(sharpness=run.sharpness), painting,
            )  # fmt: skip
            put, take_back = partial(put_object, key=key, notes=notes), partial(views.drop, key=key)
            return session.run("Texture Object", spec, put, take_back, left_out=left_out)
        except Exception:
            views.drop(key)
            raise

    def lenses(self, context, things, side):
        """Lenses, sizes and words of the views. Raises ValueError where there are none, or nothing to be seen."""
        depsgraph = context.evaluated_depsgraph_get()
        if self.value(context, "cameras") == "SELECTED":
            cameras = [thing for thing in context.selected_objects if thing.type == "CAMERA"]
            if not cameras:
                raise ValueError("Select the cameras to paint from too, or let the views be automatic")
            return [(capture.lens_of(camera, depsgraph, side, side), (side, side), "") for camera in cameras]
        cloud = strewn(things, depsgraph)
        orthographic = self.value(context, "lens") == "ORTHO"
        ways = viewpoints.directions()
        lenses = [
            capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=orthographic)
            for pose, clip in (viewpoints.lens_from(way, cloud.corners, orthographic=orthographic) for way in ways)
        ]
        pieces = list(capture.solids(depsgraph))
        depths = [capture.see(lens, pieces, SCOUT, SCOUT).depth for lens in lenses]
        cosines = np.stack([
            viewpoints.seen(cloud, lens.world_to_camera, lens.camera_to_clip, depth)
            for lens, depth in zip(lenses, depths, strict=True)
        ])  # fmt: skip
        chosen = viewpoints.choose(cosines, self.value(context, "views"))
        named = self.value(context, "view_words")
        return [(lenses[each], (side, side), viewpoints.words(ways[each]) if named else "") for each in chosen]

    def take_in(self, context, run, things):
        """Note the objects with the UV layers they are textured in; says which were unwrapped."""
        notes = []
        for thing in things:
            layer, made, why = uvs.layer_for(thing, self.value(context, "uvs"))
            target = run.targets.add()
            target.name, target.thing, target.layer, target.made = thing.name, thing, layer, made
            target.pose = [number for row in thing.matrix_world for number in row]
            if made:
                notes.append(f"unwrapped {thing.name} into «{layer}»" + (f", which {why}" if why else ""))
        context.view_layer.update()
        return notes


def strewn(things, depsgraph):
    """Points over the objects' evaluated surfaces. Raises ValueError naming what has none."""
    surfaces = []
    for thing in things:
        piece = capture.surface(thing, depsgraph, "")
        if piece is None:
            raise ValueError(f"{thing.name} has no faces: nothing can be painted on it")
        try:
            viewpoints.strew([(piece.positions, piece.triangles)], 1)
        except ValueError as error:
            raise ValueError(f"{thing.name} {error}") from None
        surfaces.append((piece.positions, piece.triangles))
    return viewpoints.strew(surfaces)


@resume.resumable
def put_object(result, key, notes):
    """The views' pictures, and one image and material for each object; says what was done."""
    ready = yield from reblend.sheets_of(result)
    run = views.get(key)
    title = run.prompt[:32]
    for artifact in result.artifacts:
        if artifact.step_id != asking_views.VIEWS:
            continue
        view = run.views[artifact.index]
        recipe = asking.recipe_of(artifact) if artifact.index == 0 else ""
        view.image = place.image(f"{title} view {artifact.index + 1}", ready[artifact.step_id, artifact.index], recipe)
        view.seed = artifact.seed
    for artifact in reblend.textures(result):
        target = run.targets[artifact.index]
        if target.thing is None:
            continue
        name, recipe = f"{title} on {target.thing.name}", asking.recipe_of(artifact)
        image = place.image(name, ready[artifact.step_id, artifact.index], recipe)
        views.mark(image, run, artifact.index)
        place.wear(target.thing, place.material(name, image, target.layer, recipe=recipe))
        target.coverage = artifact.scores.get("coverage", 0.0)
    run.done = True
    return "Textured: " + "; ".join(
        [f"{len(run.views)} views, seed {run.views[0].seed}", *notes, *reblend.told(result)]
    )


CLASSES = (VelaturaWhole, VELATURA_OT_texture_object)


def register() -> None:
    """Make them callable."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_whole = bpy.props.PointerProperty(type=VelaturaWhole)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura_whole
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
