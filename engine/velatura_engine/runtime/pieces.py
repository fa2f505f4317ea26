"""Single files of text encoders and autoencoders -> torch modules, alone or as parts of larger files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import safe_open

from ..errors import Unsupported
from ..models.entry import Piece
from .denoisers import Tensors, plain


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
    module = of.from_single_file(
        tensors, config=str(folder.parent), subfolder=folder.name, torch_dtype=dtype, local_files_only=True
    )
    hollow = next((name for name, values in module.named_parameters() if values.is_meta), "")
    if hollow:
        raise LookupError(f"{hollow} is missing")
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
