"""Flux.1 Fill: Flux.1 made for repainting, which sees mask and masked picture (Black Forest Labs, 2024)."""

from . import FAMILIES, Family
from ._flux import PARTS, PIPELINE, flow, is_flux
from ._transformer import pairs


@FAMILIES.part("flux_fill", "Flux.1 Fill")
def build() -> Family:
    """Flux.1 Fill, which repaints what is masked and grows pictures."""
    return Family(
        id="flux_fill",
        title="Flux.1 Fill",
        detect=lambda shapes: is_flux(shapes, 384),
        pipelines={"inpaint": PIPELINE},
        components=PARTS,
        denoiser="transformer",
        readers=(),
        flow=flow("FluxFillPipeline", embedded=30.0),
        mask_channel=True,
        stride=pairs,
        native_size=1024,
        steps=28,
    )
