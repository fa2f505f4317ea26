"""Control models and annotators -> torch modules: ControlNets of either layout, T2I-Adapters, estimators of depth."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ControlNetModel, T2IAdapter
from torch import nn
from transformers import DepthAnythingForDepthEstimation, DPTForDepthEstimation

from ..models.controls import hint_widths
from ..models.entry import ModelEntry
from ..models.header import shapes as read_shapes
from ..models.weights import weights
from .load import load_control, settle

ESTIMATORS: dict[str, type] = {"dpt": DPTForDepthEstimation, "depth_anything": DepthAnythingForDepthEstimation}


def load_guide(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """A ControlNet from its folder or single file, or a T2I-Adapter from its folder."""
    if entry.kind == "controlnet" and entry.format == "diffusers":
        return load_control(entry, dtype=dtype, device=device)
    guide = _adapter(entry, dtype) if entry.kind == "t2i" else _control_from_file(entry, dtype)
    settle(guide, device)
    return guide


def _adapter(entry: ModelEntry, dtype: torch.dtype) -> T2IAdapter:
    variant = weights(entry.path).variant or None
    return T2IAdapter.from_pretrained(
        entry.path, torch_dtype=dtype, variant=variant, local_files_only=True, use_safetensors=True,
        low_cpu_mem_usage=False,
    )  # fmt: skip


def _control_from_file(entry: ModelEntry, dtype: torch.dtype) -> ControlNetModel:
    with tempfile.TemporaryDirectory(prefix="velatura-config-") as folder:
        config = control_config(read_shapes(entry.path))
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return ControlNetModel.from_single_file(
            str(entry.path), config=folder, torch_dtype=dtype, local_files_only=True, low_cpu_mem_usage=False
        )


def control_config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of diffusers that fits a single file of a ControlNet, from its tensors' shapes alone."""
    names = {name.removeprefix("control_model."): shape for name, shape in shapes.items()}
    widths, attends = _rows(names)
    linear = any(name.endswith(".proj_in.weight") and len(shape) == 2 for name, shape in names.items())
    cross = next(shape[1] for name, shape in names.items() if name.endswith(".attn2.to_k.weight"))
    entry = names.get("input_blocks.0.0.weight") or names["conv_in.weight"]
    return {
        "_class_name": "ControlNetModel",
        "in_channels": entry[1],
        "conditioning_channels": _hint_channels(names),
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D" if attention else "DownBlock2D" for attention in attends],
        "cross_attention_dim": cross,
        # Stable Diffusion 1 has eight heads everywhere; 2, whose projections are linear, heads of 64 channels.
        "attention_head_dim": [width // 64 for width in widths] if linear else 8,
        "use_linear_projection": linear,
        "conditioning_embedding_out_channels": hint_widths(names),
    }


def _rows(names: dict[str, tuple[int, ...]]) -> tuple[list[int], list[bool]]:
    """Channels of each row of two layers, and whether it attends to text."""
    widths: list[int] = []
    attends: list[bool] = []
    original = "input_blocks.0.0.weight" in names
    while True:
        row = len(widths)
        layer = f"input_blocks.{1 + 3 * row}" if original else f"down_blocks.{row}"
        conv = f"{layer}.0.out_layers.3.weight" if original else f"{layer}.resnets.0.conv2.weight"
        if conv not in names:
            return widths, attends
        attention = f"{layer}.1." if original else f"{layer}.attentions."
        widths.append(names[conv][0])
        attends.append(any(name.startswith(attention) for name in names))


def _hint_channels(names: dict[str, tuple[int, ...]]) -> int:
    first = names.get("input_hint_block.0.weight") or names["controlnet_cond_embedding.conv_in.weight"]
    return first[1]


class Estimator:
    """A model of transformers that estimates depth; called with a picture, it gives relative depth back."""

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.model: Any = ESTIMATORS[entry.family].from_pretrained(
            entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        settle(self.model, device)
        self.eyes = _eyes(entry.path, self.model.config, square=entry.family == "dpt")

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Picture (H, W, 3) float32 sRGB 0..1 -> disparity (H, W) float32, near 1, farthest 0."""
        height, width = picture.shape[:2]
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        seen = F.interpolate(pixels, size=self.eyes.size(height, width), mode="bicubic", antialias=True)
        seen = (seen - self.eyes.mean) / self.eyes.deviation
        answer = self.model(seen.to(self.device, self.dtype)).predicted_depth[:, None].float().cpu()
        answer = F.interpolate(answer, size=(height, width), mode="bilinear", antialias=True)[0, 0]
        if getattr(self.model.config, "depth_estimation_type", "relative") == "metric":
            answer = 1 / answer.clamp(min=1e-3)
        low, high = answer.min(), answer.max()
        span = float(high - low)
        flat = span <= 1e-6 * max(1.0, float(answer.abs().max()))
        return (torch.full_like(answer, 0.5) if flat else (answer - low) / span).numpy()


class _Eyes:
    """The sizes and colours in which an estimator sees pictures."""

    def __init__(self, side: int, multiple: int, square: bool, mean: list[float], deviation: list[float]) -> None:
        self.side, self.multiple, self.square = side, multiple, square
        self.mean, self.deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, deviation))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns: the shorter side as the model was taught, the other in proportion, at most twice that."""
        if self.square:
            return self.side, self.side
        scale = self.side / min(height, width)
        rows, columns = (
            max(1, round(min(side * scale, 2 * self.side) / self.multiple)) * self.multiple for side in (height, width)
        )
        return rows, columns


def _eyes(folder: Path, config: Any, *, square: bool) -> _Eyes:
    """From the picture processor's settings beside the weights, where there are any; else as the models' makers did."""
    told: dict[str, Any] = {}
    if (folder / "preprocessor_config.json").is_file():
        told = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    backbone = getattr(config, "backbone_config", None) or config
    patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", 16)
    size = told.get("size") or {}
    side = size.get("height") or size.get("shortest_edge") if isinstance(size, dict) else size
    side = int(side or getattr(backbone, "image_size", 384))
    asked, patch = int(told.get("ensure_multiple_of") or 1), int(patch)
    multiple = asked if asked % patch == 0 else patch
    mean, deviation = told.get("image_mean") or [0.5] * 3, told.get("image_std") or [0.5] * 3
    # DPT takes its patches for a square.
    return _Eyes(max(side // multiple, 1) * multiple, multiple, square, mean, deviation)
