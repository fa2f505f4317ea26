"""Pictures that repeat: the edges of one that is there made to meet, and sets of tiles that fit beside each other."""

from functools import partial

import bpy
import numpy as np

from . import asking, asking_local, canvas, hints, host, place, preferences, resume
from .held import hold
from .operators import Asking, sent
from .pace import beside
from .session import session
from .sheets import painted_in_turn, sheet


class VelaturaRepeating(bpy.types.PropertyGroup):
    """How pictures are made to repeat, kept with the scene."""

    axes: bpy.props.EnumProperty(name="Edges", items=preferences.TILING)  # type: ignore[valid-type]
    band: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Band",
        description="What is painted anew along each edge that is to meet, pixels",
        default=48,
        min=8,
        max=4096,
    )
    count: bpy.props.IntProperty(name="Tiles", description="How many are painted", default=4, min=2, max=16)  # type: ignore[valid-type]
    shared: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Shared", description="What all tiles have in common along their edges, pixels; 0: what suits their size",
        default=0, min=0, max=1024,
    )  # fmt: skip
    difference: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Difference", description="How much the tiles differ; below 1 rows go on from one to the next",
        default=0.8, min=0.05, max=1.0,
    )  # fmt: skip


class Repeating(Asking):
    """What both share: settings of their own."""

    axes: bpy.props.EnumProperty(name="Edges", items=preferences.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        own = context.scene.velatura_repeating
        if not self.properties.is_property_set(name) and hasattr(own, name):
            return getattr(own, name)
        return super().value(context, name)


class VELATURA_OT_make_seamless(Repeating, bpy.types.Operator):
    """Paint a band along the picture's edges anew so that they meet, in a new image; all inside stays as it is"""

    bl_idname = "velatura.make_seamless"
    bl_label = "Make Seamless"

    image: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Picture", description="Name of the image; empty: the Image editor's, else the active object's texture",
        options={"SKIP_SAVE"},
    )  # fmt: skip
    band: bpy.props.IntProperty(name="Band", default=48, min=8, max=4096, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Read what there is, and send it; in pieces."""
        image, owner = self.picture(context)
        band, axes = self.value(context, "band"), self.value(context, "axes")
        shortest = min(side for side, axis in zip(image.size, "xy", strict=True) if axis in axes)
        if 2 * band >= shortest:
            raise ValueError(
                f"Two bands of {band} pixels leave nothing of {image.name}, which has {shortest}: set Band to less "
                f"than {shortest / 2:g}, or paint a Seamless Texture anew"
            )
        kept = {"image": canvas.key(image), "thing": None, "slot": 0}
        if owner is not None:
            kept |= {"thing": hold(owner.thing), "slot": owner.slot}
        read = place.raw(image)
        session.connect(preferences.endpoint(context))
        wish = yield from hints.settled(self.wish(context, tuple(image.size)))

        def job():
            return asking_local.seamless(wish, read.texels()[..., :3], band, axes)

        return (yield from sent("Make Seamless", job, partial(put_seamless, **kept), wish.left_out))

    def picture(self, context):
        """The image, and whose texture it is where it was asked of an object. Raises ValueError where there is none."""
        if self.image:
            found = bpy.data.images.get(self.image)
            if found is None:
                raise ValueError(f"There is no image «{self.image}»: open it first")
            return _readable(found), None
        space = context.space_data
        shown = space.image if space is not None and space.type == "IMAGE_EDITOR" else None
        if shown is not None:
            return _readable(shown), None
        if space is not None and space.type == "IMAGE_EDITOR":
            raise ValueError("The Image editor shows no picture: open one")
        found = canvas.canvas_of(context.view_layer.objects.active)
        return found.image, found


def _readable(image):
    if image.source not in ("FILE", "GENERATED"):
        raise ValueError(f"{image.name} is no single still image: save the picture that is meant, and open that")
    if not all(image.size):
        raise ValueError(f"{image.name} has no pixels: its file is missing")
    return image


@resume.resumable
def put_seamless(result, image, thing, slot):
    """A new image whose edges meet, on the object that it was asked of; says what was done."""
    artifact, rooms = result.artifacts[0], (yield from place.rooms_for(canvas.found(bpy.data.images, image), 2))
    before = canvas.found(bpy.data.images, image)
    present = None if before is None or not all(before.size) else place.raw(before, rooms)
    alpha = None if before is None or not canvas.fits_a_file(before) else before.channels in (2, 4)
    ((paint, share, ready, recipe),) = yield from beside([partial(_over, artifact, present, alpha)])
    before = canvas.found(bpy.data.images, image)
    if share is None or before is None or before.size[:] != paint.shape[1::-1]:
        made = place.image(image[0], ready if share is None else paint, recipe)
        host.show_image(made, "")
        return f"«{made.name}» repeats, seed {artifact.seed}; what it was made of is gone, or has another size"
    if ready is not None and canvas.fits_a_file(before) and place.raw(before, rooms).is_as(present):
        made = canvas.copy_from(before, ready, recipe)
    else:  # its alpha is kept otherwise, or somebody painted on it meanwhile
        made = canvas.copy_with(before, paint, share, recipe)
    host.show_image(made, before.name)
    owner = None if thing is None else thing.find()
    worn = owner.material_slots[slot].material if owner is not None and slot < len(owner.material_slots) else None
    if worn is not None and any(node.type == "TEX_IMAGE" and node.image == before for node in host.nodes_of(worn)):
        canvas.wear(owner, worn, before, made)
    elif thing is not None:
        return f"«{made.name}» repeats, seed {artifact.seed}; {thing.name} does not show {before.name} any more"
    return f"«{made.name}» repeats, seed {artifact.seed}"


def _over(artifact, present, alpha):
    """The paint (H, W, 3) that came, where it is another picture than `present` (H, W), that picture with it made ready
    where `alpha` says whether it has one, and the recipe. Where none of that size is present the paint alone is made
    ready. Touches no Blender data."""
    paint, recipe = asking.picture(artifact)[..., :3], asking.recipe_of(artifact)
    if present is None or present.shape != paint.shape[:2]:
        return paint, None, sheet(paint), recipe
    there = present.texels()
    share = (paint != there[..., :3]).any(2).astype(np.float32)
    return paint, share, None if alpha is None else canvas.laid_over(present, there, paint, share, alpha=alpha), recipe


class VELATURA_OT_tile_set(Repeating, bpy.types.Operator):
    """Paint several seamless tiles of the prompt that also fit beside each other, in any order"""

    bl_idname = "velatura.tile_set"
    bl_label = "Tile Set"

    count: bpy.props.IntProperty(name="Tiles", default=4, min=2, max=16, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    shared: bpy.props.IntProperty(name="Shared", default=0, min=0, max=1024, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    difference: bpy.props.FloatProperty(name="Difference", default=0.8, min=0.05, max=1, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send it."""
        side = self.value(context, "size")
        session.connect(preferences.endpoint(context))
        said = {name: self.value(context, name) for name in ("count", "shared", "difference", "axes")}
        wish = yield from hints.settled(self.wish(context, (side, side)))
        spec = asking_local.tile_set(wish, **said)
        return session.run("Tile Set", spec, partial(put_tiles, title=wish.prompt), left_out=wish.left_out)


@resume.resumable
def put_tiles(result, title):
    """An image for each tile, the first one shown; says what was done."""
    ready, name = (yield from painted_in_turn(result.artifacts)), place.title(title)
    made = [place.image(f"{name} tile {number}", *each) for number, each in enumerate(ready, 1)]
    host.show_image(made[0], "")
    return f"{len(made)} tiles that fit beside each other, from seed {result.artifacts[0].seed}"


class VELATURA_PT_repeating(bpy.types.Panel):
    """Beside the Image editor: the picture that is shown, and tiles."""

    bl_label = "Repeating"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Velatura"
    bl_parent_id = "VELATURA_PT_image"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012
    bl_order = 1

    def draw(self, context):
        """The panel."""
        layout, settings = self.layout, context.scene.velatura_repeating
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "axes")
        column = layout.column(align=True)
        column.prop(settings, "band")
        column.operator("velatura.make_seamless", icon="MOD_ARRAY")
        column = layout.column(align=True)
        column.prop(settings, "count")
        column.prop(settings, "shared")
        column.prop(settings, "difference", slider=True)
        column.operator("velatura.tile_set", icon="MESH_GRID")


CLASSES = (VelaturaRepeating, VELATURA_OT_make_seamless, VELATURA_OT_tile_set, VELATURA_PT_repeating)


def register() -> None:
    """Make them callable."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_repeating = bpy.props.PointerProperty(type=VelaturaRepeating)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura_repeating
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
