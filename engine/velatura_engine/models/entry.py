"""What is known of an installed model without loading it: everything `plan` needs, and nothing of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["checkpoint", "controlnet", "t2i", "annotator", "ip_adapter", "image_encoder"]
Format = Literal["diffusers", "single"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """An installed model. Sizes in pixels; `latent_factor` pixels a latent; `size_multiple` for exact tiling.

    `stamp` is another where the weights have changed. `widths` are those of a denoiser's text attentions, or of those
    that an IP-Adapter was made for, sorted. `sees` is the (projected, hidden) width of encoded pictures, as an
    encoder makes them; of an adapter the one that it takes, the other 0.
    """

    id: str
    title: str
    kind: Kind
    family: str
    path: Path
    format: Format
    size: int = 0
    description: str = ""
    tasks: tuple[str, ...] = ()
    in_channels: int = 4
    latent_factor: int = 8
    size_multiple: int = 64
    native_size: int = 512
    sampler: str = "euler"
    schedule: str = "normal"
    steps: int = 20
    guidance: float = 7.5
    prediction: str = "epsilon"
    control_kind: str = ""
    cross_attention_dim: int = 0
    rows: tuple[int, ...] = ()
    """Channels of a UNet's rows, or of the features that a T2I-Adapter adds to them."""
    text_layers: int = 12
    widths: tuple[int, ...] = ()
    variant: str = ""
    sees: tuple[int, int] = (0, 0)
    license: str = ""
    vocabulary: tuple[str, ...] = field(default_factory=tuple)
    is_default: bool = False
    stamp: str = ""
