"""Sizes of pictures before they are there, and which of them have to be alike."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Invalid
from ..pixels.picture import Picture
from ..request import Depth, Output, Source, View

Size = tuple[int, int]
"""Width and height in pixels."""

Sizes = Mapping[str, tuple[Size, ...]]
"""What earlier steps make, by their ids."""


def size_of(source: Source, done: Sizes, field: str) -> Size:
    """Size of a picture at hand or of an earlier step's output. Raises Invalid for an output that will not be."""
    if isinstance(source, Picture):
        return source.width, source.height
    assert isinstance(source, Output)
    outputs = done.get(source.step_id)
    if outputs is None:
        raise Invalid(
            field,
            f"no earlier step is called {source.step_id!r}",
            remedy=f"earlier steps: {', '.join(done) or 'none'}",
        )
    if source.index >= len(outputs):
        raise Invalid(
            field,
            f"step {source.step_id!r} makes {len(outputs)} pictures, there is no {source.index}",
            remedy="count from 0",
        )
    return outputs[source.index]


def check_depth(depth: Depth, done: Sizes, field: str) -> None:
    """Raises Invalid where not every pixel of a depth is said to be valid or not."""
    if depth.validity is not None:
        _check_alike(depth.validity, depth.image, done, f"{field}.validity", f"{field}.image", "depth")


def check_view(view: View, done: Sizes, field: str) -> None:
    """Raises Invalid where what a view shows, how far that is and what of it counts do not lie over each other."""
    color, depth = (
        size_of(source, done, f"{field}.{name}") for source, name in ((view.color, "color"), (view.depth, "depth"))
    )
    if ratio(color) != ratio(depth):
        raise Invalid(
            f"{field}.color",
            f"{color[0]} x {color[1]} has another shape than the depth's {depth[0]} x {depth[1]}",
            remedy="send picture and depth of the same aspect",
        )
    if view.mask is not None:
        _check_alike(view.mask, view.color, done, f"{field}.mask", f"{field}.color", "picture")


def _check_alike(source: Source, other: Source, done: Sizes, field: str, other_field: str, what: str) -> None:
    size, wanted = size_of(source, done, field), size_of(other, done, other_field)
    if size != wanted:
        raise Invalid(
            field,
            f"is {size[0]} x {size[1]} pixels, the {what} {wanted[0]} x {wanted[1]}",
            remedy=f"send it as large as the {what}",
        )


def ratio(size: Size) -> float:
    """Width by height, to two digits: pictures that lie over each other have the same."""
    return round(size[0] / size[1], 2)
