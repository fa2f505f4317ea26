"""Parts of a run, of controls and references: when they count, in steps."""

from __future__ import annotations

from ..plan import ControlPlan, ReferencePlan


def counts(part: ControlPlan | ReferencePlan, done: int, total: int) -> bool:
    """Whether it leads the step after `done` of `total`: as diffusers counts for ControlNets."""
    return done / total >= part.start and (done + 1) / total <= part.end
