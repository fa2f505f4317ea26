"""Lines over a picture in the Image editor that run along the world's axes, and the camera that they tell."""

import bpy
import numpy as np
from mathutils import Matrix

from . import host, perspective
from .relief import filled
from .session import session

SENSOR = 36.0  # mm
REACH = 12.0  # pixels of the screen within which the mouse takes hold of an end
AXES = [
    ("X", "X", "Along the world's X axis"),
    ("Y", "Y", "Along the world's Y axis, away from the viewer"),
    ("Z", "Z", "Along the world's Z axis, upright"),
]
BEGIN = (
    ("X", (0.1, 0.3), (0.4, 0.2)), ("X", (0.1, 0.7), (0.4, 0.75)),
    ("Y", (0.6, 0.2), (0.9, 0.3)), ("Y", (0.6, 0.75), (0.9, 0.7)),
)  # fmt: skip
"""Lines to begin with: a box seen on its corner."""


class VelaturaLine(bpy.types.PropertyGroup):
    """A line that is parallel to an axis in space."""

    axis: bpy.props.EnumProperty(name="Axis", items=AXES)  # type: ignore[valid-type]
    start: bpy.props.FloatVectorProperty(name="Start", description="0..1 from the lower left", size=2)  # type: ignore[valid-type]
    end: bpy.props.FloatVectorProperty(name="End", description="0..1 from the lower left", size=2)  # type: ignore[valid-type]
    length: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Length", description="Where it is known, of one line, which then begins at the world's origin; else 0",
        default=0.0, min=0.0, subtype="DISTANCE",
    )  # fmt: skip


class VelaturaPerspective(bpy.types.PropertyGroup):
    """The lines of a picture, kept with it."""

    lines: bpy.props.CollectionProperty(type=VelaturaLine)  # type: ignore[valid-type]
    index: bpy.props.IntProperty()  # type: ignore[valid-type]
    focal: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Focal Length", description="Millimetres on 36 mm of the longer side, where it is known; 0: by the lines",
        default=0.0, min=0.0, max=5000.0,
    )  # fmt: skip
    free_centre: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Cropped", description="The picture was cropped: three directions also tell where its middle was"
    )
    match_size: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Render as Large", description="Give renders the picture's size, without which the two do not fit",
        default=True,
    )  # fmt: skip


class OnPicture:
    """What the operators share: whose lines are meant."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    image: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Picture", description="Name of an image; empty: the editor's", options={"SKIP_SAVE"}
    )

    def picture(self, context):
        """The image. Raises ValueError where there is none."""
        found = bpy.data.images.get(self.image) if self.image else host.shown_image(context)
        if found is None:
            raise ValueError(f"There is no image «{self.image}»" if self.image else "The Image editor shows no picture")
        return filled(found)

    def execute(self, context):
        """Do it, or say why not."""
        try:
            said = self.act(context, self.picture(context))
        except ValueError as error:
            session.say(str(error))
            session.failed = True
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        host.redraw()
        if said:
            session.say(said)
            self.report({"INFO"}, said)
        return {"FINISHED"}


class VELATURA_OT_line_add(OnPicture, bpy.types.Operator):
    """Add a line along an axis, to be laid over something in the picture that runs so; the first time, two of each"""

    bl_idname = "velatura.line_add"
    bl_label = "Add Line"

    axis: bpy.props.EnumProperty(name="Axis", items=AXES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    start: bpy.props.FloatVectorProperty(name="Start", size=2, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    end: bpy.props.FloatVectorProperty(name="End", size=2, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    length: bpy.props.FloatProperty(name="Length", min=0.0, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def act(self, context, picture):
        """Add it."""
        lines = picture.velatura_perspective.lines
        given = self.properties.is_property_set
        if given("start") or given("end") or given("axis"):
            shift = 0.03 * sum(line.axis == self.axis for line in lines)
            ends = (self.start, self.end) if given("end") else ((0.45 + shift, 0.35), (0.45 + shift, 0.65))
            new = [(self.axis, *ends)]
        else:
            new = BEGIN
        for axis, start, end in new:
            line = lines.add()
            line.axis, line.start, line.end, line.length = axis, start, end, self.length
        picture.velatura_perspective.index = len(lines) - 1


class VELATURA_OT_line_remove(OnPicture, bpy.types.Operator):
    """Take the chosen line away, or all"""

    bl_idname = "velatura.line_remove"
    bl_label = "Remove Line"

    all: bpy.props.BoolProperty(name="All", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def act(self, context, picture):
        """Take it away."""
        held = picture.velatura_perspective
        if self.all:
            held.lines.clear()
        elif 0 <= held.index < len(held.lines):
            held.lines.remove(held.index)
            held.index = min(held.index, len(held.lines) - 1)


class VELATURA_OT_camera_from_lines(OnPicture, bpy.types.Operator):
    """Add a camera that sees as the picture was seen, by its lines, with the picture behind what it shows"""

    bl_idname = "velatura.camera_from_lines"
    bl_label = "Camera from Lines"

    def act(self, context, picture):
        """Find it and place it."""
        held, scene = picture.velatura_perspective, context.scene
        found = perspective.solve(
            [
                perspective.Line(axis=line.axis, start=tuple(line.start), end=tuple(line.end), length=line.length)
                for line in held.lines
            ],
            *picture.size, focal=held.focal / SENSOR or None, free_centre=held.free_centre,
        )  # fmt: skip
        camera = put_camera(scene, picture, found)
        notes = [f"Camera «{camera.name}», {camera.data.lens:.1f} mm, {found.field_of_view:.1f}°"]
        if not found.measured:
            notes.append("no line has a length: its distance is made up")
        if found.skew > 2:
            notes.append(f"directions are {found.skew:.0f}° off right angles: check the lines and the lens")
        render = scene.render
        if held.match_size:
            render.resolution_x, render.resolution_y = picture.size
            render.pixel_aspect_x = render.pixel_aspect_y = 1.0
        elif abs(render.resolution_x * picture.size[1] / (render.resolution_y * picture.size[0]) - 1) > 0.01:
            notes.append("renders have another shape than the picture")
        return "; ".join(notes)


def put_camera(scene, picture, found):
    """A new camera, the scene's from now on, with the picture behind it."""
    data = bpy.data.cameras.new(f"{picture.name} camera")
    data.sensor_fit, data.sensor_width = "AUTO", SENSOR
    data.lens = found.focal * SENSOR
    data.shift_x, data.shift_y = (-float(part) for part in found.centre)
    data.show_background_images = True
    behind = data.background_images.new()
    behind.image, behind.alpha, behind.display_depth, behind.frame_method = picture, 1.0, "BACK", "FIT"
    camera = bpy.data.objects.new(data.name, data)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = found.turn.T, found.place
    camera.matrix_world = Matrix(pose.tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


CLASSES = (
    VelaturaLine,
    VelaturaPerspective,
    VELATURA_OT_line_add,
    VELATURA_OT_line_remove,
    VELATURA_OT_camera_from_lines,
)


def register() -> None:
    """Give every image its lines."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Image.velatura_perspective = bpy.props.PointerProperty(type=VelaturaPerspective)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Image.velatura_perspective
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
