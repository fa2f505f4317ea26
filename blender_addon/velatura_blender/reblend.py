"""Changing a run's textures: blending its views anew, painting one of them again, and dropping what is kept for that.

What was textured stays as it was: a new texture is a new image, in a copy of the material that showed the one before.
"""

import dataclasses
from functools import partial

import bpy

from . import asking, asking_views, canvas, place, preferences, resume, sending, uvs, view_hints, views
from .operators import Asking
from .pace import beside
from .session import session
from .sheets import sheets_in_turn

KEPT = "its texture is kept in the history"
"""What becomes of a texture that nothing can wear."""


class OfViews(Asking):
    """What operators share that paint views: hints are made of each view's own depth."""

    def controls(self, context):
        """The hints that lead every view."""
        return view_hints.controls(context.scene.velatura.controls)


class Blended(OfViews):
    """What operators share that change a run's textures."""

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's; the run's prompt where none is set."""
        found = super().value(context, name)
        return found if name != "prompt" or found.strip() else self.run(context).prompt

    def run(self, context):
        """The active object's run."""
        found = views.run_of(context.view_layer.objects.active, context.scene)
        if found is None:
            raise ValueError("Nothing here was textured from views: select an object that was, and make it active")
        return found

    def in_turn(self, context, run, job, side, *, anew=(), **more):
        """Read a run's surfaces as they are now and its views, one in a piece, and send the job that `job(sights,
        targets)` makes of them; its task. `more` is what `put_again` needs besides."""
        read = sending.surfaces(run, context.evaluated_depsgraph_get())
        layers = [target.layer for target in run.targets]
        put = partial(put_again, key=run.key, title=run.prompt, **more)
        return in_turn(self.bl_label, run.key, set(anew), read, layers, job, side, put)


def in_turn(title, key, anew, read, layers, job, side, put):
    """The same, when all that is Blender's is read but the views."""
    ((surfaces, left_out),) = yield from beside([read])
    sights = []
    for sight in sending.sights(key, anew):
        sights.append(sight)
        yield

    def made():
        targets = [
            asking_views.target(piece.name, piece.positions, piece.triangles, piece.uvs, side)
            for piece in surfaces.values()
        ]
        return job(sights, targets)

    (spec,) = yield from beside([made])
    sent = [[number, piece.name, layers[number]] for number, piece in surfaces.items()]
    return session.run(title, spec, partial(put, sent=sent, left_out=left_out))


