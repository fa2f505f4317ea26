"""Models in memory: loaded once, used by one thread, dropped when others need the room."""

from __future__ import annotations

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import diffusers
import numpy as np
import torch

from ..conditioning.adapters.lexicon import Lexicon
from ..conditioning.embeddings import Embedder, Reader
from ..families import Family, family
from ..models.entry import ModelEntry
from . import autoencoder
from .annotators import load_annotator
from .controls import load_guide
from .latents import LatentSpace, latent_space
from .load import Components, load_checkpoint, load_generic, load_vae
from .materials import Reader as MaterialReader
from .materials import load_reader
from .preview import PreviewMap, fit
from .references import References

KEEP = 2
"""Checkpoints and annotators of each kind kept in memory."""
KEEP_CONTROLS = 4
"""Control models kept in memory: as many as one painting sensibly has."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Loaded:
    """A checkpoint in memory with what every painting needs of it: its parts by their roles."""

    def __init__(self, entry: ModelEntry, parts: Components, device: torch.device, dtype: torch.dtype) -> None:
        self.entry, self.parts, self.device, self.dtype = entry, parts, device, dtype
        self.scheduler_config = parts.scheduler_config
        self.family: Family = family(entry.family)
        self._preview: PreviewMap | None = None

    @property
    def vae(self) -> Any:
        """What makes latents of pictures and pictures of latents."""
        return self.parts.parts["vae"]

    @property
    def denoiser(self) -> Any:
        """What takes the noise away."""
        return self.parts.parts[self.family.denoiser]

    @property
    def text_encoders(self) -> list[Any]:
        """What reads the prompt, in the order in which the denoiser hears them."""
        return [self.parts.parts[reader.encoder] for reader in self.family.readers]

    @property
    def tokenizers(self) -> list[Any]:
        """What cuts prompts into tokens, one for each text encoder, all of one vocabulary."""
        return [self.parts.parts[reader.tokenizer] for reader in self.family.readers]

    def embedder(self, clip_skip: int | None, embeddings: Sequence[ModelEntry] = ()) -> Embedder:
        """What makes embeddings of prompts, for one painting that knows `embeddings` by name. Raises Unsupported where
        one of their files cannot be used."""
        heard = zip(self.family.readers, self.tokenizers, self.text_encoders, strict=True)
        readers = [
            Reader(
                words, encoder, reader.layer, reader.pooled,
                Lexicon(embeddings, encoder.config.hidden_size, self.window),
            )
            for reader, words, encoder in heard
        ]  # fmt: skip
        silent = self.parts.settings.get("force_zeros_for_empty_prompt", False)
        return Embedder(readers, clip_skip, silent=silent)

    @property
    def window(self) -> int:
        """Tokens of a prompt that are heard, without the two at its ends."""
        return self.tokenizers[0].model_max_length - 2

    @cached_property
    def space(self) -> LatentSpace:
        """Where the denoiser's latents lie."""
        return latent_space(self.vae.config, getattr(self.vae, "bn", None))

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the two at its ends."""
        return len(self.tokenizers[0](text, add_special_tokens=False, truncation=False, verbose=False).input_ids)

    def unknown_words(self, text: str) -> list[str]:
        """Words of a text that the tokenizer has to spell: a model with a small vocabulary never learned them."""
        words = dict.fromkeys(re.findall(r"[a-z]+", text.lower()))
        return [word for word in words if len(word) > 2 and self.count_tokens(word) > 1]

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, H, W) in -1..1 -> latents (B, C, h, w), the distribution's mode: the same every time."""
        vae = self._awake_vae()
        return self.space.enter(autoencoder.encode(vae, pictures.to(vae.dtype))).to(self.dtype)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, C, h, w) -> pictures (B, 3, H, W) in -1..1."""
        vae = self._awake_vae()
        return autoencoder.decode(vae, self.space.leave(latents).to(vae.dtype))

    def _awake_vae(self) -> Any:
        """The VAE in a precision that holds its numbers: pipelines that see pixels bring it to the denoiser's."""
        if self.family.wide_vae and self.dtype == torch.float16 and self.vae.config.get("force_upcast", False):
            self.vae.float()
        return self.vae

    def preview_map(self) -> PreviewMap:
        """Linear latents-to-colour map, fitted on first use."""
        if self._preview is None:
            folds = autoencoder.folds(self.vae)
            factor = self.entry.latent_factor // (2 if folds else 1)
            self._preview = fit(self.encode, factor, self.device, self.dtype, self._unfolded if folds else None)
        return self._preview

    def _unfolded(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, 4 C, h, w) -> (B, C, 2 h, 2 w), as the VAE has them."""
        return autoencoder.unfold(self.space.leave(latents.float()))

    def wearing(self, vae: torch.nn.Module) -> Loaded:
        """The same model with another VAE; the other modules are shared. Latents keep the scale of the model's own,
        which is what its denoiser learned.
        """
        other = Loaded(self.entry, self.parts.having(vae=vae), self.device, self.dtype)
        other.space = self.space
        return other

    def pipeline(self, task: str, scheduler: Any, controls: list[torch.nn.Module]) -> Any:
        """A diffusers pipeline over these very modules for one task; costs no memory."""
        kind = getattr(diffusers, self.family.pipeline(task, bool(controls)))
        offered = {**self.parts.parts, **self.parts.settings, "scheduler": scheduler, "controlnet": controls}
        offered |= {"requires_safety_checker": False, "add_watermarker": False}
        wanted = inspect.signature(kind.__init__).parameters
        # What it demands and we do not use, such as a safety checker or a reader of depth, is left empty.
        parts = {
            name: offered.get(name) for name, facts in wanted.items()
            if name in offered or (facts.default is facts.empty and name != "self")
        }  # fmt: skip
        pipeline = kind(**parts)
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
        self._annotators: OrderedDict[tuple[str, str], Callable[..., np.ndarray]] = OrderedDict()
        self._materials: OrderedDict[tuple[str, str], MaterialReader] = OrderedDict()
        self.references = References(self.device, self.dtype)
        self._dressed: OrderedDict[tuple[str, str], Loaded] = OrderedDict()
        self._generic: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def checkpoint(self, entry: ModelEntry, vae: ModelEntry | None = None) -> Loaded:
        """The checkpoint, loaded if need be; with `vae` that in the place of its own."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._checkpoints:
            self._make_room(self._checkpoints, KEEP)
            parts = load_checkpoint(entry, dtype=self.dtype, device=self.device)
            self._checkpoints[key] = Loaded(entry, parts, self.device, self.dtype)
        self._checkpoints.move_to_end(key)
        self.resident = entry.id
        return self._checkpoints[key] if vae is None else self._dress(self._checkpoints[key], vae)

    def generic(self, entry: ModelEntry) -> Any:
        """A pipeline that no family knows, loaded if need be; one at a time."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._generic:
            self._make_room(self._generic, 1)
            self._generic[key] = load_generic(entry, dtype=self.dtype, device=self.device)
        self.resident = entry.id
        return self._generic[key]

    def _dress(self, model: Loaded, vae: ModelEntry) -> Loaded:
        key = (vae.id, vae.stamp or str(vae.path))
        worn = self._dressed.get(key)
        if worn is None or worn.denoiser is not model.denoiser:
            self._make_room(self._dressed, KEEP)
            module = load_vae(vae, dtype=self.dtype, device=self.device) if worn is None else worn.vae
            self._dressed[key] = model.wearing(module)
        self._dressed.move_to_end(key)
        return self._dressed[key]

    def control(self, entry: ModelEntry) -> torch.nn.Module:
        """The ControlNet or T2I-Adapter, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._controls:
            self._make_room(self._controls, KEEP_CONTROLS)
            self._controls[key] = load_guide(entry, dtype=self.dtype, device=self.device)
        self._controls.move_to_end(key)
        return self._controls[key]

    def annotator(self, entry: ModelEntry) -> Callable[..., np.ndarray]:
        """The model that looks at pictures for hints, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._annotators:
            self._make_room(self._annotators, KEEP)
            self._annotators[key] = load_annotator(entry, dtype=self.dtype, device=self.device)
        self._annotators.move_to_end(key)
        return self._annotators[key]

    def material(self, entry: ModelEntry) -> MaterialReader:
        """The model that reads materials, loaded if need be."""
        key = (entry.id, entry.stamp or str(entry.path))
        if key not in self._materials:
            self._make_room(self._materials, KEEP)
            self._materials[key] = load_reader(entry, dtype=self.dtype, device=self.device)
        self._materials.move_to_end(key)
        return self._materials[key]

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
