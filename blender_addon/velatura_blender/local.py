"""Local edit: a marked part of an object's texture is painted anew, as it is seen from here or in the texture."""

from functools import partial

import bpy
import numpy as np

from . import asking, asking_local, canvas, flat, hints, host, place, preferences, resume, texels, unseen, vantage
from .held import hold
from .operators import Asking, Settled
from .pace import Breath, beside
from .session import session

SCOUT = 384  # pixels; longer side of the picture in which the marked part is looked for
OWN = ("way", "size", "strength", "surroundings", "follow_depth", "match", "edges")
"""Values beside the words that it is asked with."""
WAYS = [
    ("VIEW", "From View", "Painted as it is seen from here, following the surface, and laid onto what is seen"),
    ("UV", "In Texture", "Painted in the flat texture, also where nothing can be seen"),
]
PARTS = [
    (
        "AUTO",
        "Automatic",
        "Faces in Edit Mode and with the paint mask, else the stencil mask if it is switched on, else the mask image",
    ),
    ("FACES", "Selected Faces", "The faces that are selected"),
    ("STENCIL", "Stencil Mask", "What is white in the stencil image of Texture Paint's masking"),
    ("IMAGE", "Mask Image", "What is white in an image that lies over the texture's UV map"),
]
PLACES = [
    ("AUTO", "Automatic", "The 3D view; in background mode the camera"),
    ("VIEWPORT", "3D View", "The 3D view as it is now"),
    ("CAMERA", "Camera", "The scene's camera"),
]


class VelaturaLocal(bpy.types.PropertyGroup):
    """How a part of a texture is changed, kept with the scene."""

    way: bpy.props.EnumProperty(name="Paint", items=WAYS)  # type: ignore[valid-type]
    part: bpy.props.EnumProperty(name="Part", items=PARTS)  # type: ignore[valid-type]
    mask: bpy.props.PointerProperty(name="Mask Image", type=bpy.types.Image)  # type: ignore[valid-type]
    look_from: bpy.props.EnumProperty(name="Look From", items=PLACES)  # type: ignore[valid-type]
    strength: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength", description="0 keeps what is there, 1 paints anew", default=1.0, min=0.0, max=1.0
    )
    surroundings: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Surroundings",
        description="How much around the part is shown to the model, as a share of the part; more fits in better, less "
        "paints finer",
        default=0.4, min=0.0, max=4.0,
    )  # fmt: skip
    follow_depth: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Follow Depth", description="Let the surface lead the painting, where the model can be led", default=True
    )
    match: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Match Colours",
        description="Bring the new colours to those around: for repairs, not where something else is to be there",
    )
    edges: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Seamless", description="Which edges of the texture meet, and are to meet after it",
        items=[("NONE", "Nowhere", ""), *preferences.TILING],
    )  # fmt: skip


