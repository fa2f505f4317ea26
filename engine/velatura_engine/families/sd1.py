"""Stable Diffusion 1 and 2, and everything of their layout: four latent channels in, text by cross-attention."""

from . import FAMILIES, Family
from ._unet import CLASSIC_LAYOUTS, CLASSIC_PARTS, CLASSIC_READERS, STYLE_LAYERS, in_channels, is_classic


@FAMILIES.part("sd1", "Stable Diffusion 1 and 2")
def build() -> Family:
    """Stable Diffusion 1.x and 2.x and their relatives, such as the built-in starter model."""
    again = "StableDiffusionImg2ImgPipeline"
    led = "StableDiffusionControlNetImg2ImgPipeline"
    return Family(
        id="sd1",
        title="Stable Diffusion 1 and 2",
        detect=lambda shapes: is_classic(shapes) and in_channels(shapes) == 4,
        # Repainting is img2img whose scheduler keeps what is outside the mask.
        pipelines={"txt2img": "StableDiffusionPipeline", "img2img": again, "inpaint": again},
        control_pipelines={"txt2img": "StableDiffusionControlNetPipeline", "img2img": led, "inpaint": led},
        components=CLASSIC_PARTS,
        readers=CLASSIC_READERS,
        rescaling=("StableDiffusionPipeline",),
        style_layers=STYLE_LAYERS,
        controls="sd1",
        detect_control=is_classic,
        layouts=CLASSIC_LAYOUTS,
    )
