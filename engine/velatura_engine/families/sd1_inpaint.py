"""Stable Diffusion made for repainting: it sees the mask and the masked picture in five more channels."""

from . import FAMILIES, Family
from ._unet import CLASSIC_LAYOUTS, CLASSIC_PARTS, CLASSIC_READERS, STYLE_LAYERS, in_channels, is_classic


@FAMILIES.part("sd1_inpaint", "Stable Diffusion inpainting")
def build() -> Family:
    """Stable Diffusion 1.x and 2.x inpainting models with nine input channels."""
    return Family(
        id="sd1_inpaint",
        title="Stable Diffusion inpainting",
        detect=lambda shapes: is_classic(shapes) and in_channels(shapes) == 9,
        pipelines={"inpaint": "StableDiffusionInpaintPipeline"},
        control_pipelines={"inpaint": "StableDiffusionControlNetInpaintPipeline"},
        components=CLASSIC_PARTS,
        readers=CLASSIC_READERS,
        mask_channel=True,
        style_layers=STYLE_LAYERS,
        controls="sd1",
        layouts=CLASSIC_LAYOUTS,
    )
