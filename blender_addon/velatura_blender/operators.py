"""What an artist can ask for. Each operator sends a job and returns at once, or with `wait=True` when it is placed."""

import random
from functools import partial

import bpy

from . import asking, canvas, capture, held, host, lent, painting, place, preferences, resume, unseen, wiring
from .client import VelaturaError, pixels
from .session import session
from .sheets import sheets_in_turn

EDITING = "Leave Edit Mode first"
PLAIN = (
    "is made by other nodes, or lies in another UV map, and becomes a plain colour where nothing is painted: stop, and "
    "bake it into an image first (Cycles: Render > Bake, Diffuse, Color alone)"
)


def refused(operator, error):
    """Tell the artist why an operator did nothing; what it returns then."""
    session.say(str(error), error if isinstance(error, VelaturaError) else None)
    session.failed = True
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


def act(operator, context, begin, finish):
    """Begin an errand, and with `wait` or without a window finish it; or say why not."""
    try:
        if context.mode.startswith("EDIT"):
            raise ValueError(EDITING)
        errand = begin()
        if operator.wait or not host.has_window():
            finish(errand)
            operator.report({"INFO"}, errand.message)
        elif errand.error is not None:
            raise errand.error
        return {"FINISHED"}
    except (VelaturaError, ValueError) as error:
        return refused(operator, error)


