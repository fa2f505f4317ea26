"""Models that read materials off pictures: our own network and Marigold's pipelines, told by content; no torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from .weights import weights

MAPS = ("albedo", "normal", "height", "roughness", "metallic", "occlusion")
"""Maps of a material, in the order in which they are given back."""

CLASSICAL = "classical"
"""The name of the rules of thumb, which need no model."""

PIPELINES = {"MarigoldIntrinsicsPipeline": "intrinsics", "MarigoldNormalsPipeline": "normals"}
"""Pipelines of diffusers that can be used, and what they are called here."""

_MARKS = {"open.weight": (24, 3, 3, 3), "close.weight": (9, 24, 3, 3), "middle.1.second.weight": (96, 96, 3, 3)}
_NAMES = {"roughness": "roughness", "metallicity": "metallic", "metallic": "metallic"}
_PARTS = ("unet", "vae", "text_encoder")


def is_network(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a single file holds the weights of the starter's network, or of one that was trained like it."""
    return all(shapes.get(name) == shape for name, shape in _MARKS.items())


def network_facts() -> dict[str, Any]:
    """What that network is, as fields of an entry."""
    return {
        "kind": "material", "family": "", "variant": "network", "tasks": MAPS,
        "description": "Reads all maps of a material off a picture of it.",
    }  # fmt: skip


def marigold_facts(path: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """What a folder of a Marigold pipeline is, as fields of an entry. Raises Unsupported where it cannot be used."""
    variant = PIPELINES[index["_class_name"]]
    for part in _PARTS:
        weights(path / part)
    channels, targets = _channels(path, "in_channels"), _channels(path, "out_channels")
    names = tuple(found) if variant == "intrinsics" and (found := _targets(index)) else ()
    maps = tuple(name for name in MAPS if name in names) if variant == "intrinsics" else ("normal", "height")
    latent = int(json.loads((path / "vae" / "config.json").read_text(encoding="utf-8")).get("latent_channels", 4))
    named = len(index["target_properties"]["target_names"]) if names else 1
    if channels != targets + latent or targets != named * latent or not maps:
        raise Unsupported(
            f"{path.name} names no map that materials have, or its UNet makes others than it names",
            reason="UNSUPPORTED_LAYOUT", remedy="use Marigold's appearance model or its model for normals",
        )  # fmt: skip
    return {
        "kind": "material", "family": "", "variant": variant, "tasks": maps, "in_channels": channels,
        "description": f"Estimates {', '.join(maps)} (Marigold).",
    }  # fmt: skip


def _channels(path: Path, name: str) -> int:
    return int(json.loads((path / "unet" / "config.json").read_text(encoding="utf-8"))[name])


def _targets(index: Mapping[str, Any]) -> list[str]:
    """The maps that an intrinsics model makes, by our names."""
    told: Mapping[str, Any] = index.get("target_properties") or {}
    found = []
    for name in told.get("target_names", ()):
        below = (told.get(name) or {}).get("sub_target_names") or [name]
        found += [_NAMES.get(one, one) for one in below if one]
    return found
