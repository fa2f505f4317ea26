"""Model files -> torch modules, without ever asking a network for anything."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, ControlNetModel

from ..errors import Unsupported
from ..families import PICTURES, Family, family
from ..models import assembly, autoencoders, language_models, single_file
from ..models.entry import ModelEntry, Piece
from ..models.header import shapes as read_shapes
from ..models.original import layout_of
from ..models.single_file import CONFIGS
from ..models.vocabulary import vocabulary
from ..models.weights import weights
from .control_lora import changed
from .denoisers import load_denoiser
from .pieces import load_piece

ALIGNED = 64
"""Bytes whose multiples torch's own memory begins at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A checkpoint's modules and tokenizers by the names that its family and pipelines have for them, on their device,
    ready to run; `scheduler_config` and the pipelines' `settings` as the model was saved with.

    A component is had as an attribute too.
    """

    parts: Mapping[str, Any]
    scheduler_config: dict[str, Any]
    settings: Mapping[str, bool] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """The component of that name."""
        if name in (parts := object.__getattribute__(self, "parts")):
            return parts[name]
        raise AttributeError(name)

    def having(self, **parts: Any) -> Components:
        """The same with other components in the place of some."""
        return replace(self, parts={**self.parts, **parts})


def load_checkpoint(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Components:
    """Load a checkpoint from its folder or single file. Raises Unsupported where its parts do not fit each other."""
    kind = family(entry.family)
    read = _from_folder if entry.format == "diffusers" else _over_base if entry.base else _from_file
    read = _assembled if entry.pieces else read
    if entry.over is not None:
        return changed(load_checkpoint(entry.over, dtype=dtype, device=device), entry, kind)
    loaded = read(entry, kind, dtype)
    for name in kind.weights:
        if loaded.parts[name] is not None:
            settle(loaded.parts[name], device)
    for reader in kind.readers:
        encoder = loaded.parts[reader.encoder]
        if not hasattr(encoder, "text_model"):
            # For `clip_skip` diffusers looks for its last layer where older versions of transformers kept it. Set past
            # torch's register, which would take it for a module inside itself.
            object.__setattr__(encoder, "text_model", encoder)
    if kind.readers and len({len(loaded.parts[reader.tokenizer]) for reader in kind.readers}) > 1:
        raise Unsupported(f"{entry.title} has text encoders of different vocabularies", remedy="get the model again")
    return loaded


def load_vae(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Any:
    """Load a VAE that comes alone, from its folder or single file."""
    if entry.format == "diffusers":
        vae = _module(entry.variant or PICTURES, entry.path, dtype)
    else:
        with tempfile.TemporaryDirectory(prefix="velatura-config-") as folder:
            config = autoencoders.config_of(read_shapes(entry.path))
            _write(Path(folder) / "vae" / "config.json", config)
            if entry.variant:
                vae = load_piece(Piece(entry.path), _class(entry.variant), Path(folder) / "vae", dtype)
                settle(vae, device)
                return vae
            vae = AutoencoderKL.from_single_file(
                str(entry.path), config=folder, subfolder="vae", torch_dtype=dtype, local_files_only=True
            )
    settle(vae, device)
    return vae


def load_control(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> ControlNetModel:
    """Load a ControlNet from its folder, of one kind or a union."""
    control = _module("ControlNetUnionModel" if entry.reads else "ControlNetModel", entry.path, dtype)
    settle(control, device)
    return control


def load_generic(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Any:
    """Load a folder of any pipeline of diffusers, with weights in safetensors alone and no code that comes with it."""
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if entry.modular:
        pipeline = diffusers.ModularPipeline.from_pretrained(str(entry.path), **local)
        # The list may name places on the network: all parts come from the folder itself.
        pipeline.load_components(
            pretrained_model_name_or_path=str(entry.path), dtype=dtype, use_safetensors=True, **local
        )  # fmt: skip
    else:
        pipeline = getattr(diffusers, entry.pipeline).from_pretrained(
            entry.path, torch_dtype=dtype, use_safetensors=True, **local
        )
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            settle(module, device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_part(of: str, folder: Path, dtype: torch.dtype) -> Any:
    """A module, or a tokenizer, of that class of diffusers or transformers from its own folder; not yet settled."""
    return _tokenizer(of, folder) if of.endswith("Tokenizer") else _module(of, folder, dtype)


def settle(module: Any, device: torch.device) -> None:
    """Make a module ready to paint on its device, with weights that begin where torch would put them.

    Loaded as they are, weights lie wherever their file has them, and processors add numbers in another order where
    memory begins elsewhere: the same model in another file would paint other last bits.
    """
    module.eval().requires_grad_(False).to(device)
    deep = any(values.ndim > 4 for values in module.parameters())
    if device.type == "cpu" and module.dtype == torch.float32 and not deep:
        # Convolutions take a fifth less time where the channels of a pixel lie together; what they give lies so too.
        # Not with half formats: there wrapping the borders was measured seven times slower.
        module.to(memory_format=torch.channels_last)
    for values in (*module.parameters(), *module.buffers()):
        if values.data_ptr() % ALIGNED:
            values.data = values.data.clone()


def _over_base(entry: ModelEntry, kind: Family, dtype: torch.dtype) -> Components:
    """A file of a denoiser with the other parts of a folder."""
    assert entry.base is not None
    denoiser = load_denoiser(entry, kind, _class(kind.components[kind.denoiser]), dtype)
    return _from_folder(replace(entry, path=entry.base), kind, dtype, {kind.denoiser: denoiser})


def _from_folder(
    entry: ModelEntry, kind: Family, dtype: torch.dtype, made: Mapping[str, Any] = MappingProxyType({})
) -> Components:
    """The parts of a folder, but for those that are there already."""
    path = entry.path
    schedule = json.loads((path / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    if kind.flow is not None:
        schedule["prediction_type"] = entry.prediction
    wide = kind.wide_vae and dtype == torch.float16
    own = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
    return Components(
        parts={
            name: made[name]
            if name in made
            else None
            if name in kind.optional and not (path / name).is_dir()
            else _module(of, path / name, torch.float32 if wide and name == "vae" else dtype)
            if name in kind.weights
            else _tokenizer(of, path / name)
            for name, of in kind.components.items()
        },
        scheduler_config=schedule,
        settings={
            name: own[name] if isinstance(own.get(name), bool) else usual for name, usual in kind.settings.items()
        },
    )


def _class(name: str) -> Any:
    return getattr(diffusers if hasattr(diffusers, name) else transformers, name)


def _module(name: str, folder: Path, dtype: torch.dtype) -> Any:
    """A module of that class from its own folder."""
    of, variant = _class(name), weights(folder).variant or None
    common = {"variant": variant, "local_files_only": True, "use_safetensors": True}
    if issubclass(of, diffusers.ModelMixin):
        return of.from_pretrained(folder, torch_dtype=dtype, low_cpu_mem_usage=False, **common)
    return of.from_pretrained(folder, dtype=dtype, **common)


def _tokenizer(name: str, folder: Path) -> Any:
    return _class(name).from_pretrained(folder, local_files_only=True)


def _from_file(entry: ModelEntry, kind: Family, dtype: torch.dtype) -> Components:
    with _unpacked_configs(entry, kind) as config:
        index = json.loads((config / "model_index.json").read_text(encoding="utf-8"))
        of = getattr(diffusers, index["_class_name"])
        without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = of.from_single_file(
            str(entry.path), config=str(config), torch_dtype=dtype, local_files_only=True,
            **{name: value for name, value in without.items() if name in signature(of.__init__).parameters},
        )  # fmt: skip
        schedule = dict(pipeline.scheduler.config) | {"prediction_type": entry.prediction}
        if entry.pure_noise:
            schedule["rescale_betas_zero_snr"] = True
        parts = {name: getattr(pipeline, name) for name in kind.components}
        return Components(parts=parts, scheduler_config=schedule, settings=kind.settings)


@contextmanager
def _unpacked_configs(entry: ModelEntry, kind: Family) -> Iterator[Path]:
    """The bundled configs and vocabulary, adapted to the shapes of this file, as a folder of diffusers."""
    shapes = read_shapes(entry.path)
    layout = layout_of(kind, shapes, entry.path)
    with tempfile.TemporaryDirectory(prefix="velatura-config-") as folder:
        target = Path(folder)
        shutil.copy(CONFIGS / layout.config / "model_index.json", target)
        for part, config in single_file.configs(layout, shapes).items():
            _write(target / part / ("scheduler_config.json" if part == "scheduler" else "config.json"), config)
        for part in kind.components.keys() - kind.weights.keys():
            unpack_words(layout.config, part, target / part)
        yield target


def _assembled(entry: ModelEntry, kind: Family, dtype: torch.dtype) -> Components:
    """A file of a denoiser with single files of the other parts, and the bundled vocabularies."""
    assert kind.flow is not None and kind.flow.loose is not None
    known, made = assembly.configs(entry), dict[str, Any]()
    with tempfile.TemporaryDirectory(prefix="velatura-config-") as folder:
        target = Path(folder)
        for part, config in known.items():
            _write(target / part / "config.json", config)
        made[kind.denoiser] = load_denoiser(entry, kind, _class(kind.components[kind.denoiser]), dtype, target)
        for name, piece in entry.pieces:
            role = kind.flow.loose.texts.get(name)
            of = language_models.HEARD.get(role or "", kind.components[name])
            alone = role == "clip_l" and of.endswith("WithProjection")
            made[name] = load_piece(piece, _class(of), target / name, dtype, unprojected=alone)
        for name, role in kind.flow.loose.texts.items():
            words = name.replace("text_encoder", "tokenizer")
            layout = {"clip_l": "sd1", "clip_g": "sdxl", "t5": single_file.T5}.get(role, single_file.QWEN)
            unpack_words(layout, "tokenizer_2" if role == "clip_g" else "tokenizer", target / words)
            made[words] = _tokenizer(kind.components[words], target / words) if name in made else None
            made.setdefault(name, None)
    schedule = known["scheduler"] | {"prediction_type": entry.prediction}
    return Components(parts=made, scheduler_config=schedule, settings=kind.settings)


def unpack_words(layout: str, part: str, target: Path) -> None:
    """Write the bundled vocabulary of a layout's tokenizer into a folder."""
    target.mkdir(exist_ok=True)
    files = {single_file.T5: single_file.T5_WORDS, single_file.QWEN: single_file.QWEN_WORDS}
    for name in files.get(layout, single_file.WORDS):
        found = single_file.bundled_file(layout, part, name)
        content = found.read_bytes()
        (target / name.removesuffix(".gz")).write_bytes(gzip.decompress(content) if found.suffix == ".gz" else content)
    if layout == single_file.QWEN:
        merges = (target / "merges.txt").read_text(encoding="utf-8")
        (target / "vocab.json").write_text(json.dumps(vocabulary(merges), ensure_ascii=False), encoding="utf-8")


def _write(path: Path, config: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
