"""How whole objects come into the file that were textured from views: pictures, materials, UV maps, and their run."""

from dataclasses import replace
from functools import partial

import bpy

from . import asking, asking_views, drafts, lent, place, reblend, resume, views
from .pace import beside


@resume.baked
def put_object(result, key, title, things):
    """The views' pictures, one image and material for each object, which wears it, and the run that they are of; says
    what was done. `key` is that of the draft or, where this varies what is there, of its run."""
    packed = drafts.known(key)
    ready = yield from reblend.sheets_of(result)
    recipes = yield from beside([partial(asking.recipe_of, artifact) for artifact in result.artifacts])
    told = {(one.step_id, one.index): recipe for one, recipe in zip(result.artifacts, recipes, strict=True)}
    (draft,) = yield from beside([lambda: None if packed is None else drafts.unpacked(packed)])
    depths = [] if draft is None else (yield from views.depths_of(draft))
    scene, run, notes = begun(key, things, draft, depths)
    try:
        seed = put_views(result, ready, told, run, title)
        put_textures(result, ready, told, run, title)
    except Exception:
        views.remove(scene, run)
        raise
    notes = [f"{len(run.views)} views, seed {seed}", *notes, *reblend.told(result)]
    if not run.views or all(target.thing is None for target in run.targets):
        views.remove(scene, run)
    return "Textured: " + "; ".join(notes)


def put_views(result, ready, recipes, run, title):
    """The pictures of a run's views, where it has any; the first one's seed."""
    made = [artifact for artifact in result.artifacts if artifact.step_id == asking_views.VIEWS]
    for artifact in made if run.views else ():
        name = f"{place.title(title, 32)} view {artifact.index + 1}"
        here = artifact.step_id, artifact.index
        image = place.image(name, ready[here], recipes[here])
        views.show(run.views[artifact.index], image, artifact.seed)
    return made[0].seed


def put_textures(result, ready, recipes, run, title):
    """An image and a material for each target, worn where its object is there."""
    for artifact in reblend.textures(result):
        target, here = run.targets[artifact.index], (artifact.step_id, artifact.index)
        recipe = recipes[here]
        name = f"{place.title(title, 32)} on {target.name}"
        image = place.image(name, ready[here], recipe)
        views.mark(image, run, artifact.index)
        material = place.material(image.name, image, target.layer, recipe=recipe)
        if target.thing is not None:
            place.wear(target.thing, material)
        target.coverage = artifact.scores.get("coverage", 0.0)


def begun(key, things, draft, depths):
    """The run that a result is for, with the objects that can wear it, its scene, and notes: one that was asked for in
    this session or in the one that saved the file, of a draft and its `depths`, else another one like that which this
    varies."""
    scene, former = drafts.take(key), views.find(key)
    if draft is None and former is not None:
        scene, run = former[0], views.again(*former)
        given = [lent.Layer(name=target.layer) for target in run.targets]
    else:
        meant = tuple(drafts.Meant(name=each.name, layer=lent.Layer(name=each.layer)) for each in things)
        scene = scene or bpy.context.scene
        draft = draft or drafts.Draft(settings={}, views=(), targets=meant)
        run = views.begin(scene, key, draft, depths)
        given = [as_it_was(each, meant.layer) for each, meant in zip(things, draft.targets, strict=True)]
    notes = []
    for target, each, layer in zip(run.targets, things, given, strict=True):
        thing, target.thing = target.thing or each.find(), None
        try:
            if not views.is_there(thing):
                raise ValueError(f"{target.name} is gone")
            before, target.layer = target.layer, lent.give(thing, layer)
            target.thing, target.name = thing, thing.name
            if layer.uvs is not None:
                notes.append(f"unwrapped {thing.name} into «{target.layer}»" + f", which {layer.why}" * bool(layer.why))
            elif target.layer != before:
                notes.append(f"the UV map {before} has changed, the paint lies in «{target.layer}» as it was")
        except ValueError as error:
            notes.append(f"{error}: {reblend.KEPT}")
    return scene, run, notes


def as_it_was(each, layer):
    """A layer that an object had when it was asked for; where the artist changed it since, one that is as it was."""
    thing = each.find()
    if layer.uvs is not None or thing is None:
        return layer
    name = each.lay()
    if not name and layer.name in thing.data.uv_layers:  # it was changed, and there is no room for another
        return replace(layer, uvs=each.uvs, faces=each.faces)
    return lent.Layer(name=name or layer.name)
