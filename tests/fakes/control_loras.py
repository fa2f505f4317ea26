"""Control LoRAs in their authors' names that turn one random Flux.1 exactly into another, which reads a hint."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .original_flows import original

WEIGHTS = Path("transformer") / "diffusion_pytorch_model.safetensors"


def make_control_lora(path: Path, base: Path, target: Path) -> Path:
    """Write what makes the denoiser of the folder `target` of that of `base`; returns the path.

    Of every layer the whole difference, as a product with ones on a diagonal; norms as they are in `target`.
    """
    before, after = original(load_file(base / WEIGHTS), "flux"), original(load_file(target / WEIGHTS), "flux")
    tensors: dict[str, torch.Tensor] = {}
    for name, value in after.items():
        layer, _, kind = name.rpartition(".")
        if kind == "scale":
            tensors[name] = value
        elif kind == "bias":
            tensors[f"{layer}.lora_B.bias"] = value - before[name]
        else:
            own = torch.zeros_like(value)
            own[:, : before[name].shape[1]] = before[name]
            tensors[f"{layer}.lora_A.weight"] = torch.eye(value.shape[1])
            tensors[f"{layer}.lora_B.weight"] = value - own
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path
