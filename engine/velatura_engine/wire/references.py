"""Pictures to take after, from outside, checked field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from velatura.v1 import diffuse_pb2

from ..errors import Invalid, Unsupported
from ..request import Reference, Role
from .checks import catalog_name, how_many, optional, part_of_run
from .sources import Sources

ROLES: tuple[Role, ...] = get_args(Role)


def read_references(asked: Sequence[diffuse_pb2.Reference], sources: Sources, field: str) -> tuple[Reference, ...]:
    """The references of a painting, at most 8. Raises Invalid, NotFound or Unsupported, naming the field."""
    how_many(len(asked), field, 0, 8)
    return tuple(_reference(one, sources, f"{field}[{number}]") for number, one in enumerate(asked))


def _reference(ask: diffuse_pb2.Reference, sources: Sources, field: str) -> Reference:
    strength = optional(ask, "strength", f"{field}.strength", 0, 2)
    start, end = part_of_run(ask, field)
    return Reference(
        image=sources.source(ask.image, f"{field}.image"),
        role=_role(ask.role, f"{field}.role"),
        strength=1.0 if strength is None else strength,
        start=start,
        end=end,
        mask=sources.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
        model=catalog_name(ask.model, f"{field}.model"),
    )


def _role(name: str, field: str) -> Role:
    if name == "edit":
        raise Unsupported(
            f"{field}: no model here edits a picture by words", field=field, reason="UNIMPLEMENTED_FIELD",
            remedy="start from it (init), or take it as content",
        )  # fmt: skip
    if name not in ("", *ROLES):
        raise Invalid(field, f"{name[:40]!r} is not known", remedy=f"use one of: {', '.join(ROLES)}")
    return cast(Role, name or "content")
