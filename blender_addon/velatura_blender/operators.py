"""What an artist can ask for. Each operator sends a job and returns at once, or with `wait=True` when it is placed."""

import random
from functools import partial

import bpy

from . import asking, capture, host, painting, place, preferences, resume, unseen, wiring
from .client import VelaturaError
from .session import session
from .sheets import sheets_in_turn

EDITING = "Leave Edit Mode first"


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
            session.say(str(error), error if isinstance(error, VelaturaError) else None)
            session.failed = True
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

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
        names = [thing.name for thing in things]
        put = partial(put_texture, names=names, title=wish.prompt, repeat=self.value(context, "repeat"))
        spec = asking.texture(wish, self.value(context, "tiling"))
        return session.run("Texture", spec, put, left_out=wish.left_out)


@resume.resumable
def put_texture(result, names, title, repeat):
    """Image, one material for each UV layer that is used, and the objects that wear them; says what was done."""
    artifact = result.artifacts[0]
    recipe = asking.recipe_of(artifact)
    image = place.image(title[:48], asking.picture(artifact)[..., :3], recipe)
    made, unwrapped = {}, []
    for thing in _living(names):
        layer, new = place.uv_layer(thing)
        unwrapped += [thing.name] * new
        if layer not in made:
            made[layer] = place.material(title[:48], image, layer, repeat=repeat, recipe=recipe)
        place.wear(thing, made[layer])
    note = f"; unwrapped {', '.join(unwrapped)} into «{place.LAYER}»" if unwrapped else ""
    return f"Texture on {', '.join(names)}, seed {artifact.seed}{note}"


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
        put = partial(
            put_material,
            names=[thing.name for thing in things],
            title=wish.prompt,
            repeat=self.value(context, "repeat"),
            displace=self.value(context, "displace"),
        )
        spec = asking.material(wish, self.value(context, "tiling"))
        return session.run("Material", spec, put, left_out=wish.left_out)


@resume.resumable
def put_material(result, names, title, repeat, displace):
    """An image for each map, one material for each UV layer that is used, and who wears them; says what was done.

    The maps become files beside Blender's thread. All else is one piece: packing six files takes few milliseconds, and
    each change that the window hears of has its views drawn anew.
    """
    found = asking.maps_of(result)
    recipe = asking.recipe_of(found["albedo"])

    def picture(name):
        return lambda: asking.picture(found[name], deep=name == "height")[..., :3]

    ready = dict(zip(found, (yield from sheets_in_turn([picture(name) for name in found])), strict=True))
    called = {name: title[:48] if name == "albedo" else f"{title[:48]} {name}" for name in found}
    images = {name: place.image(called[name], ready[name], recipe, data=name != "albedo") for name in found}
    share = found["height"].scores.get("relief", 0.0) / images["height"].size[0] / repeat  # of the UV square's side
    made, unwrapped = {}, []
    for thing in _living(names):
        layer, new = place.uv_layer(thing)
        unwrapped += [thing.name] * new
        if layer not in made:
            depth = share * max(thing.dimensions)
            made[layer] = wiring.surface(
                title[:48], images, layer, repeat=repeat, depth=depth, displace=displace, recipe=recipe
            )
        place.wear(thing, made[layer])
    note = f"; unwrapped {', '.join(unwrapped)} into «{place.LAYER}»" if unwrapped else ""
    return f"Material on {', '.join(names)}, {_seeds(result)[0]}{note}"


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
        layers, made = {}, []
        take_back = partial(drop_layers, made=made)
        try:
            for thing in things:
                layers[thing.name], new = place.layer_to_paint(thing, fresh=self.value(context, "fresh_uvs"))
                made += [(thing.name, layers[thing.name])] * new
            targets = self.surfaces(context, things, layers)
            lens = asking.camera(seen.lens.world_to_camera, seen.lens.camera_to_clip, seen.lens.orthographic)
            spec = asking.projection(wish, targets, lens, seen.depth, mask)
            put = partial(put_projection, layers=layers, made=made, title=wish.prompt)
            return session.run("Projection", spec, put, take_back, left_out=left_out)
        except Exception:
            take_back()
            raise

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


@resume.resumable
def put_projection(result, layers, made, title):
    """One image and material for each object; says what was done."""
    notes = _seeds(result)
    notes += [f"unwrapped {name} into «{layer}»" for name, layer in made]
    for artifact in result.artifacts:
        for thing in _living([artifact.name]):
            if len({slot.material for slot in thing.material_slots}) > 1:
                notes.append(f"{thing.name} has several materials, the first one's look stays where nothing is painted")
            recipe = asking.recipe_of(artifact)
            name = f"{title[:32]} on {thing.name}"
            image = place.image(name, asking.picture(artifact), recipe)
            place.wear(thing, place.material(name, image, layers[thing.name], recipe=recipe))
        scores = artifact.scores
        if "coverage" in scores:
            notes.append(f"{artifact.name} {scores['coverage']:.0%} painted")
        if scores.get("overlap", 0) > 0.02:
            notes.append(f"UVs of {artifact.name} overlap: try New UV Map")
        if scores.get("outside", 0) > 0.02:
            notes.append(f"UVs of {artifact.name} leave the square and are cut")
    return "Projected: " + "; ".join(notes)


@resume.resumable
def drop_layers(made):
    """Take back the UV layers that were made for a job that came to nothing."""
    for name, layer in made:
        thing = bpy.data.objects.get(name)
        if thing is not None and layer in thing.data.uv_layers:
            thing.data.uv_layers.remove(thing.data.uv_layers[layer])


def _living(names):
    """The objects that are still there."""
    return [thing for thing in map(bpy.data.objects.get, names) if thing is not None]


CLASSES = (
    VELATURA_OT_texture,
    VELATURA_OT_material,
    VELATURA_OT_project,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
