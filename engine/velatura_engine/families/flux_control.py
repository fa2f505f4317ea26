"""Flux.1 Depth and Canny: Flux.1 that reads a hint in further channels (Black Forest Labs, 2024)."""

from . import FAMILIES, Family
from ._flux import PARTS, PIPELINE, flow, is_flux
from ._transformer import pairs


@FAMILIES.part("flux_control", "Flux.1 Depth and Canny")
def build() -> Family:
    """Flux.1 Depth and Canny, which paint over one hint of their kind; which it is, their names tell."""
    return Family(
        id="flux_control",
        title="Flux.1 Depth and Canny",
        detect=lambda shapes: is_flux(shapes, 128),
        pipelines=dict.fromkeys(("txt2img", "img2img", "inpaint"), PIPELINE),
        components=PARTS,
        denoiser="transformer",
        readers=(),
        flow=flow("FluxControlPipeline", "FluxControlImg2ImgPipeline", "FluxControlInpaintPipeline", embedded=10.0),
        hint_channel=True,
        stride=pairs,
        native_size=1024,
        steps=28,
    )
