"""IP-Adapters of Stable Diffusion 3.5 on a denoiser, for the time of a run.

Their layers are diffusers' own. diffusers' attention processor has room for one adapter and one strength; here what
each picture adds is added after, to the layer that follows, so that several count, each with a strength that may be
another for each token: so masks hold, and roll where latents are rolled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterTimeImageProjection
from safetensors import safe_open
from torch import nn

from ..errors import Unsupported
from ..models.entry import ModelEntry
from ..models.header import shapes as read_shapes
from ..models.sd3_reference import HEAD, eye_name, read_joint_adapter
from .flow_references import Worn


class JointAdapter(nn.Module):
    """An adapter's layers: what makes tokens of a picture seen, and what looks at them in each attention."""

    def __init__(self, entry: ModelEntry) -> None:
        super().__init__()
        told = read_joint_adapter(read_shapes(entry.path), entry.path.name)
        self.tokens = IPAdapterTimeImageProjection(
            embed_dim=told.sees, output_dim=told.told, hidden_dim=told.inner, dim_head=HEAD, heads=told.heads,
            num_queries=told.tokens, timestep_in_dim=told.times,
        )  # fmt: skip
        self.layers = nn.ModuleList([
            SD3IPAdapterJointAttnProcessor2_0(told.width, told.told, told.head, told.inner)
            for _ in range(told.attentions)
        ])  # fmt: skip
        with safe_open(entry.path, framework="pt") as file:
            self.load_state_dict({_own(name): file.get_tensor(name) for name in file.keys() if _own(name)})  # noqa: SIM118

    def look(self, eyes: Any, picture: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What is told of a picture, and of none, (1, T, D): the last layer of the encoder but one, and zeros."""
        seen = eyes.see(picture, whole=False)[0]
        return seen, torch.zeros_like(seen)

    @staticmethod
    @contextmanager
    def worn(denoiser: Any, adapters: Sequence[JointAdapter], title: str) -> Iterator[Worn]:
        """Inside the block the denoiser looks at one picture through each of the adapters. Raises Unsupported where an
        adapter has other attentions.
        """
        attentions = [denoiser.get_submodule(name.removesuffix(".processor")) for name in denoiser.attn_processors]
        if any(len(adapter.layers) != len(attentions) for adapter in adapters):
            raise Unsupported(f"an IP-Adapter was made for another model than {title}", reason="WRONG_BASE")
        before = [attention.processor for attention in attentions]
        processors = [
            _Looking(one, [adapter.layers[number] for adapter in adapters]) for number, one in enumerate(before)
        ]
        try:
            denoiser.image_proj = _Projections([adapter.tokens for adapter in adapters])
            for attention, processor in zip(attentions, processors, strict=True):
                attention.processor = processor
            yield Worn(processors, "ip_adapter_image_embeds")
        finally:
            for attention, processor in zip(attentions, before, strict=True):
                attention.processor = processor
            del denoiser.image_proj


class _Projections(nn.Module):
    """Makes tokens of several pictures; stands where the denoiser asks for what makes them of one."""

    def __init__(self, each: Sequence[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(each)

    def forward(self, pictures: Sequence[torch.Tensor], timestep: torch.Tensor) -> tuple[list, list]:
        """Tokens, and the time as each adapter has it."""
        made = [one(seen, timestep) for one, seen in zip(self.each, pictures, strict=True)]
        return [tokens for tokens, _ in made], [time for _, time in made]


class _Looking:
    """An attention that looks at pictures besides."""

    def __init__(self, before: Any, layers: Sequence[Any]) -> None:
        self.before, self.layers = before, layers
        self.scale: list[Any] = [0.0] * len(layers)

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None, ip_hidden_states: Any = None, temb: Any = None,
    ) -> Any:  # fmt: skip
        said = self.before(attn, hidden_states, encoder_hidden_states, attention_mask)
        if ip_hidden_states is None:
            return said
        picture, *rest = said if isinstance(said, tuple) else (said,)
        for layer, tokens, time, scale in zip(self.layers, ip_hidden_states, temb, self.scale, strict=True):
            if isinstance(scale, torch.Tensor) or scale:
                added = _attended(attn, layer, hidden_states, tokens, time) * scale
                picture = picture + F.linear(added, attn.to_out[0].weight)
        return (picture, *rest) if rest else picture


def _attended(attn: Any, layer: Any, states: torch.Tensor, tokens: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """What the picture's own tokens (B, n, C) hear of each other and of those (B, T, D) that are looked at."""
    normed = layer.norm_ip(tokens, temb=time)
    query, key, value, seen, worth = (
        part.unflatten(2, (attn.heads, -1)).transpose(1, 2)  # (B, heads, n, d)
        for part in (
            attn.to_q(states), attn.to_k(states), attn.to_v(states), layer.to_k_ip(normed), layer.to_v_ip(normed)
        )
    )  # fmt: skip
    keys = torch.cat([layer.norm_k(key), layer.norm_ip_k(seen)], dim=2)
    heard = F.scaled_dot_product_attention(layer.norm_q(query), keys, torch.cat([value, worth], dim=2))
    return heard.transpose(1, 2).flatten(2)


def _own(name: str) -> str:
    """The name in `JointAdapter` of a file's tensor, "" for others."""
    inner = eye_name(name)
    return f"tokens.{inner}" if inner else f"layers.{name[11:]}" if name.startswith("ip_adapter.") else ""
