"""T2I-Adapters (Mou et al., arXiv 2302.08453): what their files hold, in TencentARC's names or in diffusers'.

TencentARC numbers the blocks of a full adapter through, diffusers level by level. A full adapter has four levels, each
with as many blocks; those for SDXL look at patches twice as wide, and only one of their levels halves its size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported

FULL, LIGHT, XL = "full_adapter", "light_adapter", "full_adapter_xl"
LEVELS = 4
"""Levels of a full adapter in TencentARC's names."""
XL_PATCH = 16
"""Pixels along a side of the patches that adapters for SDXL look at."""
_PREFIX = "adapter."
_FLAT = re.compile(r"body\.(\d+)\.(block[12]|in_conv)\.(weight|bias)")
_LIGHT = re.compile(r"body\.(\d+)\.body\.(\d+)\.(block[12])\.(weight|bias)")

Shapes = Mapping[str, tuple[int, ...]]
Facts = dict[str, Any]


def is_adapter_file(shapes: Shapes) -> bool:
    """Whether a single file holds the weights of a T2I-Adapter."""
    names = {name.removeprefix(_PREFIX) for name in shapes}
    firsts = ("body.0.block1.weight", "body.0.resnets.0.block1.weight", "body.0.body.0.block1.weight")
    return any(first in names for first in firsts)


def adapter_config(shapes: Shapes, path: Path) -> Facts:
    """diffusers' config for a single file, from its shapes. Raises Unsupported for an adapter of another make."""
    names = {diffusers_name(name, shapes): shape for name, shape in shapes.items()}
    light = "body.0.out_conv.weight" in names
    entry = names.get("body.0.in_conv.weight" if light else "conv_in.weight")
    widths, level = [], 0
    last = "out_conv.weight" if light else "resnets.0.block1.weight"
    while (name := f"body.{level}.{last}") in names:
        widths.append(names[name][0])
        level += 1
    # The second layer of a full block looks at single points, and nothing stands beside the blocks.
    odd = any("skep" in name or "down_opt" in name for name in shapes)
    reach = names.get("body.0.resnets.0.block2.weight", (0, 0, 0))[2]
    patches = [found for channels in (3, 1) if (found := _patch(entry, channels)) is not None]
    if odd or len(widths) < 2 or not patches or reach != (3 if light else 1):
        raise Unsupported(
            f"{path.name} is a T2I-Adapter of another make than TencentARC's full and light ones",
            reason="UNSUPPORTED_LAYOUT", remedy="use a full or light one for Stable Diffusion 1 or XL",
        )  # fmt: skip
    blocks = sum(1 for name in names if re.fullmatch(r"body\.0\.resnets\.\d+\.block1\.weight", name))
    channels, patch = patches[0]
    return {
        "_class_name": "T2IAdapter", "in_channels": channels, "num_res_blocks": blocks, "downscale_factor": patch,
        "channels": widths[:-1] if light else widths,
        "adapter_type": LIGHT if light else XL if patch >= XL_PATCH else FULL,
    }  # fmt: skip


def _patch(entry: tuple[int, ...] | None, channels: int) -> tuple[int, int] | None:
    """(channels, side) of the patches that the first layer takes in, if that many channels make whole ones."""
    side = math.isqrt(entry[1] // channels) if entry else 0
    return (channels, side) if entry and side > 0 and channels * side**2 == entry[1] else None


def facts(config: Mapping[str, Any], path: Path) -> Facts:
    """Base, widths and sizes of an adapter, as fields of an entry. Raises Unsupported for a type nobody knows."""
    kind = config.get("adapter_type", FULL)
    widths = tuple(int(width) for width in config["channels"])
    patch = int(config["downscale_factor"])
    if kind == XL:
        # Its features go to the three rows of SDXL and to its middle.
        if len(widths) < 2 or widths[-1] != widths[-2]:
            raise _strange(path, f"its widths are {widths}")
        return {"kind": "t2i", "family": "sdxl", "in_channels": config["in_channels"], "latent_factor": patch // 2,
                "rows": widths[:-1]}  # fmt: skip
    if kind not in (FULL, LIGHT):
        raise _strange(path, f"its type is {kind!r}")
    # A light adapter names its last width once, and uses it twice.
    rows = (*widths, widths[-1]) if kind == LIGHT else widths
    return {"kind": "t2i", "family": "sd1", "in_channels": config["in_channels"], "latent_factor": patch, "rows": rows}


def diffusers_name(name: str, shapes: Shapes) -> str:
    """diffusers' name of a tensor, without `adapter.`, of either way of naming it."""
    name = name.removeprefix(_PREFIX)
    if match := _LIGHT.fullmatch(name):
        level, number, layer, kind = match.groups()
        return f"body.{level}.resnets.{number}.{layer}.{kind}"
    original = "body.0.block1.weight" in shapes or f"{_PREFIX}body.0.block1.weight" in shapes
    if original and (match := _FLAT.fullmatch(name)):
        blocks = sum(1 for other in shapes if re.fullmatch(r"(adapter\.)?body\.\d+\.block1\.weight", other))
        level, number = divmod(int(match[1]), max(1, blocks // LEVELS))
        inside = match[2] if match[2] == "in_conv" else f"resnets.{number}.{match[2]}"
        return f"body.{level}.{inside}.{match[3]}"
    return name


def _strange(path: Path, why: str) -> Unsupported:
    return Unsupported(
        f"{path.name} is a T2I-Adapter that no model here reads: {why}", reason="UNSUPPORTED_LAYOUT",
        remedy="use a full or light one for Stable Diffusion 1, or one for SDXL",
    )  # fmt: skip
