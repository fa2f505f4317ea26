"""What an installed model is, told by its content: a diffusers folder, or one safetensors file of any key layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from ..families import Family, detect
from ..families._unet import attention_widths, cross_attention, in_channels
from . import controls
from .entry import ModelEntry
from .header import shapes as read_shapes
from .reference import for_faces, is_reader, read_adapter, read_encoder

WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
TEXT_WEIGHTS = ("model.safetensors", "model.fp16.safetensors")
_PARTS = {
    "denoiser": "model.diffusion_model.input_blocks.0.0.weight",
    "autoencoder": "first_stage_model.post_quant_conv.weight",
    "text encoder": "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
}
"""What a single file must hold, each with a tensor that tells."""


def identify(path: Path, id: str) -> ModelEntry:
    """The entry for a file or folder. Raises Unsupported where it is nothing that can be used, and says why."""
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return _checkpoint_folder(path, id)
        if (path / "config.json").is_file():
            if _config(path).get("model_type") == "clip_vision_model":
                return _encoder_folder(path, id)
            return _control_folder(path, id)
        raise Unsupported(f"{path.name} holds neither model_index.json nor config.json")
    return _single_file(path, id)


def _checkpoint_folder(path: Path, id: str) -> ModelEntry:
    vae, unet = _config(path / "vae"), _config(path / "unet")
    text, schedule = _config(path / "text_encoder"), _config(path / "scheduler", "scheduler_config.json")
    shapes = read_shapes(weights(path / "unet"))
    for part, names in (("vae", WEIGHTS), ("text_encoder", TEXT_WEIGHTS)):
        weights(path / part, names)
    family = _family(shapes, path)
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    prediction = schedule.get("prediction_type", "epsilon")
    entry = ModelEntry(
        id=id, title=_title(path), kind="checkpoint", family=family.id, path=path, format="diffusers",
        size=_size(path), tasks=tuple(family.pipelines), in_channels=unet["in_channels"],
        latent_factor=factor, size_multiple=factor * 2 ** (len(unet["block_out_channels"]) - 1),
        native_size=int(unet.get("sample_size") or 64) * factor, prediction=prediction,
        cross_attention_dim=cross_attention(shapes) or text.get("hidden_size", 0),
        text_layers=text.get("num_hidden_layers", 12), widths=attention_widths(shapes), license=_license(path),
        rows=tuple(int(width) for width in unet["block_out_channels"]),
    )  # fmt: skip
    # Models trained to pure noise fry at the usual guidance.
    return replace(entry, guidance=5.0) if schedule.get("rescale_betas_zero_snr") else entry


def _control_folder(path: Path, id: str) -> ModelEntry:
    config = _config(path)
    shapes = read_shapes(weights(path, (*WEIGHTS, *TEXT_WEIGHTS)))
    entry = ModelEntry(
        id=id, title=_title(path), kind="controlnet", family="sd1", path=path, format="diffusers", size=_size(path),
        license=_license(path),
    )  # fmt: skip
    return replace(entry, **controls.folder_facts(config, shapes, path))


def _encoder_folder(path: Path, id: str) -> ModelEntry:
    """A CLIP vision tower as transformers saves it: the eyes of IP-Adapters."""
    projected, hidden = read_encoder(_config(path), read_shapes(weights(path, TEXT_WEIGHTS)), path.name)
    return ModelEntry(
        id=id, title=_title(path), kind="image_encoder", family="", path=path, format="diffusers", size=_size(path),
        description=f"Encodes pictures for IP-Adapters, {projected} wide, or {hidden} by places.",
        sees=(projected, hidden), license=_license(path),
    )  # fmt: skip


def _adapter_file(path: Path, id: str, shapes: Mapping[str, tuple[int, ...]]) -> ModelEntry:
    """An IP-Adapter's file."""
    found = read_adapter(shapes, path.name)
    faces = ", for faces" if for_faces(path.stem, found.variant) else ""
    return ModelEntry(
        id=id, title=_title(path), kind="ip_adapter", family="sdxl" if found.cross_attention_dim == 2048 else "sd1",
        path=path, format="single", size=path.stat().st_size, cross_attention_dim=found.cross_attention_dim,
        description=f"Takes after pictures ({found.variant} IP-Adapter{faces}).",
        widths=found.widths, variant=found.variant, sees=found.sees,
    )  # fmt: skip


