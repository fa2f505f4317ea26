"""Texturing whole objects from several views."""

import uuid
from functools import partial

import bpy
import numpy as np

from . import (
    asking,
    asking_views,
    capture,
    drafts,
    held,
    lent,
    likeness,
    preferences,
    reblend,
    textured,
    unseen,
    view_hints,
    viewpoints,
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
        policy, method, key = self.value(context, "uvs"), self.value(context, "method"), uuid.uuid4().hex
        with lent.layers(things, policy) as given:
            context.view_layer.update()
            targets = surfaces(things, context.evaluated_depsgraph_get(), given)
        draft = drafts.Draft(
            settings={
                "prompt": wish.prompt, "negative": wish.negative, "model": wish.model, "steps": wish.steps or 0,
                **{name: self.value(context, name) for name in ("texture_size", "sharpness", "refine")},
            },
            views=tuple(
                drafts.Seen(lens=frame.lens, depth=frame.depth, mask=mask, words=words) for frame, mask, words in masked
            ),
            targets=tuple(
                drafts.Meant(name=piece.name, layer=layer, shape=likeness.sample(piece.positions, piece.triangles))
                for piece, layer in zip(targets, given, strict=True)
            ),
        )  # fmt: skip
        spec = self.spec(context, wish, draft, targets, method)
        on = [held.hold(thing, layer.name) for thing, layer in zip(things, given, strict=True)]
        put, take_back = (
            partial(textured.put_object, key=key, title=wish.prompt, things=on),
            partial(drafts.drop, key=key),
        )
        drafts.hold(key, draft, context.scene)
        try:
            return session.run("Texture Object", spec, put, take_back, left_out=left_out)
        except Exception:
            take_back()
            raise

    def spec(self, context, wish, draft, targets, method):
        """The job."""
        settings = draft.settings
        sights = [
            asking_views.Sight(
                camera=asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic),
                depth=seen.depth, mask=seen.mask, words=seen.words,
            )
            for seen in draft.views
        ]  # fmt: skip
        found = [
            asking_views.target(piece.name, piece.positions, piece.triangles, piece.uvs, settings["texture_size"])
            for piece in targets
        ]
        painting = asking_views.Painting(
            refine=settings["refine"], method=method,
            depth=view_hints.depth_strength(context.scene.velatura.controls),
        )  # fmt: skip
        return asking_views.texture(
            wish, sights, found, asking_views.Blending(sharpness=settings["sharpness"]), painting
        )

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


def surfaces(things, depsgraph, given):
    """The objects' evaluated surfaces with their layers. Raises ValueError naming what loses it."""
    found = [capture.surface(thing, depsgraph, layer.name) for thing, layer in zip(things, given, strict=True)]
    for thing, piece in zip(things, found, strict=True):
        if piece is None or piece.uvs is None:
            raise ValueError(f"{thing.name} loses its UV map in its modifiers: keep it there, or apply them")
    return found


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
