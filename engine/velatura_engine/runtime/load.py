"""Model files -> torch modules, without ever asking a network for anything."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from ..families import family
from ..models.entry import ModelEntry
from ..models.header import shapes as read_shapes
from ..models.identify import TEXT_WEIGHTS, weights
from .single_file import adapt

CONFIGS = Path(__file__).parents[1] / "families" / "configs"
ALIGNED = 64
"""Bytes whose multiples torch's own memory begins at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A checkpoint's modules, on their device, ready to run; `scheduler_config` as the model was saved with."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler_config: dict[str, Any]


def load_checkpoint(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Components:
    """Load a checkpoint from its folder or single file."""
    parts = _from_folder(entry.path, dtype) if entry.format == "diffusers" else _from_file(entry, dtype)
    for module in (parts.vae, parts.unet, parts.text_encoder):
        settle(module, device)
    if not hasattr(parts.text_encoder, "text_model"):
        # For `clip_skip` diffusers looks for its last layer where older versions of transformers kept it. Set past
        # torch's register, which would take it for a module inside itself.
        object.__setattr__(parts.text_encoder, "text_model", parts.text_encoder)
    return parts


def settle(module: Any, device: torch.device) -> None:
    """Make a module ready to paint on its device, with weights that begin where torch would put them.

    Loaded as they are, weights lie wherever their file has them, and processors add numbers in another order where
    memory begins elsewhere: the same model in another file would paint other last bits.
    """
    module.eval().requires_grad_(False).to(device)
    if device.type == "cpu" and module.dtype == torch.float32:
        # Convolutions take a fifth less time where the channels of a pixel lie together; what they give lies so too.
        # Not with half formats: there wrapping the borders was measured seven times slower.
        module.to(memory_format=torch.channels_last)
    for values in (*module.parameters(), *module.buffers()):
        if values.data_ptr() % ALIGNED:
            values.data = values.data.clone()


def load_control(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> ControlNetModel:
    """Load a ControlNet from its folder."""
    control = _component(ControlNetModel, entry.path, dtype)
    settle(control, device)
    return control


def _from_folder(path: Path, dtype: torch.dtype) -> Components:
    schedule = json.loads((path / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    return Components(
        vae=_component(AutoencoderKL, path / "vae", dtype),
        unet=_component(UNet2DConditionModel, path / "unet", dtype),
        text_encoder=_text_encoder(path / "text_encoder", dtype),
        tokenizer=CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True),
        scheduler_config=schedule,
    )


def _component(kind: type, folder: Path, dtype: torch.dtype) -> Any:
    variant = "fp16" if weights(folder).name.endswith(".fp16.safetensors") else None
    return kind.from_pretrained(  # type: ignore[attr-defined]
        folder, torch_dtype=dtype, variant=variant, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
    )


def _text_encoder(folder: Path, dtype: torch.dtype) -> CLIPTextModel:
    variant = "fp16" if weights(folder, TEXT_WEIGHTS).name.endswith(".fp16.safetensors") else None
    return CLIPTextModel.from_pretrained(
        folder, dtype=dtype, variant=variant, local_files_only=True, use_safetensors=True
    )


def _from_file(entry: ModelEntry, dtype: torch.dtype) -> Components:
    with _unpacked_config(family(entry.family).config, entry) as config:
        pipeline = StableDiffusionPipeline.from_single_file(
            str(entry.path), config=str(config), torch_dtype=dtype, local_files_only=True, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        schedule = dict(pipeline.scheduler.config) | {"prediction_type": entry.prediction}
        return Components(
            vae=pipeline.vae, unet=pipeline.unet, text_encoder=pipeline.text_encoder, tokenizer=pipeline.tokenizer,
            scheduler_config=schedule,
        )  # fmt: skip


@contextmanager
def _unpacked_config(name: str, entry: ModelEntry) -> Iterator[Path]:
    """The family's bundled configs and vocabulary, adapted to the shapes of this file."""
    with tempfile.TemporaryDirectory(prefix="velatura-config-") as folder:
        target = Path(folder) / name
        shutil.copytree(CONFIGS / name, target)
        for packed in target.rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        adapt(target, read_shapes(entry.path))
        yield target