def _single_file(path: Path, id: str) -> ModelEntry:
    shapes = read_shapes(path)
    if is_reader(shapes):
        return _adapter_file(path, id, shapes)
    if "vision_model.embeddings.patch_embedding.weight" in shapes:
        raise Unsupported(
            f"{path.name} is a picture encoder's weights alone", reason="NOT_A_WHOLE_MODEL",
            remedy="put the encoder's whole folder there: its config.json with model.safetensors",
        )  # fmt: skip
    if controls.is_control_file(shapes):
        return ModelEntry(
            id=id, title=_title(path), family="sd1", path=path, format="single", size=path.stat().st_size,
            **controls.file_facts(shapes, path),
        )  # fmt: skip
    family = _family(shapes, path)
    _check_whole(shapes, path)
    factor = 2 ** (_vae_levels(shapes) - 1)
    return ModelEntry(
        id=id, title=_title(path), kind="checkpoint", family=family.id, path=path, format="single",
        size=path.stat().st_size, tasks=tuple(family.pipelines), in_channels=in_channels(shapes), latent_factor=factor,
        size_multiple=factor * 2 ** (_levels(shapes) - 1), cross_attention_dim=cross_attention(shapes),
        text_layers=_text_layers(shapes), widths=attention_widths(shapes),
        rows=_rows(shapes),
    )  # fmt: skip


def _check_whole(shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raises Unsupported for a file that holds less than a checkpoint, or a text encoder that cannot be read."""
    if any(name.startswith("cond_stage_model.model.") for name in shapes):
        raise Unsupported(
            f"{path.name} is a single file of Stable Diffusion 2, which is read from folders only",
            reason="UNSUPPORTED_LAYOUT", remedy="get the same model as a folder of diffusers, with model_index.json",
        )  # fmt: skip
    missing = [what for what, mark in _PARTS.items() if mark not in shapes]
    if missing:
        why = "is a denoiser alone" if "denoiser" in missing else f"lacks its {' and its '.join(missing)}"
        raise Unsupported(
            f"{path.name} {why}", reason="NOT_A_WHOLE_MODEL",
            remedy="get the whole checkpoint, or the model as a folder of diffusers",
        )  # fmt: skip


def _family(shapes: Mapping[str, tuple[int, ...]], path: Path) -> Family:
    found = detect(shapes)
    if found is None:
        raise Unsupported(
            f"{path.name} is of an architecture this engine does not know", reason="UNKNOWN_ARCHITECTURE",
            remedy="use a Stable Diffusion 1 or 2 model",
        )  # fmt: skip
    return found


def _levels(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Resolutions of a UNet in the original layout: one more than its downsamplers."""
    mark = "model.diffusion_model.input_blocks."
    return 1 + sum(name.startswith(mark) and name.endswith(".op.weight") for name in shapes)


def _vae_levels(shapes: Mapping[str, tuple[int, ...]]) -> int:
    mark = "first_stage_model.encoder.down."
    return 1 + sum(name.startswith(mark) and name.endswith(".downsample.conv.weight") for name in shapes)


def _text_layers(shapes: Mapping[str, tuple[int, ...]]) -> int:
    mark = "cond_stage_model.transformer.text_model.encoder.layers."
    return sum(name.startswith(mark) and name.endswith(".layer_norm1.weight") for name in shapes) or 12


def _rows(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Channels of the rows of a UNet in the original layout: rows of two layers and a downsampler."""
    marks = (
        f"model.diffusion_model.input_blocks.{1 + 3 * row}.0.out_layers.3.weight" for row in range(_levels(shapes))
    )
    return tuple(shapes[mark][0] for mark in marks if mark in shapes)


def weights(folder: Path, names: Sequence[str] = WEIGHTS) -> Path:
    """The weights' file of a diffusers component. Raises Unsupported where there is none in safetensors."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise Unsupported(
        f"{folder.parent.name}/{folder.name} has no safetensors weights", remedy="get the model's safetensors version"
    )


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    try:
        config = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Unsupported(f"{folder.name}/{name} is missing or broken", remedy="get the model again") from None
    if not isinstance(config, dict):
        raise Unsupported(f"{folder.name}/{name} is not an object", remedy="get the model again")
    return config


def _title(path: Path) -> str:
    return (path.name if path.is_dir() else path.stem).replace("_", " ").replace("-", " ").strip().capitalize()


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*.safetensors"))


def _license(path: Path) -> str:
    card = path / "README.md"
    if not card.is_file():
        return ""
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:40]
    return next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("license:")), "")
