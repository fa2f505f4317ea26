"""Texturing whole objects from several views."""

import uuid
from dataclasses import dataclass, replace
from functools import partial

import bpy

from . import (
    asking,
    asking_views,
    capture,
    drafts,
    held,
    host,
    lent,
    likeness,
    preferences,
    reblend,
    scouting,
    textured,
    unseen,
    uvs,
    view_hints,
)
from .operators import EDITING
from .pace import Breath, beside
from .session import session

TITLE = "Texture Object"
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
    bl_label = TITLE

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
        """Read what there is; the rest is done in pieces."""
        return send(self.asked(context))

    def asked(self, context):
        """All that Blender has to say of what is asked; nothing is reckoned with yet. The scene is as it was."""
        things, policy = self.targets(context), self.value(context, "uvs")
        side = max(round(self.value(context, "size") / 8) * 8, 64)
        wish = self.wish(context, (side, side))
        session.connect(preferences.endpoint(context))
        depsgraph, forms = context.evaluated_depsgraph_get(), {}
        solids = list(capture.readings(depsgraph, forms))
        lenses = self.lenses(context, depsgraph, side)
        choices = [uvs.choice(thing, policy, capture.form_of(thing, depsgraph, forms)) for thing in things]
        meant = [read(thing, depsgraph, each.layer, forms) for thing, each in zip(things, choices, strict=True)]
        unseen.need_seen(things, (each.name for each in solids), depsgraph)
        names = ("texture_size", "sharpness", "refine", "method", "views", "lens", "view_words")
        return Asked(
            wish=wish, side=side, solids=solids, meant=meant, lenses=lenses, choices=choices,
            things=[held.hold(thing, choice.layer) for thing, choice in zip(things, choices, strict=True)],
            values={name: self.value(context, name) for name in names}, scene=context.scene.session_uid,
            depth=view_hints.depth_strength(context.scene.velatura.controls),
        )  # fmt: skip

    def lenses(self, context, depsgraph, side):
        """Those of the cameras that are selected, where they are to be used. Raises ValueError where there are none."""
        if self.value(context, "cameras") != "SELECTED":
            return None
        cameras = [thing for thing in context.selected_objects if thing.type == "CAMERA"]
        if not cameras:
            raise ValueError("Select the cameras to paint from too, or let the views be automatic")
        return [
            scouting.View(lens=capture.lens_of(camera, depsgraph, side, side), size=(side, side)) for camera in cameras
        ]


def read(thing, depsgraph, layer, forms):
    """An object's surface as Blender has it. Raises ValueError where it has none."""
    found = capture.reading(thing, depsgraph, layer, forms)
    if found is None:
        raise ValueError(f"{thing.name} has no faces: nothing can be painted on it")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What *Texture Object* is asked, as all was when the button was pressed. `solids` is everything, `meant` are the
    surfaces of `things`, and `choices` their UV layers, still to be judged; `lenses` are views that the artist chose,
    or None; `scene` is a number that outlives an undo."""

    wish: asking.Wish
    side: int
    solids: list[capture.Reading]
    meant: list[capture.Reading]
    lenses: list[scouting.View] | None
    things: list[held.Held]
    choices: list[uvs.Choice]
    values: dict
    depth: float
    scene: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """The objects with the UV layers that they get, and their surfaces with those, as they stood when it was asked."""

    things: list[held.Held]
    layers: list[lent.Layer]
    meant: list[capture.Reading]


def laid(asked):
    """The UV layers, judged beside Blender's thread where that is needed. Raises ValueError naming what can have none.

    What needs no judging is there at once, in the piece in which the button was pressed.
    """
    choices = asked.choices
    if any(choice.laid is not None for choice in choices):
        choices = yield from beside([choice.judged for choice in choices])
    if all(choice.layer for choice in choices):
        layers = [lent.Layer(name=choice.layer) for choice in choices]
        found = Laid(things=asked.things, layers=layers, meant=asked.meant)
    else:
        found = unwrapped(asked, choices)
    lent.need_laid(found.meant, found.meant)
    return found


def unwrapped(asked, choices):
    """The same, with layers that have to be made, which are there only meanwhile. Raises ValueError also where an
    object was changed since it was asked for."""
    things = [each.find() for each in asked.things]
    if None in things:
        raise ValueError(f"{asked.things[things.index(None)].name} is gone")
    if host.is_editing() or any(thing.data.is_editmode for thing in things):
        raise ValueError(EDITING)
    with lent.layers(things, choices) as given:
        read = lent.surfaces(things, given, {})
        holds = [held.hold(thing, layer.name) for thing, layer in zip(things, given, strict=True)]
    meant = []
    for before, now in zip(asked.meant, read, strict=True):
        if now is None or not now.form.has_faces_of(before.form):
            raise ValueError(f"{before.name} was changed while it was looked at: ask again")
        meant.append(replace(before, laid=now.laid))
    return Laid(things=holds, layers=list(given), meant=meant)


def send(asked):
    """Choose views where none are given, look through them, and send the job, in pieces; its task."""
    breath, values = Breath(), asked.values
    has = yield from laid(asked)
    (there,) = yield from beside([partial(scouting.ground, asked.solids, has.meant)])
    lenses = asked.lenses
    if lenses is None:
        lenses = yield from scouting.choose(
            there, asked.side, values["views"], orthographic=values["lens"] == "ORTHO", named=values["view_words"],
            breath=breath,
        )  # fmt: skip
    seen = yield from scouting.look(there, lenses, breath)
    left_out = unseen.found(bpy.context.evaluated_depsgraph_get(), [frame.lens for frame, _, _ in seen])
    draft, key = drafted(asked, has.layers, there.meant, seen), uuid.uuid4().hex
    packed, spec = yield from beside([partial(drafts.packed, draft), partial(job, asked, there.meant, draft)])
    put = partial(textured.put_object, key=key, title=asked.wish.prompt, things=has.things)
    take_back = partial(drafts.drop, key=key)
    drafts.hold(key, packed, asked.scene)
    try:
        return session.run(TITLE, spec, put, take_back, left_out=left_out)
    except Exception:
        take_back()
        raise


def drafted(asked, layers, meant, seen):
    """What is to be kept of what was asked, until it is painted."""
    wish, values = asked.wish, asked.values
    return drafts.Draft(
        settings={
            "prompt": wish.prompt, "negative": wish.negative, "model": wish.model, "steps": wish.steps or 0,
            **{name: values[name] for name in ("texture_size", "sharpness", "refine")},
        },
        views=tuple(
            drafts.Seen(lens=frame.lens, depth=frame.depth, mask=mask, words=words) for frame, mask, words in seen
        ),
        targets=tuple(
            drafts.Meant(name=piece.name, layer=layer, shape=likeness.sample(piece.positions, piece.triangles))
            for piece, layer in zip(meant, layers, strict=True)
        ),
    )  # fmt: skip


def job(asked, meant, draft):
    """The job. Touches no Blender data."""
    values = asked.values
    sights = [
        asking_views.Sight(
            camera=asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic),
            depth=seen.depth, mask=seen.mask, words=seen.words,
        )
        for seen in draft.views
    ]  # fmt: skip
    found = [
        asking_views.target(piece.name, piece.positions, piece.triangles, piece.uvs, values["texture_size"])
        for piece in meant
    ]
    painting = asking_views.Painting(refine=values["refine"], method=values["method"], depth=asked.depth)
    blending = asking_views.Blending(sharpness=values["sharpness"])
    return asking_views.texture(asked.wish, sights, found, blending, painting)


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
