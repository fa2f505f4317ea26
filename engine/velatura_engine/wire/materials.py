"""A Material message from outside, checked field by field, and how it is told what was made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from velatura.v1 import catalog_pb2, operations_pb2, pixels_pb2

from ..errors import Invalid, NotFound
from ..models.materials import CLASSICAL, MAPS
from ..plan import MaterialPlan
from ..request import Material
from .checks import catalog_name, how_many, known, text
from .sources import Sources

if TYPE_CHECKING:
    from ..models.index import ModelIndex


def read_material(ask: operations_pb2.Material, sources: Sources, field: str) -> Material:
    """The maps that a message asks for. Raises Invalid or NotFound, naming the field."""
    known(f"{field}.convention", ask.convention, pixels_pb2.NormalConvention)
    how_many(len(ask.maps), f"{field}.maps", 0, len(MAPS))
    for number, name in enumerate(ask.maps):
        text(name, f"{field}.maps[{number}]", 64)
        if name not in MAPS:
            raise NotFound("map", name, known=MAPS, field=f"{field}.maps[{number}]", remedy=f"one of {', '.join(MAPS)}")
        if name in ask.maps[:number]:
            raise Invalid(f"{field}.maps[{number}]", f"{name!r} is named twice", remedy="name every map once")
    return Material(
        image=sources.source(ask.image, f"{field}.image"),
        maps=tuple(ask.maps),
        model=catalog_name(ask.model, f"{field}.model"),
        y_down=ask.convention == pixels_pb2.NORMAL_CONVENTION_Y_DOWN,
        tile_x=ask.tile_x,
        tile_y=ask.tile_y,
    )


def resolve(message: operations_pb2.Material, plan: MaterialPlan) -> None:
    """Fills the gaps of what was asked for."""
    message.maps[:] = plan.maps
    message.model = CLASSICAL if plan.model is None else plan.model.id
    up, down = pixels_pb2.NORMAL_CONVENTION_Y_UP, pixels_pb2.NORMAL_CONVENTION_Y_DOWN
    message.convention = down if plan.y_down else up


def shelf(index: ModelIndex) -> catalog_pb2.Shelf:
    """What can read materials, for the catalog: installed models and the rules of thumb."""
    parts = [
        catalog_pb2.Part(id=entry.id, title=entry.title, description=entry.description, available=True)
        for entry in index.entries()
        if entry.kind == "material"
    ]
    rules = "Rules of thumb, without a model: what is bright is high."
    parts.append(catalog_pb2.Part(id=CLASSICAL, title="Classical", description=rules, available=True))
    return catalog_pb2.Shelf(name="materials", parts=parts)
