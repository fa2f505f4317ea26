"""Adapters for the tiny models, in the ways that the community writes them: LoRAs, embeddings, hypernetworks.

LoRAs are written for a list of layers by their paths in diffusers, with random matrices; `kohya` and `peft` write
the same matrices in two layouts. Old torch files are made with torch itself, so that another hand wrote what their
reader reads.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

UNET = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
    "up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_out.0",
    "up_blocks.1.resnets.0.conv1",
)
"""Layers of a U-Net of `make_tiny`, linear and convolutional."""
TEXT = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.mlp.fc1")
RANK = 4

Tensors = dict[str, torch.Tensor]


def matrices(model: torch.nn.Module, paths: Sequence[str], *, rank: int = RANK, seed: int = 0, size: float = 0.2):
    """(down, up) by path, random: for a convolution down has its kernel and up is 1 x 1."""
    dice = torch.Generator().manual_seed(seed)
    found = {}
    for path in paths:
        weight = model.get_submodule(path).weight
        kernel = weight.shape[2:]
        down = torch.randn(rank, weight.shape[1], *kernel, generator=dice) * size
        up = torch.randn(weight.shape[0], rank, *(1 for _ in kernel), generator=dice) * size
        found[path] = down, up
    return found


def kohya(pairs: Mapping[str, Any], prefix: str = "lora_unet", alpha: float | None = None) -> Tensors:
    """As kohya's scripts name them; the rank is the alpha where none is given."""
    tensors: Tensors = {}
    for path, (down, up) in pairs.items():
        name = f"{prefix}_{path.replace('.', '_')}"
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(float(down.shape[0] if alpha is None else alpha))
    return tensors


def peft(pairs: Mapping[str, Any], prefix: str = "unet") -> Tensors:
    """As diffusers saves what peft trained."""
    tensors: Tensors = {}
    for path, (down, up) in pairs.items():
        tensors |= {f"{prefix}.{path}.lora_A.weight": down, f"{prefix}.{path}.lora_B.weight": up}
    return tensors


def glora(model: torch.nn.Module, paths: Sequence[str], *, alpha: float = 2.0, seed: int = 0) -> Tensors:
    """As LyCORIS saves GLoRA: a1 and b1 stand before a2 and b2, which look at what comes in."""
    dice, tensors = torch.Generator().manual_seed(seed), {}
    for path in paths:
        weight = model.get_submodule(path).weight
        rows, columns, kernel = weight.shape[0], weight.shape[1], weight.shape[2:]
        ones, name = [1 for _ in kernel], f"lora_unet_{path.replace('.', '_')}"
        shapes = {"a1": (columns, RANK, *ones), "a2": (RANK, columns, *ones), "b1": (rows, RANK, *ones),
                  "b2": (RANK, columns, *kernel)}  # fmt: skip
        tensors |= {f"{name}.{part}.weight": torch.randn(s, generator=dice) * 0.1 for part, s in shapes.items()}
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def oft(
    model: torch.nn.Module, paths: Sequence[str], *, layers: int = 0, alpha: float = 0.0, prefix: str = "oft_unet",
    seed: int = 0,
) -> Tensors:  # fmt: skip
    """As kohya's scripts (`oft_unet`) and LyCORIS (`lora_unet`) save OFT, and BOFT where there are `layers`."""
    dice, tensors = torch.Generator().manual_seed(seed), {}
    for path in paths:
        rows = model.get_submodule(path).weight.shape[0]
        shape = (layers, rows // 4, 4, 4) if layers else (rows // 8, 8, 8)
        name = f"{prefix}_{path.replace('.', '_')}"
        tensors[f"{name}.oft_blocks"] = torch.randn(shape, generator=dice) * 0.2
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def save(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    """Write tensors as a safetensors file; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: values.contiguous().clone() for name, values in tensors.items()}, path, metadata)
    return path


def embedding(vectors: int, width: int, seed: int = 0) -> torch.Tensor:
    """Random vectors."""
    return torch.randn(vectors, width, generator=torch.Generator().manual_seed(seed))


def hypernetwork(widths: Sequence[int], *, relu: bool = True, seed: int = 0) -> dict[Any, Any]:
    """What AUTOMATIC1111 saves as a .pt file: two layers a net, one twice as wide in the middle."""
    dice = torch.Generator().manual_seed(seed)

    def net(width: int) -> Tensors:
        shapes = {"linear.0": (2 * width, width), "linear.2" if relu else "linear.1": (width, 2 * width)}
        tensors: Tensors = {}
        for name, shape in shapes.items():
            tensors[f"{name}.weight"] = torch.randn(shape, generator=dice) * 0.3
            tensors[f"{name}.bias"] = torch.randn(shape[0], generator=dice) * 0.3
        return tensors

    saved: dict[Any, Any] = {width: (net(width), net(width)) for width in widths}
    facts = {"step": 10, "name": "hyper", "layer_structure": [1, 2, 1], "activation_func": "relu" if relu else "linear"}
    return saved | facts | {"is_layer_norm": False, "activate_output": False, "sd_checkpoint": None}


class Act:
    """Unpickled, it calls a function: what a malicious file does."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def torch_file(path: Path, saved: Any, *, old: bool = False) -> Path:
    """Write as torch.save does, in its present or its old format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(saved, path, _use_new_zipfile_serialization=not old)
    return path


def bare_pickle(path: Path, saved: Any) -> Path:
    """Write as pickle.dump does."""
    path.write_bytes(pickle.dumps(saved, protocol=2))
    return path
