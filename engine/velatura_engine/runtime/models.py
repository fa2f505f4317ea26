"""Models in memory: loaded once, used by one thread, dropped when others need the room."""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import cached_property
from typing import Any

import diffusers
import torch

from ..families import Family, family
from ..models.entry import ModelEntry
from .controls import Estimator, load_guide
from .load import Components, load_checkpoint
from .preview import PreviewMap, fit
from .references import References

KEEP = 2
"""Checkpoints and annotators of each kind kept in memory."""
KEEP_CONTROLS = 4
"""Control models kept in memory: as many as one painting sensibly has."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Loaded:
    """A checkpoint in memory with what every painting needs of it."""

    def __init__(self, entry: ModelEntry, parts: Components, device: torch.device, dtype: torch.dtype) -> None:
        self.entry, self.parts, self.device, self.dtype = entry, parts, device, dtype
        self.vae, self.unet = parts.vae, parts.unet
        self.scheduler_config = parts.scheduler_config
        self.family: Family = family(entry.family)
        self._preview: PreviewMap | None = None

    @property
    def window(self) -> int:
        """Tokens of a prompt that are heard, without the two at its ends."""
        return self.parts.tokenizer.model_max_length - 2

    @cached_property
    def scaling(self) -> float:
        """What the VAE's latents are multiplied by for the denoiser."""
        return float(self.vae.config["scaling_factor"])

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the two at its ends."""
        return len(self.parts.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids)

    def unknown_words(self, text: str) -> list[str]:
        """Words of a text that the tokenizer has to spell: a model with a small vocabulary never learned them."""
        words = dict.fromkeys(re.findall(r"[a-z]+", text.lower()))
        return [word for word in words if len(word) > 2 and self.count_tokens(word) > 1]

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, H, W) in -1..1 -> latents (B, C, h, w), the distribution's mode: the same every time."""
        return self.vae.encode(pictures, return_dict=False)[0].mode() * self.scaling

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, C, h, w) -> pictures (B, 3, H, W) in -1..1."""
        # Annotated as FloatTensor, a class that no tensor on a GPU belongs to.
        return self.vae.decode(latents / self.scaling, return_dict=False)[0]  # pyright: ignore[reportArgumentType]

    def preview_map(self) -> PreviewMap:
        """Linear latents-to-colour map, fitted on first use."""
        if self._preview is None:
            self._preview = fit(self.vae, self.scaling, self.entry.latent_factor)
        return self._preview

    def pipeline(self, task: str, scheduler: Any, controls: list[torch.nn.Module]) -> Any:
        """A diffusers pipeline over these very modules for one task; costs no memory."""
        name = self.family.pipeline(task, bool(controls))
        parts = {
            "vae": self.vae, "unet": self.unet, "text_encoder": self.parts.text_encoder,
            "tokenizer": self.parts.tokenizer, "scheduler": scheduler,
        }  # fmt: skip
        if self.family.depth_channel:
            parts |= {"depth_estimator": None, "feature_extractor": None}
        else:
            parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        if controls:
            parts["controlnet"] = controls
        pipeline = getattr(diffusers, name)(**parts)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


class Models:
    """The models at hand on one device."""

    def __init__(self, *, device: str = "auto", dtype: str = "auto") -> None:
        self.device = _device(device)
        self.dtype = _dtype(dtype, self.device)
        self.resident = ""
        self._checkpoints: OrderedDict[tuple[str, str], Loaded] = OrderedDict()
        self._controls: OrderedDict[tuple[str, str], torch.nn.Module] = OrderedDict()
        self._annotators: OrderedDict[tuple[str, str], Estimator] = OrderedDict()
        self.references = References(self.device, self.dtype)

    def checkpoint(self, entry: ModelEntry) -> Loaded:
        """The checkpoint, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._checkpoints:
            self._make_room(self._checkpoints, KEEP)
            parts = load_checkpoint(entry, dtype=self.dtype, device=self.device)
            self._checkpoints[key] = Loaded(entry, parts, self.device, self.dtype)
        self._checkpoints.move_to_end(key)
        self.resident = entry.id
        return self._checkpoints[key]

    def control(self, entry: ModelEntry) -> torch.nn.Module:
        """The ControlNet or T2I-Adapter, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._controls:
            self._make_room(self._controls, KEEP_CONTROLS)
            self._controls[key] = load_guide(entry, dtype=self.dtype, device=self.device)
        self._controls.move_to_end(key)
        return self._controls[key]

    def annotator(self, entry: ModelEntry) -> Estimator:
        """The model that estimates depth, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._annotators:
            self._make_room(self._annotators, KEEP)
            self._annotators[key] = Estimator(entry, dtype=self.dtype, device=self.device)
        self._annotators.move_to_end(key)
        return self._annotators[key]

    def _make_room(self, shelf: OrderedDict, keep: int) -> None:
        while len(shelf) >= keep:
            shelf.popitem(last=False)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def describe(self) -> str:
        """The device in words."""
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return f"{self.device} ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else str(self.device)

    def peak_memory(self) -> int:
        """Most device memory held since the start, bytes; 0 = unknown."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 0


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _dtype(name: str, device: torch.device) -> torch.dtype:
    # A CPU paints in full precision: half formats are slower there, or missing.
    return _DTYPES[name] if name != "auto" else torch.float32 if device.type == "cpu" else torch.float16
