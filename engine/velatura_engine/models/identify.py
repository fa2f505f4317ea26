"""What an installed model is, told by its content: a diffusers folder, or one safetensors file of any key layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from ..families import PICTURES, Family, detect, families
from ..families._unet import attention_widths, cross_attention
from . import autoencoders, control_lora, controls, flows, generic, materials, single_file, texts
from .adapters import identify_adapter
from .annotators import annotator_file
from .entry import Format, ModelEntry
from .flow_reference import is_flow_reader, read_flow_adapter
from .header import shapes as read_shapes
from .original import layout_of, prediction
from .reference import for_faces, is_reader, read_adapter, read_encoder
from .sd3_reference import EYES, is_joint_reader, is_siglip, read_joint_adapter, read_siglip
from .weights import weights

Shapes = Mapping[str, tuple[int, ...]]
Configs = Mapping[str, Mapping[str, Any]]


def identify(path: Path, id: str) -> ModelEntry:
    """The entry for a file or folder. Raises Unsupported where it is nothing that can be used, and says why."""
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return _checkpoint_folder(path, id)
        if (path / generic.MODULAR).is_file():
            index = _config(path, generic.MODULAR)
            return generic.entry(path, id, index, title=_title(path), size=_size(path), license=_license(path))
        if (path / "config.json").is_file():
            config = _config(path)
            if config.get("model_type") == "clip_vision_model" or is_siglip(config):
                return _encoder_folder(path, id, config)
            return _component_folder(path, id)
        raise Unsupported(f"{path.name} holds neither model_index.json nor config.json")
    return _single_file(path, id)


def _checkpoint_folder(path: Path, id: str) -> ModelEntry:
    index = _config(path, "model_index.json")
    pipeline = index.get("_class_name")
    if isinstance(pipeline, str) and pipeline in materials.PIPELINES:
        return ModelEntry(
            id=id, title=_title(path), path=path, format="diffusers", size=_size(path), license=_license(path),
            **materials.marigold_facts(path, index),
        )  # fmt: skip
    names = dict.fromkeys(part.build().denoiser for part in families().parts())
    denoiser = next((name for name in names if (path / name).is_dir()), "unet")
    strange = pipeline is not None and not generic.familiar(pipeline)
    if strange and not _stands_in(path / denoiser):
        return generic.entry(path, id, index, title=_title(path), size=_size(path), license=_license(path))
    shapes = weights(path / denoiser).shapes()
    family = _family(shapes, path)
    parts = [part for part in family.weights if part not in family.optional or (path / part).is_dir()]
    for part in parts:
        weights(path / part)
    configs = {part: _config(path / part) for part in parts}
    configs["scheduler"] = _config(path / "scheduler", "scheduler_config.json")
    if family.flow is not None:
        return _flow_model(path, id, family, configs, index, flows.volume(shapes))
    return _checkpoint(
        path, id, family, shapes, configs, format="diffusers", size=_size(path), license=_license(path),
        prediction=configs["scheduler"].get("prediction_type", "epsilon"),
        pure_noise=bool(configs["scheduler"].get("rescale_betas_zero_snr")),
        native_size=int(configs[denoiser].get("sample_size") or 0) * _factor(configs["vae"]),
    )  # fmt: skip


def _stands_in(denoiser: Path) -> bool:
    """Whether a pipeline of another name has a denoiser that a family leads by its tensors alone, as UNets are led."""
    try:
        found = detect(weights(denoiser).shapes())
    except Unsupported:
        return False
    return found is not None and found.flow is None


def _flow_model(
    path: Path, id: str, family: Family, configs: Configs, index: Mapping[str, Any], volume: int
) -> ModelEntry:
    """The entry of a model whose denoiser flows."""
    return ModelEntry(
        id=id, title=_title(path), kind="checkpoint", family=family.id, path=path, tasks=tuple(family.pipelines),
        format="diffusers", size=_size(path), license=_license(path), volume=volume,
        control_kind=controls.control_kind(path.name) if family.hint_channel else "",
        **flows.facts(family, configs, index),
    )  # fmt: skip


def _encoder_folder(path: Path, id: str, config: Mapping[str, Any]) -> ModelEntry:
    """A vision tower of CLIP or SigLIP as transformers saves it: the eyes of IP-Adapters."""
    shapes = weights(path).shapes()
    if is_siglip(config):
        hidden = read_siglip(config, shapes, path.name)
        return ModelEntry(
            id=id, title=_title(path), kind="image_encoder", family="", path=path, format="diffusers", size=_size(path),
            description=f"Encodes pictures for IP-Adapters of Stable Diffusion 3.5, {hidden} wide by places.",
            sees=(0, hidden), license=_license(path), variant=EYES,
        )  # fmt: skip
    projected, hidden = read_encoder(config, shapes, path.name)
    return ModelEntry(
        id=id, title=_title(path), kind="image_encoder", family="", path=path, format="diffusers", size=_size(path),
        description=f"Encodes pictures for IP-Adapters, {projected} wide, or {hidden} by places.",
        sees=(projected, hidden), license=_license(path),
    )  # fmt: skip


def _adapter_file(path: Path, id: str, shapes: Mapping[str, tuple[int, ...]]) -> ModelEntry:
    """An IP-Adapter's file."""
    if is_joint_reader(shapes):
        joint = read_joint_adapter(shapes, path.name)
        return ModelEntry(
            id=id, title=_title(path), kind="ip_adapter", family="sd3", path=path, format="single",
            size=path.stat().st_size, cross_attention_dim=joint.width, widths=(0,) * joint.attentions, variant=EYES,
            description=f"Takes after pictures (Stable Diffusion 3.5, {joint.tokens} tokens).", sees=(0, joint.sees),
        )  # fmt: skip
    if is_flow_reader(shapes):
        told = read_flow_adapter(shapes, path.name)
        return ModelEntry(
            id=id, title=_title(path), kind="ip_adapter", family="flux", path=path, format="single",
            size=path.stat().st_size, cross_attention_dim=told.width, widths=(told.text,) * told.blocks,
            description=f"Takes after pictures (Flux.1, {told.tokens} tokens).", variant="plain", sees=(told.sees, 0),
        )  # fmt: skip
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
    if texts.text_kind(shapes):
        return ModelEntry(
            id=id, title=_title(path), path=path, format="single", size=path.stat().st_size,
            **texts.text_facts(shapes, path.name),
        )  # fmt: skip
    if "vision_model.embeddings.patch_embedding.weight" in shapes:
        raise Unsupported(
            f"{path.name} is a picture encoder's weights alone", reason="NOT_A_WHOLE_MODEL",
            remedy="put the encoder's whole folder there: its config.json with model.safetensors",
        )  # fmt: skip
    annotator = annotator_file(shapes)
    if annotator is not None:
        return ModelEntry(
            id=id, title=_title(path), path=path, format="single", size=path.stat().st_size, **annotator
        )  # fmt: skip
    if materials.is_network(shapes):
        return ModelEntry(
            id=id, title=_title(path), path=path, format="single", size=path.stat().st_size, **materials.network_facts()
        )
    if control_lora.is_control_lora(shapes):
        return ModelEntry(
            id=id, title=_title(path), kind="checkpoint", family=control_lora.FAMILY, path=path, format="single",
            size=path.stat().st_size, prediction="flow_prediction", control_kind=controls.control_kind(path.stem),
            variant=control_lora.VARIANT,
        )  # fmt: skip
    adapter = identify_adapter(path, id, shapes)
    if adapter is not None:
        return adapter
    if controls.is_control_file(shapes):
        return ModelEntry(
            id=id, title=_title(path), path=path, format="single", size=path.stat().st_size,
            **controls.file_facts(shapes, path),
        )  # fmt: skip
    try:
        if autoencoders.class_of(shapes):
            return _vae(path, id, autoencoders.config_of(shapes), format="single", latent_scale=0.0)
        family = _family(shapes, path)
        if family.flow is not None:
            return ModelEntry(
                id=id, title=_title(path), kind="checkpoint", family=family.id, path=path, format="single",
                size=path.stat().st_size, volume=flows.volume(shapes), prediction="flow_prediction",
                control_kind=controls.control_kind(path.stem) if family.hint_channel else "",
            )  # fmt: skip
        layout = layout_of(family, shapes, path)
        configs = single_file.configs(layout, shapes)
    except (LookupError, StopIteration) as gap:
        raise Unsupported(
            f"{path.name} lacks tensors that such a model has, such as {gap}", reason="NOT_A_WHOLE_MODEL",
            remedy="get the file again, or the model as a folder of diffusers",
        ) from None  # fmt: skip
    return _checkpoint(
        path, id, family, shapes, configs, format="single", size=path.stat().st_size, license="",
        prediction=prediction(path, shapes, layout), pure_noise="ztsnr" in shapes, native_size=0,
    )  # fmt: skip


