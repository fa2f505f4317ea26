"""Maps of a material: which are made, and what reads them off the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Invalid
from ..events import Warning
from ..models.entry import ModelEntry
from ..models.materials import CLASSICAL, MAPS
from ..plan import MaterialPlan
from ..request import Material, Request
from .sizes import Sizes, size_of

if TYPE_CHECKING:
    from ..models.index import ModelIndex

SMALLEST = 16
"""Least side of a picture whose maps are made, pixels."""


def plan_material(
    ask: Material, index: ModelIndex, done: Sizes, request: Request, field: str, step_id: str, hidden: bool
) -> MaterialPlan:
    """What the machine will do. Raises Invalid for a picture that is too small or too large, NotFound for an unknown
    model.
    """
    size = size_of(ask.image, done, f"{field}.image")
    if request.max_pixels is not None and size[0] * size[1] > request.max_pixels:
        raise Invalid(
            f"{field}.image", f"is {size[0]} x {size[1]} pixels; maps are made of at most {request.max_pixels} in all",
            remedy="send a smaller picture",
        )  # fmt: skip
    if min(size) < SMALLEST:
        raise Invalid(
            f"{field}.image", f"is {size[0]} x {size[1]} pixels; maps are made of at least {SMALLEST} a side",
            remedy="send a larger picture",
        )  # fmt: skip
    maps = tuple(name for name in MAPS if name in ask.maps or not ask.maps)
    model, beside = _models(ask.model, maps, index, f"{field}.model")
    guessed = model is None and ask.model is None
    return MaterialPlan(
        step_id=step_id,
        hidden=hidden,
        image=ask.image,
        maps=maps,
        model=model,
        beside=beside,
        y_down=ask.y_down,
        tile_x=ask.tile_x,
        tile_y=ask.tile_y,
        outputs=(size,) * len(maps),
        warnings=(_guess(f"{field}.model"),) if guessed else (),
    )


def _guess(field: str) -> Warning:
    """That nobody who learned it reads the maps."""
    return Warning(
        reason="NO_MATERIAL_MODEL", field=field,
        message="no network that reads materials is installed, so the maps are guessed by rules of thumb:"
        " what is bright is taken to be high, and nothing to be metal",
    )  # fmt: skip


def _models(
    name: str | None, maps: tuple[str, ...], index: ModelIndex, field: str
) -> tuple[ModelEntry | None, ModelEntry | None]:
    """The model that is meant, and the one for maps that it does not make; None are the rules of thumb."""
    if name == CLASSICAL:
        return None, None
    networks = index.materials("network")
    if name is not None:
        model = index.get(name, kind="material", field=field)
        missing = not set(maps) <= set(model.tasks)
        return model, networks[0] if missing and networks else None
    return (networks[0] if networks else None), None
