"""Changing what was textured from views: blending them anew, and painting one of them again."""

import dataclasses
from functools import partial

import bpy

from . import asking, asking_views, place, preferences, resume, uvs, view_hints, views
from .operators import Asking
from .session import session
from .sheets import sheets_in_turn


class OfViews(Asking):
    """What operators share that paint views: hints are made of each view's own depth."""

    def controls(self, context):
        """The hints that lead every view."""
        return view_hints.controls(context.scene.velatura.controls)


def blending(run):
    """How a run's views are blended."""
    return asking_views.Blending(sharpness=run.sharpness)


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


class VELATURA_OT_reblend(Blended, bpy.types.Operator):
    """Blend the views of the active object anew, with other weights or without some of them; paints nothing"""

    bl_idname = "velatura.reblend"
    bl_label = "Re-blend"

    sharpness: bpy.props.FloatProperty(name="Sharpness", default=4.0, min=0.0, max=32.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    texture_size: bpy.props.IntProperty(name="Texture", default=1024, min=16, max=8192, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send the views that are in use."""
        run = self.run(context)
        for name in ("sharpness", "texture_size"):
            if self.properties.is_property_set(name):
                setattr(run, name, getattr(self, name))
        if not any(view.use for view in run.views):
            raise ValueError("All views are left out: switch at least one on")
        session.connect(preferences.endpoint(context))
        found = views.targets(run, context.evaluated_depsgraph_get())
        spec = asking_views.blend(views.sights(run, anew=set()), found, blending(run))
        return session.run("Re-blend", spec, partial(put_again, key=run.key))


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
        if self.properties.is_property_set("words"):
            view.words = self.words
        others = [other for other in run.views if other.use and other != view]
        place_of = sum(other.use for other in run.views[: self.number - 1])
        wish = self.wish(context, tuple(view.depth.size) if view.depth else (0, 0))
        wish = dataclasses.replace(wish, seed=(wish.seed - place_of) % 2**64)
        session.connect(preferences.endpoint(context))
        sent = views.sights(run, anew={self.number - 1})
        found = views.targets(run, context.evaluated_depsgraph_get())
        painting = asking_views.Painting(
            refine=run.refine if others else 0.4, depth=view_hints.depth_strength(context.scene.velatura.controls)
        )
        spec = asking_views.texture(wish, sent, found, blending(run), painting)
        put = partial(put_again, key=run.key, number=self.number - 1, index=place_of)
        return session.run("Redo View", spec, put)


@resume.resumable
def put_again(result, key, number=None, index=0):
    """New textures in the materials that are worn, and the picture of view `number`, which came as the job's view
    `index`; says what was done."""
    ready = yield from sheets_of(result)
    run = views.get(key)
    title, notes = run.prompt[:32], []
    for artifact in result.artifacts:
        if number is not None and artifact.step_id == asking_views.VIEWS and artifact.index == index:
            view = run.views[number]
            recipe = asking.recipe_of(artifact)
            view.image = place.image(f"{title} view {number + 1}", ready[artifact.step_id, index], recipe)
            view.seed, view.use = artifact.seed, True
            notes.append(f"view {number + 1}, seed {artifact.seed}")
    for artifact in textures(result):
        target = run.targets[artifact.index]
        if target.thing is None or target.material is None:
            continue
        recipe = asking.recipe_of(artifact)
        image = place.image(f"{title} on {target.thing.name}", ready[artifact.step_id, artifact.index], recipe)
        for node in target.material.node_tree.nodes:
            if node.type == "TEX_IMAGE":
                if node.image is not None and node.image.is_dirty:
                    node.image.use_fake_user = True  # painted on by hand: it would be gone with the next save
                node.image = image
        target.material[place.RECIPE] = recipe
    return "Blended: " + "; ".join([*notes, *told(run, result)])


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


def told(run, result):
    """What the artist should know of the textures."""
    notes = []
    for artifact in textures(result):
        target, scores = run.targets[artifact.index], artifact.scores
        target.coverage = scores.get("coverage", 0.0)
        notes.append(f"{artifact.name} {target.coverage:.1%} seen, the rest filled in")
        if scores.get("overlap", 0) > uvs.MOST:
            notes.append(f"parts of {artifact.name} share their texture")
        if scores.get("degenerate", 0) > 0:
            notes.append(
                f"{scores['degenerate']:.1%} of the faces of {artifact.name} have no area, or none in the UV map"
            )
    return notes


CLASSES = (VELATURA_OT_reblend, VELATURA_OT_redo_view)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
