"""SDXL: two text encoders side by side, the second also in one vector, and the picture's size (arXiv 2307.01952)."""

from . import FAMILIES, Family
from ._unet import (
    POOLED,
    XL_LAYOUTS,
    XL_PARTS,
    XL_READERS,
    XL_STYLE_LAYERS,
    cross_attention,
    in_channels,
    is_xl,
    levels,
)


@FAMILIES.part("sdxl", "Stable Diffusion XL")
def build() -> Family:
    """SDXL base models and their relatives, such as Pony, Illustrious and SSD-1B."""
    again = "StableDiffusionXLImg2ImgPipeline"
    led = "StableDiffusionXLControlNetImg2ImgPipeline"
    return Family(
        id="sdxl",
        title="Stable Diffusion XL",
        # The refiner has one resolution more.
        detect=lambda shapes: is_xl(shapes) and in_channels(shapes) == 4 and levels(shapes) <= 3,
        pipelines={"txt2img": "StableDiffusionXLPipeline", "img2img": again, "inpaint": again},
        control_pipelines={"txt2img": "StableDiffusionXLControlNetPipeline", "img2img": led, "inpaint": led},
        components=XL_PARTS,
        readers=XL_READERS,
        plain=False,
        settings={"force_zeros_for_empty_prompt": True, "requires_aesthetics_score": False},
        rescaling=("StableDiffusionXLPipeline", again),
        controls="sdxl",
        detect_control=lambda shapes: bool(cross_attention(shapes)) and POOLED in shapes,
        layouts=XL_LAYOUTS,
        style_layers=XL_STYLE_LAYERS,
        wide_vae=True,
        native_size=1024,
        guidance=5.0,
    )
