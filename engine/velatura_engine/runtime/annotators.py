"""Annotators by their kinds: what estimates depth, tells what areas show, draws lines, finds people and joints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers

from ..models.annotators import AREAS, DEPTH
from ..models.entry import ModelEntry
from .edges import ARTISTS, Lines, StraightLines
from .eyes import IMAGENET, eyes
from .load import settle
from .people import Finder, Poser
from .questions import Questioned


def load_annotator(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Callable[..., np.ndarray]:
    """The annotator of an entry; what it is called with and gives back its class says. Raises Unsupported for a file
    that lacks some of its tensors."""
    return _MAKERS[entry.control_kind](entry, dtype=dtype, device=device)


class Estimator:
    """A model of transformers that estimates depth; called with a picture, it gives relative depth back."""

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.model: Any = getattr(transformers, DEPTH[entry.family]).from_pretrained(
            entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        settle(self.model, device)
        # DPT takes its patches for a square.
        self.eyes = eyes(entry.path, self.model.config, square=entry.family == "dpt")

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Picture (H, W, 3) float32 sRGB 0..1 -> disparity (H, W) float32, near 1, farthest 0."""
        seen = self.eyes.see(picture)
        answer = self.model(seen.to(self.device, self.dtype)).predicted_depth[:, None].float().cpu()
        answer = F.interpolate(answer, size=picture.shape[:2], mode="bilinear", antialias=True)[0, 0]
        if getattr(self.model.config, "depth_estimation_type", "relative") == "metric":
            answer = 1 / answer.clamp(min=1e-3)
        low, high = answer.min(), answer.max()
        span = float(high - low)
        flat = span <= 1e-6 * max(1.0, float(answer.abs().max()))
        return (torch.full_like(answer, 0.5) if flat else (answer - low) / span).numpy()


class Segmenter:
    """A model of transformers that tells what each area shows; called with a picture, it gives back which of its
    classes each pixel is of, (H, W) whole numbers.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.model: Any = getattr(transformers, AREAS[entry.family]).from_pretrained(
            entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        settle(self.model, device)
        plain = entry.family in ("segformer", "dpt")
        self.eyes = eyes(entry.path, self.model.config, side=512, square=plain, colours=IMAGENET)

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Picture (H, W, 3) float32 sRGB 0..1 -> classes (H, W)."""
        answer = self.model(pixel_values=self.eyes.see(picture).to(self.device, self.dtype))
        scores = answer.logits.float().cpu()
        scores = F.interpolate(scores, size=picture.shape[:2], mode="bilinear", align_corners=False)
        return scores[0].argmax(0).numpy()


def segmenter(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Callable[..., np.ndarray]:
    """What tells areas, by the kind of model it is."""
    of = Questioned if entry.family == "oneformer" else Segmenter
    return of(entry, dtype=dtype, device=device)


_MAKERS: dict[str, Callable[..., Callable[..., np.ndarray]]] = {
    "depth": Estimator, "seg": segmenter, "mlsd": StraightLines, "openpose": Poser, "person": Finder,
    **dict.fromkeys(ARTISTS, Lines),
}  # fmt: skip
