"""An Adapter message from outside, checked field by field."""

from __future__ import annotations

import re

from velatura.v1 import diffuse_pb2

from ..errors import Invalid
from ..request import Adapter
from .checks import between, catalog_name, how_many, optional

LIMIT = 4.0
"""Largest weight either way."""
MAX_BLOCKS = 64

_BLOCK = re.compile(r"BASE|M00|MID|(?:IN|OUT)(?:0[0-9]|1[01])")


def adapter(ask: diffuse_pb2.Adapter, field: str) -> Adapter:
    """What a model is to wear. Raises Invalid, naming the field."""
    model = catalog_name(ask.model, f"{field}.model")
    if model is None:
        raise Invalid(f"{field}.model", "is empty", remedy="name an adapter from the list (velatura list models)")
    weight = optional(ask, "weight", f"{field}.weight", -LIMIT, LIMIT)
    return Adapter(
        model=model,
        weight=1.0 if weight is None else weight,
        text_weight=optional(ask, "text_weight", f"{field}.text_weight", -LIMIT, LIMIT),
        block_weights=_blocks(ask, f"{field}.block_weights"),
        force=ask.force,
    )


def _blocks(ask: diffuse_pb2.Adapter, field: str) -> dict[str, float]:
    """Weights by the names that the community has for a U-Net's blocks."""
    how_many(len(ask.block_weights), field, 0, MAX_BLOCKS)
    weights: dict[str, float] = {}
    for name in sorted(ask.block_weights):
        block = name.upper()
        if not _BLOCK.fullmatch(block):
            raise Invalid(
                field, f"{name[:40]!r} names no block", remedy="use BASE, IN00 to IN11, M00, and OUT00 to OUT11"
            )
        block = "M00" if block == "MID" else block
        if block in weights:
            raise Invalid(field, f"{block} is named twice", remedy="name each block once")
        weights[block] = between(ask.block_weights[name], f"{field}[{name}]", -LIMIT, LIMIT)
    return weights
