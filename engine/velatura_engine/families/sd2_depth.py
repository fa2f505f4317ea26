"""Stable Diffusion that reads depth in a fifth channel."""

from . import FAMILIES, Family
from ._unet import CLASSIC_LAYOUTS, CLASSIC_PARTS, CLASSIC_READERS, STYLE_LAYERS, in_channels, is_classic


@FAMILIES.part("sd2_depth", "Stable Diffusion depth")
def build() -> Family:
    """Stable Diffusion 2 depth models and relatives with five input channels."""
    deep = "StableDiffusionDepth2ImgPipeline"
    return Family(
        id="sd2_depth",
        title="Stable Diffusion depth",
        detect=lambda shapes: is_classic(shapes) and in_channels(shapes) == 5,
        pipelines={"txt2img": deep, "img2img": deep, "inpaint": deep},
        components=CLASSIC_PARTS,
        readers=CLASSIC_READERS,
        depth_channel=True,
        style_layers=STYLE_LAYERS,
        layouts=CLASSIC_LAYOUTS,
    )
