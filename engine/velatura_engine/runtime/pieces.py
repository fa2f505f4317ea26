"""Single files of text encoders and autoencoders -> torch modules, alone or as parts of larger files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint, convert_wan_vae_to_diffusers
from safetensors import safe_open

from ..errors import Unsupported
from ..families import FILMS, PICTURES
from ..models.entry import Piece
from .denoisers import Tensors, plain

_COUNT = ".num_batches_tracked"
"""End of the name of what a norm counts while it is trained."""
_MOVED = {
    f"{side}.{name}.{kind}": f"{name}.{kind}"
    for side, name in (("encoder", "quant_conv"), ("decoder", "post_quant_conv"))
    for kind in ("weight", "bias")
}
"""Layers that Flux.2's authors have inside encoder and decoder."""


def load_piece(piece: Piece, of: Any, folder: Path, dtype: torch.dtype, *, unprojected: bool = False) -> Any:
    """A module of a class of diffusers or transformers from the file of a part, with the config in `folder`.

    `unprojected`: the vector that a text encoder makes of a prompt is heard as it is. Models that hear CLIP-L have it
    so, whatever projection its file holds.

    Raises Unsupported where the file does not hold all of it.
    """
    with safe_open(piece.path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(piece.prefix)]  # noqa: SIM118
        tensors = plain({name: file.get_tensor(name) for name in names}, dtype, piece.prefix)
    try:
        if issubclass(of, diffusers.ModelMixin):
            return _pictures(tensors, of, folder, dtype)
        config = of.config_class(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        if unprojected:
            tensors |= {"text_projection.weight": torch.eye(config.hidden_size, dtype=dtype)}
        return _texts(tensors, of, config, dtype)
    except (ValueError, RuntimeError, LookupError) as trouble:
        raise Unsupported(
            f"{piece.path.name} is not whole: {str(trouble)[:200]}", reason="BROKEN_MODEL_FILE",
            remedy="get the file again",
        ) from None  # fmt: skip


def _pictures(tensors: Tensors, of: Any, folder: Path, dtype: torch.dtype) -> Any:
    if of.__name__ != PICTURES:
        return _converted(tensors, of, of.load_config(str(folder), local_files_only=True), dtype)
    module = of.from_single_file(
        tensors, config=str(folder.parent), subfolder=folder.name, torch_dtype=dtype, local_files_only=True
    )
    hollow = next((name for name, values in module.named_parameters() if values.is_meta), "")
    if hollow:
        raise LookupError(f"{hollow} is missing")
    return module


def _converted(tensors: Tensors, of: Any, config: dict[str, Any], dtype: torch.dtype) -> Any:
    """An autoencoder of a class that diffusers does not read from single files, though it knows the names in them."""
    module = of.from_config(config)
    wanted = {name for name in module.state_dict() if not name.endswith(_COUNT)}
    if not wanted <= tensors.keys():
        if of.__name__ == FILMS:
            tensors = convert_wan_vae_to_diffusers(tensors)
        else:
            named = {_MOVED.get(name, name): value for name, value in tensors.items()}
            norms = {name: value for name, value in tensors.items() if name.startswith("bn.")}
            tensors = convert_ldm_vae_checkpoint(named, module.config) | norms
    missing = sorted(wanted - tensors.keys())
    if missing:
        raise LookupError(f"{missing[0]} is missing")
    numbers = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    module.load_state_dict(numbers, strict=False, assign=True)
    return module


def _texts(tensors: Tensors, of: Any, config: Any, dtype: torch.dtype) -> Any:
    wanted = {"encoder.embed_tokens.weight": "shared.weight", "shared.weight": "encoder.embed_tokens.weight"}
    tensors |= {name: tensors[other] for name, other in wanted.items() if name not in tensors and other in tensors}
    module, said = of.from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True, local_files_only=True
    )
    lacking = sorted(said["missing_keys"]) or [str(odd) for odd in said["mismatched_keys"]]
    if lacking:
        raise LookupError(f"{lacking[0]} is missing")
    return module
