"""Painting from the scene's camera onto what it sees: read when it is asked for, and laid over what is there when it
comes."""

from functools import partial

import bpy

from . import asking, canvas, capture, held, hints, host, lent, place, preferences, resume, unseen, uvs
from .operators import Asking, seeds
from .pace import Breath, beside
from .session import session
from .sheets import sheet, sheets_in_turn

PLAIN = (
    "is made by other nodes, or lies in another UV map, and becomes a plain colour where nothing is painted: stop, and "
    "bake it into an image first (Cycles: Render > Bake, Diffuse, Color alone)"
)


class VELATURA_OT_project(Asking, bpy.types.Operator):
    """Paint the prompt as seen from the camera, following the scene's depth, and bake it onto the selected meshes"""

    bl_idname = "velatura.project"
    bl_label = "Project from Camera"

    texture_size: bpy.props.IntProperty(name="Texture", default=1024, min=16, max=8192, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    fresh_uvs: bpy.props.BoolProperty(name="New UV Map", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Read what there is; the rest is done in pieces."""
        scene = context.scene
        if scene.camera is None:
            raise ValueError("The scene has no camera: add one and look through it (Ctrl Alt 0)")
        things = self.targets(context)
        wish = self.wish(context, host.frame_size(scene, self.value(context, "size")))
        session.connect(preferences.endpoint(context))
        depsgraph, forms = context.evaluated_depsgraph_get(), {}
        lens = capture.lens_of(scene.camera, depsgraph, *wish.size)
        solids = list(capture.readings(depsgraph, forms))
        unseen.need_seen(things, [each.name for each in solids], depsgraph)
        left_out = unseen.found(depsgraph, [lens])
        policy = "NEW" if self.value(context, "fresh_uvs") else "KEEP"
        with lent.layers(things, [uvs.choice(thing, policy) for thing in things]) as given:
            on, surfaces = lent.held(things, given), lent.surfaces(things, given, forms)
        lent.need_laid(things, surfaces)
        return project(wish, lens, solids, surfaces, on, left_out, self.value(context, "texture_size"))


def project(wish, lens, solids, surfaces, on, left_out, side):
    """Look, read the looks that are painted over, and send the job, in pieces; its task."""
    wish = yield from hints.settled(wish)
    (pieces,) = yield from beside([lambda: list(capture.pieces(solids))])
    seen = yield from capture.look(lens, pieces, wish.size, Breath())
    mask = seen.mask([each.name for each in surfaces])
    if not mask.any():
        raise ValueError("The camera sees none of the selected objects: move it, or select others")
    bases, lost = [], []
    for each in on:
        yield
        rooms = yield from place.rooms_for(_worn(each), 1)
        thing = each.find()
        if thing is None:
            raise ValueError(f"{each.name} is gone")
        bases.append(place.look_of(thing, each.layer, side, rooms))
        lost += [thing.name] * place.shows_more(thing, each.layer)
    ((spec, over),) = yield from beside([partial(_projection, wish, seen, mask, surfaces, bases)])
    put = partial(put_projection, things={each.name: each for each in on}, title=wish.prompt, over=over, side=side)
    task = session.run("Projection", spec, put, left_out=left_out)
    if lost:
        task.warnings += (f"The look of {', '.join(lost)} {PLAIN}",)
    return task


def _projection(wish, seen, mask, surfaces, bases):
    """The job, and digests of the looks that it paints over, which `bases` reckon, by the objects' names. Touches no
    Blender data."""
    looks = [base() for base in bases]
    targets = [
        asking.target(piece.name, piece.positions, piece.triangles, piece.uvs, base)
        for piece, base in zip(capture.pieces(surfaces), looks, strict=True)
    ]
    lens = asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic)
    over = {each.name: canvas.digest(base) for each, base in zip(surfaces, looks, strict=True)}
    return asking.projection(wish, targets, lens, seen.depth, mask), over


@resume.baked
def put_projection(result, things, title, over, side):
    """One image and material for each object, by the name that it had; says what was done. `over` are digests of the
    looks that were painted over, whose textures have `side` texels at least."""
    ready = yield from sheets_in_turn([partial(asking.picture, artifact) for artifact in result.artifacts])
    notes = [*seeds(result), *lent.words(list(things.values()))]
    for artifact, picture in zip(result.artifacts, ready, strict=True):
        target = things[artifact.name]
        added = yield from _added(target, partial(asking.picture, artifact), over[artifact.name], side)
        thing = target.find()
        called = target.name if thing is None else thing.name
        layer = "" if thing is None else target.lay()
        picture = added if added is not None and layer == target.layer else picture
        recipe = asking.recipe_of(artifact)
        image = place.image(f"{place.title(title, 32)} on {called}", picture, recipe)
        material = place.material(image.name, image, layer or target.layer, recipe=recipe)
        if layer:
            place.wear(thing, material)
        notes += _told_of_wearing(target, thing, layer, image) + _told_of_scores(called, artifact.scores)
    return "Projected: " + "; ".join(notes)


def _added(target, painted, before, side):
    """In pieces, what `painted` reckons over the look that an object has by now, to be placed; None where that is the
    one whose digest is `before`, or lies elsewhere."""
    thing, made = target.find(), None
    if thing is not None and target.layer not in thing.data.uv_layers:
        target.lay()
    rooms = yield from place.rooms_for(_worn(target), 2)
    shown = _shown(target, rooms)
    present = None
    if shown is not None:
        (present,) = yield from beside([partial(canvas.look_since, shown, before, side)])
    if present is not None and (laid := _laid(target)) is not None:
        (made,) = yield from beside([lambda: sheet(canvas.over(present, laid(), painted()))])
    now = _shown(target, rooms)
    if now is None or now.is_as(shown):
        return None if now is None else made
    present = canvas.look_since(now, before, side)  # somebody painted on it meanwhile
    return None if present is None else canvas.over(present, _laid(target)(), painted())


def _worn(target):
    """The image that an object wears; None where there is none."""
    thing = target.find()
    look = None if thing is None else place.look(thing)
    return None if look is None else look.image


def _shown(target, rooms):
    """What an object shows in the layer that is painted for; None where that is nothing, or its UVs cannot be read."""
    thing = target.find()
    return None if thing is None or thing.use_dynamic_topology_sculpting else place.shown(thing, target.layer, rooms)


def _laid(target):
    """What reckons the UVs of that layer; None where it is gone."""
    thing = target.find()
    return canvas.laid_in(thing, target.layer) if thing and target.layer in thing.data.uv_layers else None


def _told_of_wearing(target, thing, layer, image):
    """What the artist should know of where a projection lies now."""
    if thing is None:
        return [f"{target.name} is gone, so «{image.name}» is only in the history"]
    if not layer:
        if target.layer in thing.data.uv_layers:
            why = f"has changed its UV map «{target.layer}», and has no room for another"
        else:
            why = "is being edited" if held.being_edited(thing) else "has other faces now"
            why += f" and has no UV map «{target.layer}»"
        return [f"{thing.name} {why}, so «{image.name}» is only in the history"]
    notes = []
    if len({slot.material for slot in thing.material_slots}) > 1:
        notes.append(f"{thing.name} has several materials, the first one's look stays where nothing is painted")
    if layer != target.layer:
        notes.append(f"the UV map {target.layer} has changed, the paint lies in «{layer}» as it was")
    return notes


def _told_of_scores(called, scores):
    """What the artist should know of a projection's UVs."""
    notes = [f"{called} {scores['coverage']:.0%} painted"] if "coverage" in scores else []
    if scores.get("overlap", 0) > 0.02:
        notes.append(f"UVs of {called} overlap: try New UV Map")
    if scores.get("outside", 0) > 0.02:
        notes.append(f"UVs of {called} leave the square and are cut")
    return notes


CLASSES = (VELATURA_OT_project,)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
