"""A picture with depth as a surface: a mesh with every pixel in its place, or a plane that the depth displaces."""

from functools import partial

import bpy
import numpy as np

from . import asking, asking_relief, capture, host, place, preferences, resume
from .errands import errands
from .operators import EDITING, Asking, act, refused, sent
from .pace import beside
from .session import session
from .sheets import sheets_in_turn

DEPTHS = [
    ("NEAR", "White Is Near", "As estimators draw it; black is nothing"),
    ("FAR", "White Is Far", "As many programs draw it; white is nothing"),
    ("METRES", "Metres", "Distances along the camera's axis, in a float image, such as a Z pass"),
]
LENSES = [
    ("OWN", "By Angle", "A camera at the 3D cursor that looks along Y, with the angle below"),
    ("SCENE", "Scene Camera", "The scene's camera: looking through it, the mesh is the picture"),
]
LAYER = "UVMap"


class VelaturaRelief(bpy.types.PropertyGroup):
    """How pictures become surfaces, kept with the scene."""

    image: bpy.props.PointerProperty(name="Picture", type=bpy.types.Image)  # type: ignore[valid-type]
    depth: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Depth", description="How near things are; none: the engine's model estimates it", type=bpy.types.Image
    )
    depth_kind: bpy.props.EnumProperty(name="It Shows", items=DEPTHS)  # type: ignore[valid-type]
    lens: bpy.props.EnumProperty(name="Camera", items=LENSES)  # type: ignore[valid-type]
    angle: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Angle", description="The camera's field of view along the picture's longer side",
        default=0.8727, min=0.0175, max=2.967, subtype="ANGLE",
    )  # fmt: skip
    nearest: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Nearest", description="How far the nearest is, where depth is not in metres", default=1.0, min=0.001,
        max=1e6, subtype="DISTANCE",
    )  # fmt: skip
    relief: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Farthest", description="The farthest lies so many times as far as the nearest", default=5.0, min=1.01,
        max=1000.0,
    )  # fmt: skip
    jump: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Cut", description="Cut where distance changes by more than this part of itself from pixel to pixel",
        default=0.05, min=0.001, max=1000.0, soft_max=1.0,
    )  # fmt: skip
    triangles: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Triangles", description="At most so many, fewer where it is flat; 0: two for each pixel",
        default=100_000, min=0, max=1 << 24,
    )  # fmt: skip
    side: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Size", description="Longer side of the plane", default=2.0, min=0.001, max=1e5, subtype="DISTANCE"
    )
    height: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Height", description="How far what is nearest stands out", default=0.4, min=-1e5, max=1e5,
        subtype="DISTANCE",
    )  # fmt: skip


