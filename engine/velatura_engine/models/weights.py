"""The weights of one component: a file, or several that an index lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import Unsupported
from .header import MAX_HEADER, Shapes
from .header import shapes as read_shapes

_STEMS = ("diffusion_pytorch_model", "model")
"""Names that diffusers and transformers give them."""
_VARIANTS = ("", "fp16")


@dataclass(frozen=True, slots=True)
class Weights:
    """Files of a component; `variant` is "fp16" where their names say so, else empty."""

    files: tuple[Path, ...]
    variant: str

    def shapes(self) -> Shapes:
        """Tensor shapes by name over all files. Raises Unsupported where one is not sound."""
        found: Shapes = {}
        for file in self.files:
            found |= read_shapes(file)
        return found


def weights(folder: Path) -> Weights:
    """The weights in a component's folder. Raises Unsupported where there are none in safetensors, or some are gone."""
    for stem in _STEMS:
        for variant in _VARIANTS:
            dot = f".{variant}" if variant else ""
            if (folder / f"{stem}{dot}.safetensors").is_file():
                return Weights((folder / f"{stem}{dot}.safetensors",), variant)
            if (folder / f"{stem}.safetensors.index{dot}.json").is_file():
                return Weights(_listed(folder, f"{stem}.safetensors.index{dot}.json"), variant)
    raise Unsupported(
        f"{folder.parent.name}/{folder.name} has no safetensors weights", remedy="get the model's safetensors version"
    )


def _listed(folder: Path, name: str) -> tuple[Path, ...]:
    """The files that an index names: of this folder only, and all of them there."""
    index = folder / name
    broken = Unsupported(f"{folder.parent.name}/{folder.name}/{name} is broken", remedy="get the model again")
    if index.stat().st_size > MAX_HEADER:
        raise broken
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise broken from None
    for part in names:
        if not isinstance(part, str) or Path(part).name != part or not part.endswith(".safetensors"):
            raise broken
        if not (folder / part).is_file():
            raise Unsupported(f"{folder.parent.name}/{folder.name} lacks {part}", remedy="get the model again")
    return tuple(folder / part for part in names)