class VELATURA_OT_local_edit(Asking, bpy.types.Operator):
    """Paint the marked part of the active object's texture anew, into a new image; all other texels stay as they are"""

    bl_idname = "velatura.local_edit"
    bl_label = "Change Part"
    editing = True

    way: bpy.props.EnumProperty(name="Paint", items=WAYS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    part: bpy.props.EnumProperty(name="Part", items=PARTS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    mask: bpy.props.StringProperty(name="Mask Image", description="Its name", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    look_from: bpy.props.EnumProperty(name="Look From", items=PLACES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    strength: bpy.props.FloatProperty(name="Strength", default=1.0, min=0, max=1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    surroundings: bpy.props.FloatProperty(name="Surroundings", default=0.4, min=0, max=4, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    follow_depth: bpy.props.BoolProperty(name="Follow Depth", default=True, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    match: bpy.props.BoolProperty(name="Match Colours", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    edges: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Seamless", items=[("NONE", "Nowhere", ""), *preferences.TILING], options={"SKIP_SAVE"}
    )

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        own = context.scene.velatura_local
        if not self.properties.is_property_set(name) and hasattr(own, name):
            return getattr(own, name)
        return super().value(context, name)

    def ask(self, context):
        """Read what there is; the rest is done in pieces."""
        found = canvas.canvas_of(context.view_layer.objects.active)
        own = Settled(self, context, *OWN)
        session.connect(preferences.endpoint(context))
        forms: canvas.Forms = {}
        marked, covered, view = self.marked(context, found, forms), canvas.covered(found, forms), None
        if own.value(context, "way") == "VIEW":
            lens, size = vantage.lens_of(context, self.value(context, "look_from"), SCOUT)
            view = lens, size, flat.patches(context.evaluated_depsgraph_get(), partial(_look_of, found), forms)
        return change(own, found, marked, covered, view)

    def marked(self, context, found, forms):
        """What reckons the part (H, W) uint8. Raises ValueError where nothing is marked."""
        part, paint = self.value(context, "part"), context.scene.tool_settings.image_paint
        given = bpy.data.images.get(self.mask) if self.mask else context.scene.velatura_local.mask
        if self.mask and given is None:
            raise ValueError(f"There is no image «{self.mask}»: name the mask as it is called in the file")
        if part == "AUTO":
            selects = found.thing.mode == "EDIT" or (
                found.thing.mode == "TEXTURE_PAINT" and found.thing.data.use_paint_mask
            )
            stencil = paint.use_stencil_layer and paint.stencil_image is not None and not self.mask
            part = "FACES" if selects else "STENCIL" if stencil else "IMAGE"
        if part == "FACES":
            return canvas.faces(found, forms)
        mask = paint.stencil_image if part == "STENCIL" else given
        layer = found.thing.data.uv_layer_stencil
        if part == "STENCIL" and layer is not None and layer.name != found.look.layer:
            raise ValueError(
                f"The stencil mask lies in the UV map {layer.name}, the texture in {found.look.layer}: choose that one "
                "in Texture Paint's masking"
            )
        if mask is None:
            raise ValueError(
                "Nothing is marked: select faces in Edit Mode, or press New Mask and paint white where the texture is "
                "to change"
            )
        return canvas.marked(found, mask)


def change(own, found, marked, covered, view):
    """Find the part, look at it, and send it, in pieces; the task. `view` is a lens, its size and what reckons patches,
    or None in the texture."""

    def part():
        islands = covered()
        weights = texels.padded(marked(), islands)
        if not weights.any():
            raise ValueError("What is marked lies beside the faces' UVs: no texel that is seen would change")
        return weights, islands, texels.write(weights=weights, islands=islands)

    kept = {"thing": hold(found.thing), "slot": found.slot, "laid": canvas.laid(found.look),
            "image": canvas.key(found.image)}  # fmt: skip
    ((weights, islands, words),) = yield from beside([part])
    kept["words"] = words
    if view is None:
        return (yield from in_texture(own, found, weights, islands, kept))
    return (yield from from_view(own, found, weights, view, kept))


def from_view(own, found, weights, view, kept):
    """Paint over what is seen of the part, in pieces."""
    lens, size, patches = view
    values, name, breath = own.values, found.thing.name, Breath()
    (pieces,) = yield from beside([patches])
    mine = [n for n, piece in enumerate(pieces) if (piece.name, piece.slot, piece.whole) == (name, found.slot, True)]
    if not mine or pieces[mine[0]].uvs is None:
        raise ValueError(f"{name} is hidden, or a modifier drops its UV map: show it, keep the map")
    (there,) = yield from beside([partial(flat.corners, lens, pieces)])
    seen = yield from flat.see(lens, there, size, breath)
    (part,) = yield from beside([partial(_part, seen, mine[0], weights)])
    if not part.any():
        raise ValueError("From here nothing of the marked part is seen: turn the view so that it faces you")
    lens, size = vantage.zoomed(lens, part > 0, values["size"], values["surroundings"])
    wish = yield from hints.settled(own.wish(bpy.context, size))
    left_out = wish.left_out | unseen.found(bpy.context.evaluated_depsgraph_get(), [lens])
    (there,) = yield from beside([partial(flat.corners, lens, pieces)])
    seen = yield from flat.see(lens, there, size, breath)
    (mask,) = yield from beside([partial(_part, seen, mine[0], weights)])
    if not mask.any():
        raise ValueError("What is seen of the marked part is smaller than a pixel: go nearer")
    known = {}
    for image in flat.images(seen, pieces):
        known[image.session_uid] = place.raw(image, (yield from place.rooms_for(image, 1)))
        yield
    wear = [None if piece.look is None else piece.look.image.session_uid for piece in pieces]
    follow = values["follow_depth"] and asking_local.follows_depth((yield from session.known()).models, wish.model)

    def job():
        pixels = {number: read.texels()[..., :3] for number, read in known.items()}
        shown = [pixels.get(number) for number in wear]
        change = asking_local.Change(
            image=flat.colors(seen, pieces, shown), mask=mask, strength=values["strength"], match=values["match"]
        )
        return asking_local.from_view(
            wish, change, seen.depth, asking.camera(lens.world_to_camera, lens.camera_to_clip, lens.orthographic),
            (seen.patch == mine[0]) & seen.front, [_target(name, weights.shape[::-1], pieces[mine[0]], lens)], follow,
        )  # fmt: skip

    (spec,) = yield from beside([job])
    return session.run("Local Edit", spec, partial(put_from_view, **kept), left_out=left_out)


def in_texture(own, found, weights, islands, kept):
    """Paint over the part in the texture, in pieces."""
    values, pixels = own.values, place.raw(found.image, (yield from place.rooms_for(found.image, 1)))
    tile = "" if values["edges"] == "NONE" else values["edges"]
    box, size = (0, 0, *weights.shape[::-1]), weights.shape[::-1]
    if not tile:
        box, size = texels.around(weights, values["surroundings"], values["size"])
    wish = yield from hints.settled(own.wish(bpy.context, size))

    def job():
        picture = texels.filled(pixels.texels()[..., :3], islands)
        part = slice(box[1], box[1] + box[3]), slice(box[0], box[0] + box[2])
        change = asking_local.Change(
            image=texels.resized(picture[part], *size), mask=texels.resized(weights[part], *size),
            strength=values["strength"], context=None if tile else max(size), match=values["match"],
        )  # fmt: skip
        return asking_local.in_texture(wish, change, tile)

    (spec,) = yield from beside([job])
    put = partial(put_in_texture, box=box, **kept)
    return session.run("Local Edit", spec, put, left_out=wish.left_out)


def _look_of(found, thing, slot):
    """What a material of an object shows: the canvas' own image, or that of its base colour."""
    if (thing, slot) == (found.thing, found.slot):
        return found.look
    worn = thing.material_slots[slot].material if slot < len(thing.material_slots) else None
    return None if worn is None or thing.type != "MESH" else place.look(thing, worn)


def _part(seen, own, weights):
    """How far the pixels (H, W) uint8 of a view show marked texels from their front."""
    here = (seen.patch == own) & seen.front
    found = np.zeros(here.shape, np.uint8)
    found[here] = np.rint(flat.values(seen, here, weights[..., None])[:, 0])
    return found


def _target(name, size, piece, lens):
    """The faces of the canvas for the engine; where several share their texels those that face the lens come first."""
    uvs, which = texels.in_square(piece.uvs)
    triangles = piece.triangles[which]
    there = piece.positions @ lens.world_to_camera[:3, :3].T + lens.world_to_camera[:3, 3]
    a, b, c = np.moveaxis(there[triangles], 1, 0)
    towards = np.array([0.0, 0.0, 1.0]) if lens.orthographic else -a
    order = np.argsort((np.cross(b - a, c - a) * towards).sum(1) <= 0, kind="stable")
    return asking_local.target(name, piece.positions, triangles[order], uvs[order], *size)


def _shown(owner, slot, laid, image, shape):
    """The image that is painted over, and whether the object wears it: what its slot shows by now, which may be another
    edit, else the one that was asked for; None where none fits."""
    before = None if owner is None else canvas.shown_in(owner, slot, laid, shape)
    if before is not None:
        return before, True
    asked = canvas.found(bpy.data.images, image)
    return (asked if asked is not None and tuple(asked.size) == shape[::-1] else None), False


def _rest(before, image, mixed):
    """The image that was asked for, where another one of its size is painted over now and some of it is mixed into the
    paint; else None."""
    asked = None if mixed is None else canvas.found(bpy.data.images, image)
    return place.raw(asked) if asked not in (None, before) and asked.size[:] == before.size[:] else None


def _lay(result, artifact, paint, share, thing, slot, laid, image, mixed=None):
    """In pieces, the paint over what the slot shows by now, as a new image that it wears; says what was done. Where it
    shows nothing that fits, the image is made all the same, and only in the file. `mixed` (H, W) 0..1 is how much of
    the paint is paint, where the rest is the image that was painted over."""
    recipe, here = asking.recipe_of(artifact), (slot, laid, image, share.shape)
    rooms = yield from place.rooms_for(_shown(thing.find(), *here)[0], 2)
    before, _ = _shown(thing.find(), *here)
    ready = present = None
    if before is not None and canvas.fits_a_file(before):
        present, alpha, rest = place.raw(before, rooms), before.channels in (2, 4), _rest(before, image, mixed)

        def over():
            there = present.texels()
            mine = canvas.mixed_with(paint, mixed, None if rest is None else rest.texels(), there)
            return canvas.laid_over(present, there, mine, share, alpha=alpha)

        (ready,) = yield from beside([over])
    owner = thing.find()
    before, worn = _shown(owner, *here)
    if before is None:
        layer = np.concatenate([paint, np.rint(share * 255).astype(np.uint8)[..., None]], 2)
        made = place.image(image[0], layer, recipe)
    elif ready is not None and canvas.fits_a_file(before) and place.raw(before, rooms).is_as(present):
        made = canvas.copy_from(before, ready, recipe)
    else:  # its alpha is kept otherwise, or somebody painted on it meanwhile
        rest = _rest(before, image, mixed)
        paint = canvas.mixed_with(paint, mixed, None if rest is None else rest.texels(), place.read(before))
        made = canvas.copy_with(before, paint, share, recipe)
    if before is not None:
        host.show_image(made, before.name)
    seeds = [f"seed {step.diffuse.seed}" for step in result.resolved.steps if step.HasField("diffuse")]
    notes = [f"{(share > 0).mean():.1%} of «{made.name}» changed", *seeds]
    if worn:
        if before.is_dirty:
            notes.append(f"«{before.name}» has strokes that are not saved: save or pack it")
        canvas.wear(owner, owner.material_slots[slot].material, before, made)
    elif owner is None:
        notes.append(f"{thing.name} is gone, so the image is only in the history")
    else:
        notes.append(f"{owner.name} shows another texture there now, so the image is only in the history: choose "
                     f"«{made.name}» in an Image Texture node to use it")  # fmt: skip
    if before is None:
        notes.append("it holds the new paint alone, because the texture is gone or has another size")
    return "Changed: " + "; ".join(notes)


@resume.baked
def put_from_view(result, thing, slot, laid, image, words):
    """The texture with what the view saw of the part; says what was done."""
    artifact = result.artifacts[-1]
    ((paint, share, mixed),) = yield from beside([partial(_from_view, artifact, words)])
    if not share.any():
        raise ValueError("the view saw no texel of the part: turn it, or make the texture larger")
    told = yield from _lay(result, artifact, paint, share, thing, slot, laid, image, mixed)
    shared = artifact.scores.get("overlap", 0) > 0.02
    return told + (f"; faces of {thing.name} share texels, and change together" if shared else "")


def _from_view(artifact, words):
    """The paint (H, W, 3) that a view saw, how far it counts (H, W) 0..1, and how much of it is paint and not what was
    painted over. Touches no Blender data."""
    given, kept = asking.picture(artifact), texels.read(words)
    seen = np.where(kept["islands"], given[..., 3], 0)
    seen = texels.padded(seen, kept["islands"])
    # The view's picture has been blended by the mask; from half on it is taken whole, below it fades into the texels.
    mixed = kept["weights"] / np.float32(255)
    return given[..., :3], np.minimum(2 * mixed, 1) * (seen / np.float32(255)), mixed


@resume.baked
def put_in_texture(result, thing, slot, laid, image, words, box):
    """The texture with its part painted anew; says what was done."""
    artifact, first = result.artifacts[-1], result.resolved.steps[0].diffuse
    size = first.width, first.height
    ((paint, share),) = yield from beside([partial(_in_texture, artifact, size, words, box)])
    return (yield from _lay(result, artifact, paint, share, thing, slot, laid, image))


def _in_texture(artifact, size, words, box):
    """The paint (H, W, 3) of a layer of this size over a part of the texture, and how far it counts (H, W) 0..1.
    Touches no Blender data."""
    kept = texels.read(words)
    left, top, width, height = box
    paint, alpha = asking_local.layer_of(artifact, *size[::-1])
    whole, share = np.zeros((*kept["islands"].shape, 3), np.uint8), np.zeros(kept["islands"].shape, np.float32)
    part = slice(top, top + height), slice(left, left + width)
    exact = size == (width, height)
    whole[part] = paint if exact else texels.resized(paint, width, height)
    share[part] = alpha if exact else kept["weights"][part] / np.float32(255)
    share[kept["weights"] == 0] = 0
    return whole, share


class VELATURA_OT_new_mask(bpy.types.Operator):
    """Make a black mask for the active object's texture, as the stencil of Texture Paint: paint it white"""

    bl_idname = "velatura.new_mask"
    bl_label = "New Mask"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context):
        """Make it."""
        try:
            found = canvas.canvas_of(context.view_layer.objects.active)
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        made = bpy.data.images.new(f"{found.image.name} mask", *found.size, is_data=True)
        context.scene.velatura_local.mask = made
        paint, mesh = context.scene.tool_settings.image_paint, found.thing.data
        paint.stencil_image, paint.use_stencil_layer = made, True
        if mesh.library is None:
            mesh.uv_layer_stencil = mesh.uv_layers[found.look.layer]
        return {"FINISHED"}


CLASSES = (VelaturaLocal, VELATURA_OT_local_edit, VELATURA_OT_new_mask)


def register() -> None:
    """Make them callable."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_local = bpy.props.PointerProperty(type=VelaturaLocal)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura_local
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