def _checkpoint(
    path: Path, id: str, family: Family, shapes: Shapes, configs: Configs, *, native_size: int, pure_noise: bool,
    **known: Any,
) -> ModelEntry:  # fmt: skip
    """A whole model's entry, from the configs of its components; `native_size` 0 is the family's."""
    vae, denoiser = configs["vae"], configs[family.denoiser]
    texts = [configs[reader.encoder] for reader in family.readers]
    layers = [
        text.get("num_hidden_layers", 12) - reader.layer for text, reader in zip(texts, family.readers, strict=True)
    ]  # fmt: skip
    factor = _factor(vae)
    return ModelEntry(
        id=id, title=_title(path), kind="checkpoint", family=family.id, path=path, tasks=tuple(family.pipelines),
        in_channels=denoiser["in_channels"], latent_factor=factor, latent_channels=vae.get("latent_channels", 4),
        latent_scale=float(vae.get("scaling_factor", 0)), size_multiple=factor * family.stride(denoiser),
        native_size=native_size or family.native_size, sampler=family.sampler, schedule=family.schedule,
        # Models trained to pure noise fry at the usual guidance.
        steps=family.steps, guidance=min(5.0, family.guidance) if pure_noise else family.guidance,
        image_guidance=family.image_guidance, pure_noise=pure_noise,
        cross_attention_dim=cross_attention(shapes) or sum(text.get("hidden_size", 0) for text in texts),
        text_layers=min(layers, default=0), widths=attention_widths(shapes),
        text_widths=tuple(text.get("hidden_size", 0) for text in texts),
        rows=tuple(int(width) for width in denoiser["block_out_channels"]), **known,
    )  # fmt: skip


