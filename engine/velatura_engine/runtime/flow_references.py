"""IP-Adapters of Flux.1 on a denoiser, for the time of a run: one pair of keys and values for each picture looked at.

diffusers' own attention processor reads them. Pictures share their adapter's layers, and each has a strength of its
own, which may be another for each token: so masks hold, and roll where latents are rolled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers.models.embeddings import ImageProjection
from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor
from safetensors import safe_open
from torch import nn

from ..errors import Unsupported
from ..models.entry import ModelEntry
from ..models.flow_reference import eye_name, place, read_flow_adapter
from ..models.header import shapes as read_shapes

BLACK = np.zeros((28, 28, 3), np.float32)
"""What is seen where no picture is to be taken after, as diffusers has it."""


class FlowAdapter(nn.Module):
    """An adapter's layers."""

    def __init__(self, entry: ModelEntry) -> None:
        super().__init__()
        told = read_flow_adapter(read_shapes(entry.path), entry.path.name)
        self.tokens = ImageProjection(told.sees, told.text, told.tokens)
        self.k, self.v = (
            nn.ModuleList([nn.Linear(told.text, told.width) for _ in range(told.blocks)]) for _ in range(2)
        )
        with safe_open(entry.path, framework="pt") as file:
            self.load_state_dict({_own(name): file.get_tensor(name) for name in file.keys() if _own(name)})  # noqa: SIM118

    def look(self, eyes: Any, picture: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What is told of a picture, and of none, (1, tokens, D)."""
        facts = next(self.parameters())
        seen, nothing = (eyes.see(one, whole=True)[0].to(facts.device, facts.dtype) for one in (picture, BLACK))
        return self.tokens(seen), self.tokens(nothing)

    @staticmethod
    @contextmanager
    def worn(denoiser: Any, adapters: Sequence[FlowAdapter], title: str) -> Iterator[Worn]:
        """Inside the block the denoiser attends to one picture through each of the adapters. Raises Unsupported where
        an adapter has other blocks.
        """
        blocks = denoiser.transformer_blocks
        if any(len(adapter.k) != len(blocks) for adapter in adapters):
            raise Unsupported(f"an IP-Adapter was made for another model than {title}", reason="WRONG_BASE")
        before = [block.attn.processor for block in blocks]
        processors = [_processor(adapters, number) for number in range(len(blocks))]
        try:
            for block, processor in zip(blocks, processors, strict=True):
                block.attn.processor = processor
            yield Worn(processors, "ip_hidden_states")
        finally:
            for block, processor in zip(blocks, before, strict=True):
                # Deleted first: torch would keep the name of a module that becomes something else.
                del block.attn.processor
                block.attn.processor = processor


class Worn:
    """What pictures add to a denoiser, told by `argument` of its `joint_attention_kwargs`; `strengths` may be set anew
    at each call, a number or (B, n, 1) for each.
    """

    def __init__(self, processors: Sequence[Any], argument: str) -> None:
        self._processors, self.argument = processors, argument

    def strengths(self, values: Sequence[Any]) -> None:
        """How each picture counts from here on."""
        for processor in self._processors:
            processor.scale = list(values)


def _processor(adapters: Sequence[FlowAdapter], number: int) -> FluxIPAdapterAttnProcessor:
    keys, values = ([getattr(adapter, part)[number] for adapter in adapters] for part in "kv")
    processor = FluxIPAdapterAttnProcessor(1, 1, num_tokens=[1] * len(adapters))
    processor.to_k_ip, processor.to_v_ip = nn.ModuleList(keys), nn.ModuleList(values)
    return processor


def _own(name: str) -> str:
    """The name in `FlowAdapter` of a file's tensor, "" for others."""
    spot = place(name)
    if spot is not None:
        block, part, kind = spot
        return f"{part}.{block}.{kind}"
    inner = eye_name(name)
    return f"tokens.{inner.replace('proj.', 'image_embeds.')}" if inner else ""