class VELATURA_OT_reblend(Blended, bpy.types.Operator):
    """Blend the views of the active object anew, with other weights or without some of them; paints nothing"""

    bl_idname = "velatura.reblend"
    bl_label = "Re-blend"

    sharpness: bpy.props.FloatProperty(name="Sharpness", default=4.0, min=0.0, max=32.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    texture_size: bpy.props.IntProperty(name="Texture", default=1024, min=16, max=8192, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send the views that are in use."""
        run = self.run(context)
        given = {name: getattr(self, name) for name in ("sharpness", "texture_size")
                 if self.properties.is_property_set(name)}  # fmt: skip
        if not any(view.use for view in run.views):
            raise ValueError("All views are left out: switch at least one on")
        session.connect(preferences.endpoint(context))
        blending = asking_views.Blending(sharpness=given.get("sharpness", run.sharpness))
        job, side = partial(asking_views.blend, blending=blending), given.get("texture_size", run.texture_size)
        return self.in_turn(context, run, job, side, settings=given)


class VELATURA_OT_redo_view(Blended, bpy.types.Operator):
    """Paint one view of the active object again with the settings that are set now, over what the others show"""

    bl_idname = "velatura.redo_view"
    bl_label = "Redo View"

    number: bpy.props.IntProperty(name="View", description="Counted from 1", default=1, min=1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    words: bpy.props.StringProperty(name="Words", description="Words for this view only", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send all views, with this one to be painted."""
        run = self.run(context)
        if self.number > len(run.views):
            raise ValueError(f"There are {len(run.views)} views, there is no view {self.number}")
        view = run.views[self.number - 1]
        words = self.words if self.properties.is_property_set("words") else view.words
        others = [other for other in run.views if other.use and other != view]
        place_of = sum(other.use for other in run.views[: self.number - 1])
        wish = self.wish(context, tuple(view.depth.size) if view.depth else (0, 0))
        wish = dataclasses.replace(wish, seed=(wish.seed - place_of) % 2**64)
        session.connect(preferences.endpoint(context))
        painting = asking_views.Painting(
            refine=run.refine if others else 0.4, depth=view_hints.depth_strength(context.scene.velatura.controls)
        )
        blending = asking_views.Blending(sharpness=run.sharpness)

        def job(sights, targets):
            sights[place_of] = dataclasses.replace(sights[place_of], words=words)
            return asking_views.texture(wish, sights, targets, blending, painting)

        more = {"anew": [self.number - 1], "number": self.number - 1, "index": place_of, "words": words}
        return self.in_turn(context, run, job, run.texture_size, **more)


class VELATURA_OT_remove_views(bpy.types.Operator):
    """Drop the views that are kept of the active object; its texture stays, and cannot be blended again"""

    bl_idname = "velatura.remove_views"
    bl_label = "Remove Views"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context):
        """There are some."""
        return views.run_of(context.view_layer.objects.active, context.scene) is not None

    def execute(self, context):
        """Drop them."""
        run = views.run_of(context.view_layer.objects.active, context.scene)
        words = f"{len(run.views)} views of «{run.prompt}» are removed"
        views.remove(context.scene, run)
        self.report({"INFO"}, words)
        return {"FINISHED"}


@resume.baked
def put_again(result, key, title, sent, left_out, settings=None, number=None, index=0, words=""):
    """New textures in copies of the materials that are worn, and the picture of view `number`, which came as the job's
    view `index`; says what was done. `sent` are the targets' numbers, names and layers; `settings` the run's."""
    ready = yield from sheets_of(result)
    found, notes = views.find(key), []
    run = found[1] if found is not None else None
    if run is not None:
        run.turn += 1
        for name, value in (settings or {}).items():
            setattr(run, name, value)
    for artifact in result.artifacts:
        if number is not None and artifact.step_id == asking_views.VIEWS and artifact.index == index:
            name = f"{place.title(title, 32)} view {number + 1}"
            image = place.image(name, ready[artifact.step_id, index], asking.recipe_of(artifact))
            if run is not None:
                view = run.views[number]
                views.show(view, image, artifact.seed)
                view.use, view.words = True, words
            notes.append(f"view {number + 1}, seed {artifact.seed}")
    for artifact, (where, name, layer) in zip(textures(result), sent, strict=True):
        recipe = asking.recipe_of(artifact)
        image = place.image(f"{place.title(title, 32)} on {name}", ready[artifact.step_id, artifact.index], recipe)
        if run is None or not views.is_there(run.targets[where].thing):
            place.material(image.name, image, layer, recipe=recipe)
            notes.append(f"{name if run is not None else 'what was textured'} is gone: {KEPT}")
        else:
            run.targets[where].coverage = artifact.scores.get("coverage", 0.0)
            notes += wear_again(run, where, image)
    return "Blended: " + "; ".join([*notes, *left_out, *told(result)])


def wear_again(run, number, image):
    """Show a new texture on a run's target instead of the one before; notes for the artist."""
    thing, layer = run.targets[number].thing, run.targets[number].layer
    views.mark(image, run, number)
    worn = {slot.material for slot in thing.material_slots}
    shown = {each: before for each in worn if (before := views.marked(each, run, number)) is not None}
    for each, before in shown.items():
        views.keep_strokes(before)
        canvas.wear(thing, each, before, image)
    if shown:
        return []
    if thing.type != "MESH" or layer not in thing.data.uv_layers:
        place.material(image.name, image, layer, recipe=image[place.RECIPE])
        return [f"{thing.name} has no UV map «{layer}» any more: {KEPT}"]
    place.wear(thing, place.material(image.name, image, layer, recipe=image[place.RECIPE]))
    return [f"no material of {thing.name} showed the texture any more, so it has a new one"]


def textures(result):
    """The textures among a job's results, in the targets' order."""
    return [artifact for artifact in result.artifacts if artifact.step_id == asking_views.TEXTURES]


def sheets_of(result):
    """In turn, the result's pictures made ready by their step and index; textures without alpha, since all of them is
    painted or filled."""

    def picture(artifact):
        channels = 3 if artifact.step_id == asking_views.TEXTURES else 4
        return lambda: asking.picture(artifact)[..., :channels]

    made = yield from sheets_in_turn([picture(artifact) for artifact in result.artifacts])
    return {(one.step_id, one.index): sheet for one, sheet in zip(result.artifacts, made, strict=True)}


def told(result):
    """What the artist should know of the textures."""
    notes = []
    for artifact in textures(result):
        scores = artifact.scores
        notes.append(f"{artifact.name} {scores.get('coverage', 0.0):.1%} seen, the rest filled in")
        if scores.get("overlap", 0) > uvs.MOST:
            notes.append(f"parts of {artifact.name} share their texture")
        if scores.get("degenerate", 0) > 0:
            notes.append(
                f"{scores['degenerate']:.1%} of the faces of {artifact.name} have no area, or none in the UV map"
            )
    return notes


CLASSES = (VELATURA_OT_reblend, VELATURA_OT_redo_view, VELATURA_OT_remove_views)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
