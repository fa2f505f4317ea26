"""Making a hint: one plan -> one picture, the same that a painting with this preprocessor would follow."""

from __future__ import annotations

from ..events import Artifact
from ..pixels.picture import Picture, as_srgb
from ..plan import PreprocessPlan
from ..preprocessors import Given
from .context import Context
from .hints import prepare


def preprocess(plan: PreprocessPlan, context: Context) -> list[Picture]:
    """Run one preprocessor; emits its hint and returns it for later steps."""
    context.stage(f"{plan.step_id}:preprocess")
    source = plan.preparation.image
    picture = None if source is None else as_srgb(context.picture(source))
    made = Picture(prepare(plan.preparation, Given(picture=picture, x=plan.tiling.x, y=plan.tiling.y), context))
    context.progress(1, 1)
    context.emit(Artifact(step_id=plan.step_id, index=0, kind="hint", picture=made, hidden=plan.hidden))
    return [made]
