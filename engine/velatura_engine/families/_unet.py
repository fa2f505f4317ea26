"""How UNet models tell what they are: by the shapes of a few tensors, in either key layout."""

from __future__ import annotations

from collections.abc import Mapping

ENTRY = ("model.diffusion_model.input_blocks.0.0.weight", "conv_in.weight")
CROSS = ".attn2.to_k.weight"

STYLE_LAYERS = ("up_blocks.1.",)
"""Where UNets of the first kind paint style, as InstantStyle's authors have it for Stable Diffusion 1.5; they call it
experimental, and it parts style from content less clearly than in SDXL."""


def in_channels(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Input channels of the denoiser, 0 where there is no UNet."""
    return next((shapes[name][1] for name in ENTRY if name in shapes), 0)


def cross_attention(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Width of the text that a UNet or ControlNet attends to, 0 where it attends to none."""
    return next((shape[1] for name, shape in shapes.items() if name.endswith(CROSS)), 0)


def attention_widths(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Widths of the text attentions of a denoiser, sorted: they tell the bases of IP-Adapters apart."""
    return tuple(sorted(shape[0] for name, shape in shapes.items() if name.endswith(CROSS)))


def is_classic(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """A UNet of the first kind: text attention, and nothing pooled as SDXL (text) and unCLIP (pictures) have."""
    pooled = ("add_embedding.linear_1.weight", "class_embedding.linear_1.weight")
    pooled += ("model.diffusion_model.label_emb.0.0.weight",)
    return bool(cross_attention(shapes)) and not any(name in shapes for name in pooled)
