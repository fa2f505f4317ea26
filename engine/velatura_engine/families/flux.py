"""Flux.1: one transformer over text and picture, guidance within or none at all (Black Forest Labs, 2024)."""

from . import FAMILIES, Family
from ._flux import LED, PARTS, PIPELINE, flow, is_flux, is_flux_control
from ._transformer import pairs


@FAMILIES.part("flux", "Flux.1")
def build() -> Family:
    """Flux.1 dev and schnell, and their fine-tunes; dev has its guidance within, schnell needs none and four steps."""
    return Family(
        id="flux",
        title="Flux.1",
        detect=lambda shapes: is_flux(shapes, 64),
        pipelines=dict.fromkeys(("txt2img", "img2img", "inpaint"), PIPELINE),
        components=PARTS,
        denoiser="transformer",
        readers=(),
        flow=flow(PIPELINE, "FluxImg2ImgPipeline", "FluxInpaintPipeline", led=LED),
        controls="flux",
        detect_control=is_flux_control,
        stride=pairs,
        native_size=1024,
        steps=28,
    )
