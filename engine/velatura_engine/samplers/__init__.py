"""The shelf of samplers: one file each, building a diffusers scheduler from the model's own schedule."""

from __future__ import annotations

from ..shelf import Part, Shelf

SAMPLERS = Shelf("sampler", __name__)


def samplers() -> Shelf:
    """The shelf itself."""
    return SAMPLERS


def sampler(name: str, *, field: str = "") -> Part:
    """The sampler of that name; `.build(config, schedule, **knobs)` makes its scheduler. Raises NotFound."""
    return SAMPLERS.get(name, field=field)