def _component_folder(path: Path, id: str) -> ModelEntry:
    """A ControlNet, T2I-Adapter, annotator or VAE on its own."""
    config = _config(path)
    if config.get("_class_name") in autoencoders.CLASSES:
        weights(path)
        scale = 0.18215 if config["_class_name"] == PICTURES else 0.0
        return _vae(path, id, config, format="diffusers", latent_scale=float(config.get("scaling_factor", scale)))
    return ModelEntry(
        id=id, title=_title(path), path=path, format="diffusers", size=_size(path), license=_license(path),
        **controls.folder_facts(config, path),
    )  # fmt: skip


def _vae(path: Path, id: str, config: Mapping[str, Any], *, format: Format, latent_scale: float) -> ModelEntry:
    """A VAE that comes alone. Which of several families it belongs to its shapes do not tell."""
    size = _size(path) if path.is_dir() else path.stat().st_size
    factor, channels = autoencoders.latents_of(config)
    of = config.get("_class_name", PICTURES)
    return ModelEntry(
        id=id, title=_title(path), kind="vae", family="", path=path, format=format, size=size,
        latent_factor=factor, latent_channels=channels, latent_scale=latent_scale,
        license=_license(path), variant="" if of == PICTURES else of,
    )  # fmt: skip


def _family(shapes: Shapes, path: Path) -> Family:
    found = detect(shapes)
    if found is None:
        able = ", ".join(part.title for part in families().parts())
        raise Unsupported(
            f"{path.name} is of an architecture this engine does not know", reason="UNKNOWN_ARCHITECTURE",
            remedy=f"use one of: {able}",
        )  # fmt: skip
    return found


def _factor(vae: Mapping[str, Any]) -> int:
    """Pixels a latent along each side."""
    return 2 ** (len(vae["block_out_channels"]) - 1)


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
