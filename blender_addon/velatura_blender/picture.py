"""Paint a picture: from words, over the picture that the Image editor shows, or in a part of it."""

from functools import partial

import bpy

from . import asking, hints, host, masks, painting, place, preferences, resume
from .operators import Asking, sent
from .session import session
from .sheets import painted_in_turn


class VELATURA_OT_generate(Asking, bpy.types.Operator):
    """Paint a new picture of the prompt; the one that is shown stays as it is"""

    bl_idname = "velatura.generate"
    bl_label = "Generate Picture"

    height: bpy.props.IntProperty(name="Height", min=0, max=4096, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    source: bpy.props.EnumProperty(name="From", items=painting.SOURCES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    strength: bpy.props.FloatProperty(name="Strength", default=0.6, min=0, max=1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    edges: bpy.props.EnumProperty(name="Seamless", items=painting.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    image: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Picture", description="Name of the image to start from; empty: the editor's", options={"SKIP_SAVE"}
    )

    def ask(self, context):
        """Read what there is, and send it; in pieces."""
        settings, picture, source = context.scene.velatura, None, None
        width, height = self.value(context, "size"), self.value(context, "height")
        edges, kind = self.value(context, "edges"), self.value(context, "source")
        if kind != "WORDS":
            picture = self.picture(context)
            width, height = picture.size
            read = place.raw(picture)
            source = partial(
                source_of, read, masks.part_of(settings, read) if kind == "MASK" else None,
                strength=self.value(context, "strength"), grow=settings.mask_grow, feather=settings.mask_feather,
            )  # fmt: skip
        before, material = picture.name if picture is not None else "", host.edited_material(context)
        session.connect(preferences.endpoint(context))
        wish = yield from hints.settled(self.wish(context, (width, height or width)))

        def job():
            return asking.painting(wish, "" if edges == "NONE" else edges, None if source is None else source())

        put = partial(put_picture, title=wish.prompt, before=before, material=material)
        return (yield from sent("Picture", job, put, wish.left_out))

    def picture(self, context):
        """The image to start from."""
        shown = bpy.data.images.get(self.image) if self.image else host.shown_image(context)
        if shown is None:
            missing = f"There is no image «{self.image}»" if self.image else "The Image editor shows no picture"
            raise ValueError(f"{missing}: open one, or paint from words")
        if not all(shown.size):
            raise ValueError(f"{shown.name} has no pixels: its file is missing, or it is still to be rendered")
        return shown


def source_of(read, part, **more):
    """What to start from, of a picture that was read; `part` reckons its mask. Touches no Blender data."""
    return asking.Source(image=read.texels()[..., :3], mask=None if part is None else part(), **more)


@resume.resumable
def put_picture(result, title, before="", material=""):
    """An image for each picture, shown where the former one was, as a node where a material was edited."""
    ready = yield from painted_in_turn(result.artifacts)
    images = [place.image(place.title(title), *each) for each in ready]
    host.show_image(images[0], before)
    edited = bpy.data.materials.get(material)
    if edited is not None and host.nodes_of(edited):
        place.texture_node(edited, images[0])
    seeds = ", ".join(str(artifact.seed) for artifact in result.artifacts)
    return f"Picture «{images[0].name}», seed {seeds}"


def register() -> None:
    """Make it callable."""
    bpy.utils.register_class(VELATURA_OT_generate)


def unregister() -> None:
    """Take it away."""
    bpy.utils.unregister_class(VELATURA_OT_generate)
