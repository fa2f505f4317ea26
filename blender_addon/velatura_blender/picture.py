"""Paint a picture: from words, over the picture that the Image editor shows, or in a part of it."""

from functools import partial

import bpy

from . import asking, host, painting, place, preferences, resume
from .operators import Asking
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
        """Send it."""
        settings = context.scene.velatura
        width, height = self.value(context, "size"), self.value(context, "height")
        edges, kind = self.value(context, "edges"), self.value(context, "source")
        source = picture = None
        if kind != "WORDS":
            picture = self.picture(context)
            width, height = picture.size
            given = place.read(picture)[..., :3]
            part = painting.part_of(settings, picture) if kind == "MASK" else None
            source = asking.Source(
                image=given, strength=self.value(context, "strength"), mask=part,
                grow=settings.mask_grow, feather=settings.mask_feather,
            )  # fmt: skip
        wish = self.wish(context, (width, height or width))
        session.connect(preferences.endpoint(context))
        put = partial(
            put_picture,
            title=wish.prompt,
            before=picture.name if picture is not None else "",
            material=host.edited_material(context),
        )
        spec = asking.painting(wish, "" if edges == "NONE" else edges, source)
        return session.run("Picture", spec, put, left_out=wish.left_out)

    def picture(self, context):
        """The image to start from."""
        shown = bpy.data.images.get(self.image) if self.image else host.shown_image(context)
        if shown is None:
            missing = f"There is no image «{self.image}»" if self.image else "The Image editor shows no picture"
            raise ValueError(f"{missing}: open one, or paint from words")
        if not all(shown.size):
            raise ValueError(f"{shown.name} has no pixels: its file is missing, or it is still to be rendered")
        return shown


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
