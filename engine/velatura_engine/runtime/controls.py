"""Control models -> torch modules: ControlNets and T2I-Adapters, folders and single files of either naming."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file
from torch import nn

from ..errors import Unsupported
from ..families import family
from ..models import t2i
from ..models.controls import ORIGINAL, TASKS, control_shapes, hint_widths
from ..models.entry import ModelEntry
from ..models.header import shapes as read_shapes
from ..models.weights import weights
from .flow_nets import load_net
from .load import load_control, settle

_POOLED = {
    f"add_embedding.linear_{1 + number}.{kind}": f"label_emb.0.{2 * number}.{kind}"
    for number in range(2)
    for kind in ("weight", "bias")
}
"""What diffusers' own conversion leaves out: how SDXL hears a prompt in one vector."""
_TIMES = 256
"""Numbers that stand for one size, or one kind of hint, before they are embedded."""
_HEADS = 8
"""Heads of the attention between the hints of a union."""

Tensors = dict[str, torch.Tensor]


def load_guide(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """A ControlNet or a T2I-Adapter from its folder or single file. Raises Unsupported for a file that lacks some of
    its tensors."""
    if entry.kind == "controlnet" and family(entry.family).flow is not None:
        return load_net(entry, dtype=dtype, device=device)
    if entry.kind == "controlnet" and entry.format == "diffusers":
        return load_control(entry, dtype=dtype, device=device)
    if entry.kind == "t2i":
        guide = _adapter(entry, dtype) if entry.format == "diffusers" else _adapter_from_file(entry, dtype)
    else:
        guide = _control_from_file(entry, dtype)
    settle(guide, device)
    return guide


def _adapter(entry: ModelEntry, dtype: torch.dtype) -> T2IAdapter:
    variant = weights(entry.path).variant or None
    return T2IAdapter.from_pretrained(
        entry.path, torch_dtype=dtype, variant=variant, local_files_only=True, use_safetensors=True,
        low_cpu_mem_usage=False,
    )  # fmt: skip


def _adapter_from_file(entry: ModelEntry, dtype: torch.dtype) -> T2IAdapter:
    shapes = read_shapes(entry.path)
    config = t2i.adapter_config(shapes, entry.path)
    tensors = load_file(entry.path)
    named = {f"adapter.{t2i.diffusers_name(name, shapes)}": values for name, values in tensors.items()}
    return _filled(T2IAdapter.from_config(config), named, entry, dtype)


def _control_from_file(entry: ModelEntry, dtype: torch.dtype) -> nn.Module:
    shapes = control_shapes(read_shapes(entry.path))
    config = control_config(shapes)
    tensors = load_file(entry.path)
    inside = {name.removeprefix(ORIGINAL): values for name, values in tensors.items() if name.startswith(ORIGINAL)}
    tensors = inside or tensors
    named: Tensors = {
        name: values for name, values in convert_controlnet_checkpoint(tensors, config).items() if values is not None
    }
    named |= {new: tensors[old] for new, old in _POOLED.items() if old in tensors}
    of = ControlNetUnionModel if entry.reads else ControlNetModel
    return _filled(of.from_config(config), named, entry, dtype)


def _filled(module: Any, tensors: Tensors, entry: ModelEntry, dtype: torch.dtype) -> Any:
    """The module with these weights. What it does not know is left; what it lacks is an error."""
    try:
        lacking = module.load_state_dict(tensors, strict=False).missing_keys
    except RuntimeError as trouble:  # torch's words for tensors of other shapes
        lacking = [str(trouble).splitlines()[-1].strip()]
    if lacking:
        raise Unsupported(
            f"{entry.title} is not whole: {lacking[0][:120]}", reason="BROKEN_MODEL_FILE", remedy="get the file again",
        )  # fmt: skip
    return nn.Module.to(module, dtype)  # past diffusers, which warns of what it has none of


def control_config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of diffusers that fits a single file of a ControlNet, from its tensors' shapes alone."""
    names = control_shapes(shapes)
    widths, depths = _rows(names)
    linear = any(name.endswith(".proj_in.weight") and len(shape) == 2 for name, shape in names.items())
    cross = next(shape[1] for name, shape in names.items() if name.endswith(".attn2.to_k.weight"))
    entry = names.get("input_blocks.0.0.weight") or names["conv_in.weight"]
    config: dict[str, Any] = {
        "_class_name": "ControlNetModel",
        "in_channels": entry[1],
        "conditioning_channels": _hint_channels(names),
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "cross_attention_dim": cross,
        # Stable Diffusion 1 has eight heads everywhere; later ones, whose projections are linear, heads of 64 channels.
        "attention_head_dim": [max(1, width // 64) for width in widths] if linear else 8,
        "use_linear_projection": linear,
        "conditioning_embedding_out_channels": hint_widths(names),
    }
    pooled = names.get("add_embedding.linear_1.weight") or names.get("label_emb.0.0.weight")
    if pooled is not None:
        # The last number is the middle's too.
        depths[-1] = max(_depth(names, "middle_block.1"), _depth(names, "mid_block.attentions.0"))
        config |= {
            "transformer_layers_per_block": [max(1, depth) for depth in depths],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": _TIMES,
            "projection_class_embeddings_input_dim": pooled[1],
        }
    if TASKS in names:
        kinds, channels = names[TASKS]
        layers = sum(name.endswith(".ln_1.weight") for name in names if name.startswith("transformer_layes."))
        config |= {
            "_class_name": "ControlNetUnionModel",
            "num_control_type": kinds,
            "num_trans_channel": channels,
            "num_trans_head": _HEADS,
            "num_trans_layer": layers,
            "num_proj_channel": names["spatial_ch_projs.weight"][0],
            "addition_time_embed_dim": names["control_add_embedding.linear_1.weight"][1] // kinds,
        }
    return config


def _rows(names: dict[str, tuple[int, ...]]) -> tuple[list[int], list[int]]:
    """Channels of each row of two layers, and how often it attends to text."""
    widths: list[int] = []
    depths: list[int] = []
    original = "input_blocks.0.0.weight" in names
    while True:
        row = len(widths)
        layer = f"input_blocks.{1 + 3 * row}" if original else f"down_blocks.{row}"
        conv = f"{layer}.0.out_layers.3.weight" if original else f"{layer}.resnets.0.conv2.weight"
        if conv not in names:
            return widths, depths
        widths.append(names[conv][0])
        depths.append(_depth(names, f"{layer}.1" if original else f"{layer}.attentions.0"))


def _depth(names: dict[str, tuple[int, ...]], attention: str) -> int:
    """Blocks of one attention, one after the other; 0 where there is none."""
    start, end = f"{attention}.transformer_blocks.", ".attn2.to_k.weight"
    return sum(name.startswith(start) and name.endswith(end) for name in names)


def _hint_channels(names: dict[str, tuple[int, ...]]) -> int:
    first = names.get("input_hint_block.0.weight") or names["controlnet_cond_embedding.conv_in.weight"]
    return first[1]
