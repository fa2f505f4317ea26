"""What a single file tells of itself: which parts it holds, in which names, and what it was trained to predict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import Unsupported
from ..families import Family, Layout
from .header import numbers, said

Shapes = Mapping[str, tuple[int, ...]]

MAX_SIDECAR = 2**20
_TITLES = {
    "unet": "denoiser", "transformer": "denoiser", "vae": "autoencoder", "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder", "text_encoder_3": "third text encoder",
}  # fmt: skip
_LOUD = 0.09
"""Spread of one layer's offsets above which a model of the second generation predicts velocity, as ComfyUI tells it."""


def layout_of(family: Family, shapes: Shapes, path: Path) -> Layout:
    """How a file names its parts. Raises Unsupported for one that holds less than a whole checkpoint."""
    if not family.layouts:
        raise Unsupported(
            f"{path.name} is a single file of {family.title}, which is read from folders only",
            reason="UNSUPPORTED_LAYOUT", remedy="get the same model as a folder of diffusers, with model_index.json",
        )  # fmt: skip
    lacks = [_lacks(layout, shapes) for layout in family.layouts]
    missing = min(lacks, key=len)
    if missing:
        titles = [_TITLES.get(part, part) for part in missing]
        why = "is a denoiser alone" if family.denoiser in missing else f"lacks its {' and its '.join(titles)}"
        raise Unsupported(
            f"{path.name} {why}", reason="NOT_A_WHOLE_MODEL",
            remedy="get the whole checkpoint, or the model as a folder of diffusers",
        )  # fmt: skip
    return family.layouts[lacks.index(missing)]


def _lacks(layout: Layout, shapes: Shapes) -> list[str]:
    return [
        part for part, mark in layout.prefixes.items() if not any(name.startswith(mark) for name in shapes)
    ]  # fmt: skip


def prediction(path: Path, shapes: Shapes, layout: Layout) -> str:
    """What the model predicts: "v_prediction" or "epsilon".

    What the file itself says comes first (the keys that the community adds, then the Model Spec of Stability AI), then
    the `.yaml` beside it, then, of models that say nothing and are known to come in both kinds, their weights.
    """
    if "v_pred" in shapes:
        return "v_prediction"
    note = said(path).get("modelspec.prediction_type", "").lower() or _sidecar(path)
    if note:
        return "v_prediction" if note.startswith("v") else "epsilon"
    if layout.weighed:
        offsets = numbers(path, layout.weighed)
        return "v_prediction" if len(offsets) and float(offsets.std()) > _LOUD else "epsilon"
    return "epsilon"


def _sidecar(path: Path) -> str:
    """The parameterization that a config of the same name beside the file gives, such as "v"; "" without one."""
    beside = path.with_suffix(".yaml")
    if not beside.is_file() or beside.stat().st_size > MAX_SIDECAR:
        return ""
    found = re.search(r"^\s*parameterization\s*:\s*[\"']?(v|eps)\b", beside.read_text("utf-8", "replace"), re.MULTILINE)
    return found[1] if found else ""