class Relieving:
    """What both operators share: the picture and its depth, each named, as a file, or from the scene's settings."""

    bl_options = {"REGISTER"}  # noqa: RUF012

    image: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Picture", description="Name of an image; empty: the editor's, or the panel's", options={"SKIP_SAVE"}
    )
    filepath: bpy.props.StringProperty(name="File", description="A picture's file", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    depth: bpy.props.StringProperty(name="Depth", description="Name of an image", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    depth_kind: bpy.props.EnumProperty(name="It Shows", items=DEPTHS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    wait: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Wait", description="Return when the result is in the scene", options={"SKIP_SAVE", "HIDDEN"}
    )
    execute = Asking.execute

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        given = self.properties.is_property_set(name)
        return getattr(self if given else context.scene.velatura_relief, name)

    def picture(self, context):
        """The image to be made a surface. Raises ValueError where there is none."""
        if self.filepath:
            try:
                found = bpy.data.images.load(bpy.path.abspath(self.filepath), check_existing=True)
            except RuntimeError as error:
                raise ValueError(f"{self.filepath} cannot be opened: {error}") from None
        elif self.image:
            found = bpy.data.images.get(self.image)
        else:
            editor = context.space_data is not None and context.space_data.type == "IMAGE_EDITOR"
            found = host.shown_image(context) if editor else context.scene.velatura_relief.image
        if found is None:
            raise ValueError(f"There is no image «{self.image}»" if self.image else "Choose a picture first")
        return filled(found)

    def seen(self, context):
        """What reckons the depth, or None where it is to be estimated. Raises ValueError where there is none."""
        if self.depth:
            image = bpy.data.images.get(self.depth)
            if image is None:
                raise ValueError(f"There is no image «{self.depth}»")
        else:
            image = context.scene.velatura_relief.depth
        return None if image is None else depth_of(filled(image), self.value(context, "depth_kind"))


class VELATURA_OT_relief_mesh(Relieving, bpy.types.Operator):
    """Make a mesh of a picture and its depth: every pixel where the camera saw it, cut where one thing hides another"""

    bl_idname = "velatura.relief_mesh"
    bl_label = "Picture to Mesh"

    lens: bpy.props.EnumProperty(name="Camera", items=LENSES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    angle: bpy.props.FloatProperty(name="Angle", default=0.8727, subtype="ANGLE", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    nearest: bpy.props.FloatProperty(name="Nearest", default=1.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    relief: bpy.props.FloatProperty(name="Farthest", default=5.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    jump: bpy.props.FloatProperty(name="Cut", default=0.05, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    triangles: bpy.props.IntProperty(name="Triangles", default=100_000, min=0, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Read what there is, and send it; in pieces."""
        picture, depth = self.picture(context), self.seen(context)
        through = self.value(context, "lens") == "SCENE"
        shape = asking_relief.Shape(
            camera=lens_message(context, picture) if through else None,
            field_of_view=None if through else float(np.degrees(self.value(context, "angle"))),
            nearest=self.value(context, "nearest"), relief=self.value(context, "relief"),
            jump=self.value(context, "jump"), max_triangles=self.value(context, "triangles") or None,
        )  # fmt: skip
        session.connect(preferences.endpoint(context))
        eye = None if through else list(context.scene.cursor.location)
        read, put = place.raw(picture), partial(put_mesh, picture=picture.name, eye=eye)

        def job():
            return asking_relief.mesh(read.texels()[..., :3], None if depth is None else depth(), shape)

        return sent("Mesh", job, put)


class VELATURA_OT_relief_plane(Relieving, bpy.types.Operator):
    """Make a plane with a picture on it that its depth displaces, by modifiers that can be changed afterwards"""

    bl_idname = "velatura.relief_plane"
    bl_label = "Picture to Plane"

    side: bpy.props.FloatProperty(name="Size", default=2.0, min=0.001, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    height: bpy.props.FloatProperty(name="Height", default=0.4, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context):
        """With depth at hand no engine is asked."""
        try:
            depth = None if context.mode.startswith("EDIT") else self.seen(context)
        except ValueError as error:
            return refused(self, error)
        if depth is None:
            return Asking.execute(self, context)
        return act(self, context, lambda: self.begin(context, depth), errands.wait)

    def begin(self, context, depth):
        """Make it of this depth."""
        return errands.start("Plane", plane(depth, **self.asked(context, self.picture(context))))

    def asked(self, context, picture):
        """What is to be placed."""
        more = {name: self.value(context, name) for name in ("side", "height")}
        return {"picture": picture.name, "eye": list(context.scene.cursor.location), **more}

    def ask(self, context):
        """Have the depth estimated; in pieces."""
        if context.mode.startswith("EDIT"):
            raise ValueError(EDITING)
        picture = self.picture(context)
        session.connect(preferences.endpoint(context))
        read, put = place.raw(picture), partial(put_estimated_plane, **self.asked(context, picture))
        return sent("Plane", lambda: asking_relief.estimate(read.texels()[..., :3]), put)


def filled(image):
    """An image that has pixels. Raises ValueError for another."""
    if not all(image.size):
        raise ValueError(f"{image.name} has no pixels: its file is missing, or it is still to be rendered")
    return image


def depth_of(image, kind):
    """What reckons the depth that an image shows now, and touches no Blender data. Raises ValueError for bytes that are
    to be metres, and there where numbers are none, or show nothing."""
    read, name = place.raw(image), image.name
    if kind == "METRES" and not read.is_float:
        raise ValueError(f"{name} holds 8 bits, not metres: open the depth as a float image, such as EXR")

    def reckon():
        values = read.first()
        if np.isnan(values).any():
            raise ValueError(f"{name} has pixels that are not numbers: mend the depth first")
        if kind == "METRES":
            return asking_relief.Depth(values=values, metric=True)
        values = np.clip(values, 0, 1)
        values = values if kind == "NEAR" else 1 - values
        if not values.any():
            raise ValueError(f"{name} shows nothing that is near: choose another depth, or what it shows")
        return asking_relief.Depth(values=values)

    return reckon


def nearness(depth):
    """Depth as numbers (H, W) 0..1, near 1, to displace by; of metres evenly from the farthest to the nearest."""
    if not depth.metric:
        return depth.values
    held = np.isfinite(depth.values) & (depth.values > 0) & (depth.values < 1e9)
    if not held.any():
        raise ValueError("The depth holds no distances: choose another")
    near, far = depth.values[held].min(), depth.values[held].max()
    shares = (far - depth.values) / max(far - near, 1e-9)
    return np.where(held, shares, 0).astype(np.float32)


def lens_message(context, picture):
    """The scene's camera for a picture of this shape. Raises ValueError where there is none."""
    camera = context.scene.camera
    if camera is None:
        raise ValueError("The scene has no camera: add one and look through it (Ctrl Alt 0)")
    lens = capture.lens_of(camera, context.evaluated_depsgraph_get(), *picture.size)
    return asking.camera(lens.world_to_camera, lens.camera_to_clip, lens.orthographic)


@resume.resumable
def put_mesh(result, picture, eye):
    """A new object that wears the picture. `eye` is where the camera stands that looks along Y; None: the mesh is in
    the world already."""
    ((form, recipe),) = yield from beside([partial(_read, result.artifacts[0], eye is not None)])
    thing = build(f"{picture} mesh", form)
    thing.data[place.RECIPE] = recipe
    if eye is not None:
        thing.location = eye
    wear(thing, picture, recipe)
    return f"Mesh «{thing.name}», {len(form.positions)} vertices, {len(form.corners)} triangles"


def _read(artifact, turned):
    """The mesh that came, and its recipe; with `turned` from x right, y up, seen along -z. Touches no Blender data."""
    sheet = asking_relief.opened(artifact.file)
    positions = sheet.positions
    if turned:
        positions = np.stack([positions[:, 0], -positions[:, 2], positions[:, 1]], 1)
    return asking_relief.form(positions, sheet.triangles, sheet.uvs), asking.recipe_of(artifact)


@resume.resumable
def put_estimated_plane(result, picture, eye, side, height):
    """A new plane that wears the picture, displaced by the depth that came."""
    artifact = result.artifacts[0]
    (recipe,) = yield from beside([partial(asking.recipe_of, artifact)])

    def shares():
        values = asking.picture(artifact, deep=True)[..., 0]
        return values.astype(np.float32) / np.iinfo(values.dtype).max

    return (yield from put_plane(shares, picture, eye, side, height, recipe))


def put_plane(shares, picture, eye, side, height, recipe=""):
    """In pieces, a new plane that wears the picture and stands upright, facing -Y, displaced by the nearness (H, W)
    0..1 that `shares` reckons and that touches no Blender data. Raises ValueError where the picture is gone."""
    (ready,) = yield from sheets_in_turn([lambda: _deep(shares())])
    image = bpy.data.images.get(picture)
    if image is None:
        raise ValueError(f"The picture «{picture}» is gone")
    width, tall = (side * each / max(image.size) / 2 for each in image.size)
    positions = np.array([(-width, 0, -tall), (width, 0, -tall), (width, 0, tall), (-width, 0, tall)])
    form = asking_relief.form(positions, np.array([[0, 1, 2, 3]]), np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    thing = build(f"{picture} plane", form)
    thing.location = eye
    depth = place.image(f"{picture} depth", ready, recipe, data=True)
    divide = thing.modifiers.new("Divide", "SUBSURF")
    divide.subdivision_type, divide.levels, divide.render_levels = "SIMPLE", 7, 9
    lift = thing.modifiers.new("Depth", "DISPLACE")
    lift.texture = bpy.data.textures.new(depth.name, "IMAGE")
    lift.texture.image, lift.texture.extension = depth, "EXTEND"
    lift.texture_coords, lift.uv_layer = "UV", LAYER
    lift.mid_level, lift.strength = 0.0, height
    wear(thing, picture, recipe)
    return f"Plane «{thing.name}»; its modifiers Divide and Depth can be changed"


def _deep(shares):
    """Numbers (H, W) 0..1 as grey (H, W, 1) uint16."""
    return np.rint(shares * 65535).astype(np.uint16)[..., None]


def plane(depth, **asked):
    """Steps of a plane by the depth that `depth` reckons; what is asked of `put_plane`. It is one step to be undone."""
    message = yield from put_plane(lambda: nearness(depth()), **asked)
    host.undo_step("Plane")
    return message


def build(name, form):
    """A new object of an `asking_relief.Form`. It is selected and made active, unless something is being edited."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(form.positions))
    mesh.edges.add(len(form.edges))
    mesh.loops.add(form.corners.size)
    mesh.polygons.add(len(form.corners))
    # Attributes are written as Blender keeps them, which takes a fraction of the time of rows, and of finding edges.
    mesh.attributes["position"].data.foreach_set("vector", form.positions.ravel())
    for kept, values in ((".edge_verts", form.edges), (".corner_vert", form.corners), (".corner_edge", form.sides)):
        mesh.attributes[kept].data.foreach_set("value", values.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, form.corners.size, form.corners.shape[1], dtype=np.int32))
    mesh.update()
    mesh.uv_layers.new(name=LAYER, do_init=False).uv.foreach_set("vector", form.uvs.ravel())
    mesh.shade_smooth()
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    view = bpy.context.view_layer
    if view.objects.active is None or view.objects.active.mode == "OBJECT":
        view.update()  # Blender follows its list of objects while it brings it up to date, and falls
        for other in view.objects:
            other.select_set(False)
        thing.select_set(True)
        view.objects.active = thing
    return thing


def wear(thing, picture, recipe=""):
    """Show a picture on an object whose UVs lie over it; where it is gone, nothing."""
    image = bpy.data.images.get(picture)
    if image is not None:
        thing.data.materials.append(place.material(picture, image, LAYER, recipe=recipe))


CLASSES = (VelaturaRelief, VELATURA_OT_relief_mesh, VELATURA_OT_relief_plane)


def register() -> None:
    """Make them callable."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_relief = bpy.props.PointerProperty(type=VelaturaRelief)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura_relief
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
