"""Pictures to take after: which adapter reads each, and through whose eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Invalid, NotFound, Unsupported
from ..families import Family
from ..models.entry import ModelEntry
from ..models.reference import for_faces
from ..models.sd3_reference import EYES
from ..plan import ReferencePlan
from ..request import Reference
from .sizes import Size, Sizes, ratio, size_of

if TYPE_CHECKING:
    from ..models.index import ModelIndex

_TASTE = {"style": ("plain", "plus"), "content": ("plus", "plain"), "face": ("plus", "full face")}
"""Which kind of adapter is taken for a role where none is named: the first of these that is installed.

A plain adapter hears a picture as a whole, a plus one in its details.
"""


def plan_references(
    asked: tuple[Reference, ...],
    model: ModelEntry,
    family: Family,
    index: ModelIndex,
    done: Sizes,
    size: Size,
    field: str,
) -> tuple[ReferencePlan, ...]:
    """A plan for each picture to take after. `field` names their list.

    Raises Invalid for a mask of another shape than the picture, NotFound where an adapter or its encoder is missing,
    Unsupported where an adapter was made for another base, or not for what is asked of it.
    """
    return tuple(_plan(one, model, family, index, done, size, f"{field}[{n}]") for n, one in enumerate(asked))


def _plan(
    ask: Reference, model: ModelEntry, family: Family, index: ModelIndex, done: Sizes, size: Size, field: str
) -> ReferencePlan:
    size_of(ask.image, done, f"{field}.image")
    if ask.mask is not None:
        _check_shape(size_of(ask.mask, done, f"{field}.mask.image"), size, f"{field}.mask")
    if ask.role == "style" and not family.style_layers:
        raise Unsupported(
            f"{family.title} has no layers of which it is known that they paint style alone", field=f"{field}.role",
            remedy="take the picture as content, which takes all of it",
        )  # fmt: skip
    adapter = _adapter(ask, model, index, field)
    eyes = index.encoders(adapter)
    if not eyes:
        raise NotFound(
            f"picture encoder for {adapter.title}:", _wanted(adapter), field=f"{field}.model",
            reason="NO_IMAGE_ENCODER", remedy="install the folder of the vision model that the adapter was "
            "trained with (config.json and model.safetensors) into clip_vision in the models folder",
        )  # fmt: skip
    return ReferencePlan(
        image=ask.image, role=ask.role, strength=ask.strength, mask=ask.mask, model=adapter, encoder=eyes[0],
        start=ask.start, end=ask.end,
    )  # fmt: skip


def _adapter(ask: Reference, model: ModelEntry, index: ModelIndex, field: str) -> ModelEntry:
    fits = index.readers(model)
    able = [entry for entry in fits if for_faces(entry.id, entry.variant)] if ask.role == "face" else fits
    if ask.model is None:
        if not able:
            raise NotFound(
                f"IP-Adapter for {model.title} that reads", ask.role, field=field, reason="NO_REFERENCE_MODEL",
                remedy="install one that was made for this model's base into ip_adapter in the models folder",
            )  # fmt: skip
        return min(able, key=lambda entry: _rank(entry, ask.role, index))
    adapter = index.get(ask.model, kind="ip_adapter", field=f"{field}.model")
    choice = ", ".join(entry.id for entry in able) or "none installed"
    if adapter.id not in {entry.id for entry in fits}:
        raise Unsupported(
            f"{adapter.title} was not made for {model.title}", field=f"{field}.model", reason="WRONG_BASE",
            remedy=f"use one of: {choice}",
        )  # fmt: skip
    if adapter.id not in {entry.id for entry in able}:
        raise Unsupported(
            f"{adapter.title} was not made for faces", field=f"{field}.role",
            remedy=f"use one of: {choice}; or take the picture as content",
        )  # fmt: skip
    return adapter


def _rank(entry: ModelEntry, role: str, index: ModelIndex) -> tuple[bool, bool, int]:
    """The best first: one that can see, one whose business it is, and the right kind of it."""
    taste = _TASTE[role]
    kind = taste.index(entry.variant) if entry.variant in taste else len(taste)
    return not index.encoders(entry), for_faces(entry.id, entry.variant) != (role == "face"), kind


def _wanted(adapter: ModelEntry) -> str:
    projected, hidden = adapter.sees
    kind = "SigLIP" if adapter.variant == EYES else "CLIP"
    return f"{kind} vision model " + (f"with a projection of {projected}" if projected else f"{hidden} wide")


def _check_shape(mask: Size, size: Size, field: str) -> None:
    if ratio(mask) != ratio(size):
        raise Invalid(
            field, f"is {mask[0]} x {mask[1]} pixels, another shape than the picture's {size[0]} x {size[1]}",
            remedy="send a mask of the picture's aspect",
        )  # fmt: skip
