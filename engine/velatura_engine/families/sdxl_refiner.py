"""SDXL's refiner: it goes on from a picture, hears the second text encoder alone, and is told a score for looks."""

from . import FAMILIES, Family
from ._unet import REFINER_LAYOUTS, XL_PARTS, XL_READERS, in_channels, is_xl, levels


@FAMILIES.part("sdxl_refiner", "Stable Diffusion XL refiner")
def build() -> Family:
    """SDXL refiners: they mend the details of a picture, best at a low strength."""
    again = "StableDiffusionXLImg2ImgPipeline"
    return Family(
        id="sdxl_refiner",
        title="Stable Diffusion XL refiner",
        detect=lambda shapes: is_xl(shapes) and in_channels(shapes) == 4 and levels(shapes) > 3,
        pipelines={"img2img": again, "inpaint": again},
        components={name: kind for name, kind in XL_PARTS.items() if name not in ("text_encoder", "tokenizer")},
        readers=XL_READERS[1:],
        plain=False,
        settings={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
        rescaling=(again,),
        layouts=REFINER_LAYOUTS,
        wide_vae=True,
        native_size=1024,
        guidance=5.0,
    )
