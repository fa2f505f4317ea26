"""SDXL made for repainting: it sees the mask and the masked picture in five more channels."""

from . import FAMILIES, Family
from ._unet import XL_LAYOUTS, XL_PARTS, XL_READERS, XL_STYLE_LAYERS, in_channels, is_xl


@FAMILIES.part("sdxl_inpaint", "Stable Diffusion XL inpainting")
def build() -> Family:
    """SDXL inpainting models with nine input channels."""
    return Family(
        id="sdxl_inpaint",
        title="Stable Diffusion XL inpainting",
        detect=lambda shapes: is_xl(shapes) and in_channels(shapes) == 9,
        pipelines={"inpaint": "StableDiffusionXLInpaintPipeline"},
        control_pipelines={"inpaint": "StableDiffusionXLControlNetInpaintPipeline"},
        components=XL_PARTS,
        readers=XL_READERS,
        plain=False,
        settings={"force_zeros_for_empty_prompt": True, "requires_aesthetics_score": False},
        rescaling=("StableDiffusionXLInpaintPipeline", "StableDiffusionXLControlNetInpaintPipeline"),
        mask_channel=True,
        controls="sdxl",
        layouts=XL_LAYOUTS,
        style_layers=XL_STYLE_LAYERS,
        wide_vae=True,
        native_size=1024,
        guidance=5.0,
    )
