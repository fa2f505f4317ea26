"""Annotators -> torch modules: what estimates depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import DepthAnythingForDepthEstimation, DPTForDepthEstimation

from ..models.entry import ModelEntry
from .load import settle

ESTIMATORS: dict[str, type] = {"dpt": DPTForDepthEstimation, "depth_anything": DepthAnythingForDepthEstimation}


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
