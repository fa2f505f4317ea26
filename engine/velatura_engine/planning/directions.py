"""Changes from one thing to another: their phrases read, those that change nothing left out."""

from __future__ import annotations

from collections.abc import Sequence

from ..conditioning.prompt import verbatim
from ..errors import Unsupported
from ..families import Family
from ..plan import DirectionPlan
from ..request import Direction

ATTENDING = "unet"
"""The kind of denoiser whose places attend to words apart from each other."""


def plan_directions(asked: Sequence[Direction], family: Family, field: str) -> tuple[DirectionPlan, ...]:
    """A plan for each direction that leads anywhere. `field` names their list.

    Raises Unsupported where the layout is to be kept by a model whose layers do not attend to words alone.
    """
    for number, ask in enumerate(asked):
        if ask.keep_layout and family.denoiser != ATTENDING:
            raise Unsupported(
                f"{family.title} has no layers that attend to words alone", field=f"{field}[{number}].keep_layout",
                remedy="leave it out; start from a picture at a lower strength",
            )  # fmt: skip
    return tuple(
        DirectionPlan(
            source=tuple(verbatim(phrase, field=f"{field}[{number}].source") for phrase in ask.source),
            target=tuple(verbatim(phrase, field=f"{field}[{number}].target") for phrase in ask.target),
            strength=ask.strength,
            keep_layout=ask.keep_layout,
        )
        for number, ask in enumerate(asked)
        if ask.strength and sorted(ask.source) != sorted(ask.target)
    )
