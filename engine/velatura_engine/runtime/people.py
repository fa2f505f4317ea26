"""People in pictures: where they are (DETR and its relatives), and how they stand (ViTPose, arXiv 2204.12484)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers

from ..models.annotators import FINDERS, POSES
from ..models.entry import ModelEntry
from .eyes import IMAGENET, eyes
from .load import settle

SOFTMAX = ("detr", "yolos")
"""Finders that answer with one class of all or none; the others answer for each class by itself."""
MARGIN = 1.25
"""How much larger than a person the part of the picture is that a pose is looked for in."""


class Finder:
    """Called with a picture (H, W, 3) it gives the people in it: (N, 5), left, top, width, height in pixels, and how
    sure it is of each, 0 to 1.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype, self.family = device, dtype, entry.family
        self.model = _loaded(FINDERS[entry.family], entry, dtype, device)
        # RT-DETR was trained on plain colours at one size, the others on normed ones in the picture's proportions.
        plain = entry.family.startswith("rt_detr")
        colours = ([0.0] * 3, [1.0] * 3) if plain else IMAGENET
        self.eyes = eyes(entry.path, self.model.config, side=640 if plain else 800, square=plain, colours=colours)
        labels = self.model.config.id2label
        self.person = next(int(number) for number, name in labels.items() if name == "person")

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The people, the surest first."""
        answer = self.model(pixel_values=self.eyes.see(picture).to(self.device, self.dtype))
        logits, boxes = answer.logits[0].float().cpu(), answer.pred_boxes[0].float().cpu()
        sure = logits.softmax(-1) if self.family in SOFTMAX else logits.sigmoid()
        order = sure[:, self.person].argsort(descending=True, stable=True)
        height, width = picture.shape[:2]
        middle, size = boxes[order, :2], boxes[order, 2:]
        found = torch.cat([middle - size / 2, size], 1) * torch.tensor([width, height, width, height])
        return torch.cat([found, sure[order, self.person, None]], 1).numpy().astype(np.float32)


class Poser:
    """Called with a picture (H, W, 3) and boxes (N, 4), left, top, width, height in pixels, it gives the joints of the
    person in each: (N, 17, 3), x and y in pixels and how sure it is, in COCO's order.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.model = _loaded(POSES[entry.family], entry, dtype, device)
        height, width = self.model.config.backbone_config.image_size
        self.size = int(height), int(width)
        self.eyes = eyes(entry.path, self.model.config, side=height, square=True, colours=IMAGENET)
        self.experts = getattr(self.model.config.backbone_config, "num_experts", 1) > 1

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The joints of each, in the boxes' order."""
        people = [self._joints(picture, self._framed(box)) for box in boxes]
        return np.stack(people) if people else np.zeros((0, 17, 3), np.float32)

    def _framed(self, box: np.ndarray) -> tuple[float, float, float, float]:
        """A box made larger, and as wide for its height as the model sees."""
        left, top, width, height = (float(side) for side in box[:4])
        middle = left + width / 2, top + height / 2
        aspect = self.size[1] / self.size[0]
        height = max(height, width / aspect) * MARGIN
        width = height * aspect
        return middle[0] - width / 2, middle[1] - height / 2, width, height

    def _joints(self, picture: np.ndarray, frame: tuple[float, float, float, float]) -> np.ndarray:
        left, top, width, height = frame
        rows, columns = self.size
        tall, wide = picture.shape[:2]
        # The model's first and last pixels lie on the frame's sides.
        x = left + torch.linspace(0, 1, columns) * width
        y = top + torch.linspace(0, 1, rows) * height
        places = [2 * x / max(wide - 1, 1) - 1, 2 * y / max(tall - 1, 1) - 1]
        down, across = torch.meshgrid(places[1], places[0], indexing="ij")
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        seen = F.grid_sample(pixels, torch.stack([across, down], -1)[None], align_corners=True)
        seen = self.eyes.normed(seen).to(self.device, self.dtype)
        more = {"dataset_index": torch.zeros(1, dtype=torch.long, device=self.device)} if self.experts else {}
        heat = self.model(seen, **more).heatmaps[0].float().cpu()  # (17, h, w)
        sure, at = heat.flatten(1).max(1)
        h, w = heat.shape[1:]
        row, column = at // w, at % w
        refined = [_refined(heat, row, column, axis) for axis in (1, 0)]
        found = torch.stack(
            [left + refined[0] / max(w - 1, 1) * width, top + refined[1] / max(h - 1, 1) * height, sure], 1
        )
        return found.numpy().astype(np.float32)


def _refined(heat: torch.Tensor, row: torch.Tensor, column: torch.Tensor, axis: int) -> torch.Tensor:
    """A peak's place along an axis (0 down, 1 across), a quarter of a pixel toward its warmer neighbour."""
    padded = F.pad(heat, (1, 1, 1, 1), value=float("-inf"))
    joints = torch.arange(len(heat))
    step = (0, 1) if axis else (1, 0)
    ahead = padded[joints, row + 1 + step[0], column + 1 + step[1]]
    behind = padded[joints, row + 1 - step[0], column + 1 - step[1]]
    lean = torch.where(torch.isinf(ahead) | torch.isinf(behind), torch.zeros_like(ahead), (ahead - behind).sign())
    return (column if axis else row) + 0.25 * lean


def _loaded(of: str, entry: ModelEntry, dtype: torch.dtype, device: torch.device) -> Any:
    model = getattr(transformers, of).from_pretrained(
        entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
    )
    settle(model, device)
    return model
