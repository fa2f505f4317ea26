"""Single files of transformers' denoisers -> torch modules: in diffusers' names or their authors', in eight bits too.

Eight bits are for keeping only: nothing is reckoned in them. Where a file scales them its numbers are brought back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ..errors import Unsupported
from ..families import Family
from ..families._transformer import FILE
from ..models.entry import ModelEntry
from ..models.flows import MARKS, SCALES
from ..models.originals import to_diffusers
from ..models.weights import weights

Tensors = dict[str, torch.Tensor]


def load_denoiser(entry: ModelEntry, kind: Family, of: Any, dtype: torch.dtype, base: Path | None = None) -> Any:
    """The denoiser of a file, of diffusers' class `of`, with the config of the folder that it is used with, or of
    `base`, which holds configs alone.

    Raises Unsupported where the file does not hold all of it.
    """
    folder = base or entry.base
    assert folder is not None and kind.flow is not None
    wanted = _of_config(of, folder / kind.denoiser) if base else weights(folder / kind.denoiser).shapes()
    state = plain(load_file(entry.path), dtype, FILE)
    try:
        rows = {name: shape[0] for name, shape in wanted.items() if shape}
        named = to_diffusers(state, kind.flow.originals, rows)
        # Where our table does not know all layers, diffusers converts the names.
        denoiser = of.from_single_file(
            named if named.keys() == wanted.keys() else state, config=str(folder), subfolder=kind.denoiser,
            torch_dtype=dtype, local_files_only=True,
        )  # fmt: skip
        hollow = next((name for name, values in denoiser.named_parameters() if values.is_meta), "")
        if hollow:
            raise ValueError(f"{hollow} is missing")
    except (ValueError, RuntimeError, LookupError) as trouble:
        raise Unsupported(
            f"{entry.title} does not fit the folder that it is used with: {str(trouble)[:200]}",
            reason="BROKEN_MODEL_FILE", remedy="get the file again, or the model as a folder of diffusers",
        ) from None  # fmt: skip
    return denoiser


def _of_config(of: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that a module of that config has."""
    with torch.device("meta"):
        made = of.from_config(of.load_config(str(folder), local_files_only=True))
    return {name: tuple(values.shape) for name, values in made.state_dict().items()}


def plain(tensors: Tensors, dtype: torch.dtype, prefix: str) -> Tensors:
    """The tensors under a prefix, all where none has it, by their own names and none in eight bits."""
    inside = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    inside = inside or tensors
    scales = {
        name.removesuffix(end): value for name, value in inside.items() for end in SCALES if name.endswith(end)
    }  # fmt: skip
    found: Tensors = {}
    for name, value in inside.items():
        if name.endswith(MARKS):
            continue
        if value.itemsize == 1:
            scale = scales.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
            value = (value.float() * _over(scale, value)).to(dtype) if scale is not None else value.to(dtype)
        found[name] = value
    return found


def _over(scale: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A scale for all, or one for each row."""
    return scale.float().reshape(-1, *[1] * (value.ndim - 1)) if scale.numel() > 1 else scale.float().reshape(())
