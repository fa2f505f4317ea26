"""InstructPix2Pix: words say what to change of a picture, which it sees in four more channels (arXiv 2211.09800)."""

from . import FAMILIES, Family
from ._unet import CLASSIC_LAYOUTS, CLASSIC_PARTS, CLASSIC_READERS, in_channels, is_classic


@FAMILIES.part("sd1_edit", "Stable Diffusion edit")
def build() -> Family:
    """InstructPix2Pix and relatives with eight input channels: the prompt says what to change of the picture."""
    edit = "StableDiffusionInstructPix2PixPipeline"
    return Family(
        id="sd1_edit",
        title="Stable Diffusion edit",
        detect=lambda shapes: is_classic(shapes) and in_channels(shapes) == 8,
        pipelines={"edit": edit, "inpaint": edit},
        components=CLASSIC_PARTS,
        readers=CLASSIC_READERS,
        plain=False,
        start="edit",
        # The picture with the prompt, the picture with the negative, and the negative alone.
        guided=("told", "plain", "plain"),
        layouts=CLASSIC_LAYOUTS[:1],
        image_guidance=1.5,
    )
