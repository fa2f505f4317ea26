"""A model that is told in words what to look for: OneFormer (Jain et al., arXiv 2211.06220)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers

from ..models.entry import ModelEntry
from ..models.single_file import FIRST
from .eyes import IMAGENET, eyes
from .load import settle, unpack_words

TASK = "the task is semantic"


class Questioned:
    """OneFormer, asked for areas; called with a picture, it gives back which of its classes each pixel is of, (H, W)
    whole numbers.

    The part with all that it answers is loaded, not that with what it is trained by: that wants scipy.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.model: Any = transformers.OneFormerModel.from_pretrained(
            entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        settle(self.model, device)
        # Its layers halve pictures five times.
        self.eyes = replace(eyes(entry.path, self.model.config, side=640, square=False, colours=IMAGENET), multiple=32)
        self.task = _tokens(self.model.config.task_seq_len).to(device)

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Picture (H, W, 3) float32 sRGB 0..1 -> classes (H, W)."""
        answer = self.model(self.eyes.see(picture).to(self.device, self.dtype), task_inputs=self.task)
        # Of each of its queries: what it may be, the last of which is nothing, and where it is.
        what = answer.transformer_decoder_class_predictions[0].float().cpu().softmax(-1)[:, :-1]
        where = answer.transformer_decoder_mask_predictions[0].float().cpu().sigmoid()
        scores = torch.einsum("qc,qhw->chw", what, where)
        scores = F.interpolate(scores[None], size=picture.shape[:2], mode="bilinear", align_corners=False)
        return scores[0].argmax(0).numpy()


def _tokens(length: int) -> torch.Tensor:
    """The task in CLIP's words, (1, `length`), filled up with zeros."""
    with TemporaryDirectory() as folder:
        unpack_words(FIRST, "tokenizer", Path(folder))
        said = transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)(TASK).input_ids
    return F.pad(torch.tensor(said), (0, length - len(said)))[None]
