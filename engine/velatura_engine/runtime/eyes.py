"""The sizes and colours in which annotators of transformers see pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Colours = tuple[list[float], list[float]]
IMAGENET: Colours = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
"""Mean and deviation of red, green and blue that most networks were trained with."""
HALF: Colours = ([0.5] * 3, [0.5] * 3)


@dataclass(frozen=True, slots=True)
class Eyes:
    """How pictures are laid before a model: the shorter side, what both are multiples of, mean and deviation."""

    side: int
    multiple: int
    square: bool
    colours: Colours

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns: the shorter side as the model was taught, the other in proportion, at most twice that."""
        if self.square:
            return self.side, self.side
        scale = self.side / min(height, width)
        rows, columns = (
            max(1, round(min(side * scale, 2 * self.side) / self.multiple)) * self.multiple for side in (height, width)
        )
        return rows, columns

    def see(self, picture: np.ndarray) -> torch.Tensor:
        """A picture (H, W, 3) float32 0..1 as the model sees it, (1, 3, h, w)."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        size = self.size(*picture.shape[:2])
        return self.normed(F.interpolate(pixels, size=size, mode="bicubic", antialias=True))

    def normed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Colours 0..1 (B, 3, h, w) as the model was taught them."""
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in self.colours)
        return (pixels - mean) / deviation


def eyes(folder: Path, config: Any, *, side: int = 0, square: bool, colours: Colours = HALF) -> Eyes:
    """From the picture processor's settings beside the weights, where there are any; else as the models' makers did:
    `side` pixels, 0 for those of the config, and `colours`.
    """
    told: dict[str, Any] = {}
    if (folder / "preprocessor_config.json").is_file():
        told = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    backbone = getattr(config, "backbone_config", None) or config
    patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", None) or 16
    patch = patch if isinstance(patch, int) else 16
    size = told.get("size") or {}
    found = size.get("height") or size.get("shortest_edge") if isinstance(size, dict) else size
    usual = getattr(backbone, "image_size", None) or 384
    found = int(found or side or (usual if isinstance(usual, int) else 384))
    asked = int(told.get("ensure_multiple_of") or told.get("size_divisor") or 1)
    multiple = asked if asked % patch == 0 else patch
    mean, deviation = told.get("image_mean") or colours[0], told.get("image_std") or colours[1]
    if told.get("do_normalize") is False:
        mean, deviation = [0.0] * 3, [1.0] * 3
    return Eyes(max(found // multiple, 1) * multiple, multiple, square, (list(mean), list(deviation)))