class Asking:
    """What the operators share: settings come from the operator where given, else from the scene."""

    bl_options = {"REGISTER"}  # noqa: RUF012
    editing = False
    """Whether it can be asked for in Edit Mode."""

    prompt: bpy.props.StringProperty(name="Prompt", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    negative: bpy.props.StringProperty(name="Avoid", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    model: bpy.props.StringProperty(name="Model", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    size: bpy.props.IntProperty(name="Size", default=512, min=64, max=4096, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(name="Seed", default=-1, min=-1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    steps: bpy.props.IntProperty(name="Steps", min=0, max=1000, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    style: bpy.props.StringProperty(name="Style", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    sampler: bpy.props.StringProperty(name="Sampler", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    guidance: bpy.props.FloatProperty(name="Guidance", default=-1, min=-1, max=100, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    wait: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Wait", description="Return when the result is in the scene", options={"SKIP_SAVE", "HIDDEN"}
    )

    def execute(self, context):
        """Ask, and with `wait` place."""
        try:
            if context.mode.startswith("EDIT") and not self.editing:
                raise ValueError(EDITING)
            task = self.ask(context)
            if self.wait:
                session.wait(task)
                self.report({"INFO"}, task.message)
            for warning in task.warnings:
                self.report({"WARNING"}, warning)
            return {"FINISHED"}
        except (VelaturaError, ValueError) as error:
            return refused(self, error)

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        given = self.properties.is_property_set(name)
        return getattr(self if given else context.scene.velatura, name)

    def wish(self, context, size):
        """What to paint, at (width, height)."""
        prompt = self.value(context, "prompt").strip()
        if not prompt:
            raise ValueError("Say what to paint: the prompt is empty")
        seed, steps = self.value(context, "seed"), self.value(context, "steps")
        return asking.Wish(
            prompt=prompt,
            negative=self.value(context, "negative").strip(),
            size=size,
            seed=random.randrange(1 << 31) if seed < 0 else seed,  # one that fits into the field, to be used again
            steps=steps or None,
            model=self.value(context, "model").strip(),
            **painting.extras(context, size, partial(self.value, context), self.controls(context)),
        )

    def controls(self, context):
        """Hints of the operator's own; None for those that lead one picture."""
        return None

    def targets(self, context):
        """The meshes that are meant."""
        return unseen.paintable(context)


class VELATURA_OT_texture(Asking, bpy.types.Operator):
    """Make a seamless texture of the prompt and put it on the selected meshes as a new material"""

    bl_idname = "velatura.texture"
    bl_label = "Seamless Texture"

    tiling: bpy.props.EnumProperty(name="Seamless", items=preferences.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    repeat: bpy.props.FloatProperty(name="Repeat", default=1.0, min=0.01, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send it."""
        things = self.targets(context)
        side = self.value(context, "size")
        wish = self.wish(context, (side, side))
        session.connect(preferences.endpoint(context))
        spec = asking.texture(wish, self.value(context, "tiling"))
        on = lent.unwrapped(things, "ACTIVE")
        put = partial(put_texture, things=on, title=wish.prompt, repeat=self.value(context, "repeat"))
        return session.run("Texture", spec, put, left_out=wish.left_out)


@resume.resumable
def put_texture(result, things, title, repeat):
    """Image, one material for each UV layer that is used, and the objects that wear them; says what was done."""
    artifact = result.artifacts[0]
    recipe = asking.recipe_of(artifact)
    (ready,) = yield from sheets_in_turn([lambda: asking.picture(artifact)[..., :3]])
    image = place.image(place.title(title), ready, recipe)

    def material(layer, size):
        return place.material(place.title(title), image, layer, repeat=repeat, recipe=recipe)

    return _dress("Texture", things, f"seed {artifact.seed}", material)


class VELATURA_OT_material(Asking, bpy.types.Operator):
    """Make a seamless texture of the prompt with its normals, height, roughness and metal, as a new material"""

    bl_idname = "velatura.material"
    bl_label = "Seamless Material"

    tiling: bpy.props.EnumProperty(name="Seamless", items=preferences.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    repeat: bpy.props.FloatProperty(name="Repeat", default=1.0, min=0.01, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    displace: bpy.props.BoolProperty(name="Displace", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send it."""
        things = self.targets(context)
        side = self.value(context, "size")
        wish = self.wish(context, (side, side))
        session.connect(preferences.endpoint(context))
        spec = asking.material(wish, self.value(context, "tiling"))
        put = partial(
            put_material,
            things=lent.unwrapped(things, "ACTIVE"),
            title=wish.prompt,
            repeat=self.value(context, "repeat"),
            displace=self.value(context, "displace"),
        )
        return session.run("Material", spec, put, left_out=wish.left_out)


@resume.resumable
def put_material(result, things, title, repeat, displace):
    """An image for each map, one material for each UV layer that is used, and who wears them; says what was done.

    The maps become files beside Blender's thread. All else is one piece: packing six files takes few milliseconds, and
    each change that the window hears of has its views drawn anew.
    """
    found = asking.maps_of(result)
    recipe = asking.recipe_of(found["albedo"])

    def picture(name):
        return lambda: asking.picture(found[name], deep=name == "height")[..., :3]

    ready = dict(zip(found, (yield from sheets_in_turn([picture(name) for name in found])), strict=True))
    called = {name: place.title(title) if name == "albedo" else f"{place.title(title)} {name}" for name in found}
    images = {name: place.image(called[name], ready[name], recipe, data=name != "albedo") for name in found}
    share = found["height"].scores.get("relief", 0.0) / images["height"].size[0] / repeat  # of the UV square's side

    def material(layer, size):
        return wiring.surface(
            place.title(title), images, layer, repeat=repeat, depth=share * size, displace=displace, recipe=recipe
        )

    return _dress("Material", things, _seeds(result)[0], material)


def _dress(what, things, seed, material):
    """The objects that are still there wear a material, `material(layer, size)` for each UV layer that is used; says
    what was done."""
    notes, known, worn = [seed, *lent.words(things)], {}, []
    for target in things:
        thing = target.find()
        if thing is None:
            notes.append(f"{target.name} is gone")
            continue
        layer = target.lay_any()
        if not layer:
            notes.append(f"{thing.name} has no UV map: unwrap it (Edit Mode, U)")
        if layer not in known:
            known[layer] = material(layer, max(thing.dimensions))
        place.wear(thing, known[layer])
        worn.append(thing.name)
    if not worn:
        material(things[0].layer, 1.0)
        notes.append("Apply Again there puts it on another mesh")
    return f"{what} {'on ' + ', '.join(worn) if worn else 'only in the history'}, " + "; ".join(notes)


def _seeds(result):
    """The seeds of a job's paintings, in words."""
    return [f"seed {step.diffuse.seed}" for step in result.resolved.steps if step.HasField("diffuse")]


class VELATURA_OT_project(Asking, bpy.types.Operator):
    """Paint the prompt as seen from the camera, following the scene's depth, and bake it onto the selected meshes"""

    bl_idname = "velatura.project"
    bl_label = "Project from Camera"

    texture_size: bpy.props.IntProperty(name="Texture", default=1024, min=16, max=8192, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    fresh_uvs: bpy.props.BoolProperty(name="New UV Map", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Capture and send it."""
        scene = context.scene
        if scene.camera is None:
            raise ValueError("The scene has no camera: add one and look through it (Ctrl Alt 0)")
        things = self.targets(context)
        wish = self.wish(context, host.frame_size(scene, self.value(context, "size")))
        session.connect(preferences.endpoint(context))
        names = [thing.name for thing in things]
        depsgraph = context.evaluated_depsgraph_get()
        seen = capture.frame(scene.camera, depsgraph, *wish.size)
        unseen.need_seen(things, seen.names, depsgraph)
        left_out = unseen.found(depsgraph, [seen.lens])
        mask = seen.mask(names)
        if not mask.any():
            raise ValueError("The camera sees none of the selected objects: move it, or select others")
        with lent.layers(things, "NEW" if self.value(context, "fresh_uvs") else "KEEP") as given:
            on = lent.held(things, given)
            targets = self.surfaces(context, things, {each.name: each.layer for each in on})
        over = {each.id: canvas.digest(pixels.to_array(each.base)) for each in targets}
        lens = asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic)
        spec = asking.projection(wish, targets, lens, seen.depth, mask)
        side = self.value(context, "texture_size")
        put = partial(put_projection, things={each.name: each for each in on}, title=wish.prompt, over=over, side=side)
        task = session.run("Projection", spec, put, left_out=left_out)
        lost = [each.name for each in on if place.shows_more(each.find(), each.layer)]
        if lost:
            task.warnings += (f"The look of {', '.join(lost)} {PLAIN}",)
        return task

    def surfaces(self, context, things, layers):
        """The targets' messages."""
        context.view_layer.update()
        depsgraph = context.evaluated_depsgraph_get()
        side = self.value(context, "texture_size")
        targets = []
        for thing in things:
            piece = capture.surface(thing, depsgraph, layers[thing.name])
            if piece is None or piece.uvs is None:
                raise ValueError(f"{thing.name} loses its UV map in its modifiers: keep it there, or apply them")
            base = place.look_of(thing, layers[thing.name], side)
            targets.append(asking.target(thing.name, piece.positions, piece.triangles, piece.uvs, base))
        return targets


@resume.baked
def put_projection(result, things, title, over, side):
    """One image and material for each object, by the name that it had; says what was done. `over` are digests of the
    looks that were painted over, whose textures have `side` texels at least."""
    ready = yield from sheets_in_turn([partial(asking.picture, artifact) for artifact in result.artifacts])
    notes = [*_seeds(result), *lent.words(list(things.values()))]
    for artifact, picture in zip(result.artifacts, ready, strict=True):
        target = things[artifact.name]
        thing = target.find()
        called = target.name if thing is None else thing.name
        layer = "" if thing is None else target.lay()
        if layer and layer == target.layer and not thing.use_dynamic_topology_sculpting:  # its UVs cannot be read then
            present = canvas.look_since(thing, layer, over[artifact.name], side)
            picture = picture if present is None else canvas.over(present, thing, layer, asking.picture(artifact))
        recipe = asking.recipe_of(artifact)
        image = place.image(f"{place.title(title, 32)} on {called}", picture, recipe)
        material = place.material(image.name, image, layer or target.layer, recipe=recipe)
        if layer:
            place.wear(thing, material)
        notes += _told_of_wearing(target, thing, layer, image) + _told_of_scores(called, artifact.scores)
    return "Projected: " + "; ".join(notes)


def _told_of_wearing(target, thing, layer, image):
    """What the artist should know of where a projection lies now."""
    if thing is None:
        return [f"{target.name} is gone, so «{image.name}» is only in the history"]
    if not layer:
        why = "is being edited" if held.being_edited(thing) else "has other faces now"
        return [f"{thing.name} {why} and has no UV map «{target.layer}», so «{image.name}» is only in the history"]
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


CLASSES = (
    VELATURA_OT_texture,
    VELATURA_OT_material,
    VELATURA_OT_project,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
