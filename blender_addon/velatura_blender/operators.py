"""What an artist can ask for. Each operator sends a job and returns at once, or with `wait=True` when it is placed."""

import random
from functools import partial
from types import GeneratorType

import bpy

from . import asking, canvas, capture, held, host, lent, painting, place, preferences, resume, unseen, uvs, wiring
from .client import VelaturaError
from .errands import errands
from .session import session
from .sheets import beside, sheets_in_turn

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


def task_of(operator, asked):
    """The task of what an operator asked: `asked`, or what it ends with where it is a generator of pieces. None while
    there are pieces left for the window's timer."""
    if not isinstance(asked, GeneratorType):
        return asked
    tasks = []
    errand = errands.start(operator.bl_label, _pieces(asked, tasks), asks=True)
    if operator.wait or not host.has_window():
        errands.wait(errand)
    elif errand.error is not None:
        raise errand.error
    return tasks[0] if tasks else None


def _pieces(asked, tasks):
    """Steps of an errand that end with a task, which `tasks` takes."""
    tasks.append((yield from asked))
    return tasks[0].message or f"{tasks[0].title} …"


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
            task = task_of(self, self.ask(context))
            if task is None:
                return {"FINISHED"}
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


class Settled(Asking):
    """An operator's values as they were when it was asked: in the window it is gone when pieces of it are left."""

    def __init__(self, operator, context, *names):
        names = ("prompt", "negative", "seed", "steps", "model", "style", "sampler", "guidance", *names)
        self.values = {name: operator.value(context, name) for name in names}

    def value(self, context, name):
        """What it was then."""
        return self.values[name]


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
        on = lent.unwrapped(things)
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
            things=lent.unwrapped(things),
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
            on, surfaces = lent.held(things, given), lent.surfaces(things, given)
        lent.need_laid(things, surfaces)
        return project(wish, lens, solids, surfaces, on, left_out, self.value(context, "texture_size"))


def project(wish, lens, solids, surfaces, on, left_out, side):
    """Look, read the looks that are painted over, and send the job, in pieces; its task."""
    (pieces,) = yield from beside([lambda: list(capture.pieces(solids))])
    seen = capture.see(lens, pieces, *wish.size)
    mask = seen.mask([each.name for each in surfaces])
    if not mask.any():
        raise ValueError("The camera sees none of the selected objects: move it, or select others")
    bases, lost = [], []
    for each in on:
        yield
        thing = each.find()
        if thing is None:
            raise ValueError(f"{each.name} is gone")
        bases.append(place.look_of(thing, each.layer, side))
        lost += [thing.name] * place.shows_more(thing, each.layer)
    ((spec, over),) = yield from beside([partial(_projection, wish, seen, mask, surfaces, bases)])
    put = partial(put_projection, things={each.name: each for each in on}, title=wish.prompt, over=over, side=side)
    task = session.run("Projection", spec, put, left_out=left_out)
    if lost:
        task.warnings += (f"The look of {', '.join(lost)} {PLAIN}",)
    return task


def _projection(wish, seen, mask, surfaces, bases):
    """The job, and digests of the looks that it paints over, by the objects' names. Touches no Blender data."""
    targets = [
        asking.target(piece.name, piece.positions, piece.triangles, piece.uvs, base)
        for piece, base in zip(capture.pieces(surfaces), bases, strict=True)
    ]
    lens = asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic)
    over = {each.name: canvas.digest(base) for each, base in zip(surfaces, bases, strict=True)}
    return asking.projection(wish, targets, lens, seen.depth, mask), over


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


CLASSES = (
    VELATURA_OT_texture,
    VELATURA_OT_material,
    VELATURA_OT_project,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
