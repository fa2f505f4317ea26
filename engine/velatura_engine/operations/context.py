"""What an operation is given besides its plan: models, earlier pictures, and a way to be heard and stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..events import Event, Progress, Stage
from ..pixels.picture import Picture
from ..request import Output, PreviewAsk, Source
from ..runtime.models import Models
from ..textures.memory import Memory


@dataclass(slots=True, kw_only=True)
class Context:
    """One job's surroundings. `check` raises where the job is to stop; `emit` sends an event to the front."""

    models: Models
    stages: Sequence[Stage]
    emit: Callable[[Event], None]
    check: Callable[[], None]
    preview: PreviewAsk | None = None
    memory: Memory = field(default_factory=Memory)
    """What projections before found out about meshes and cameras."""
    outputs: dict[str, list[Picture]] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    _stage: str = ""
    _since: float = field(default_factory=time.monotonic)
    _began: float = field(default_factory=time.monotonic)

    def picture(self, source: Source) -> Picture:
        """The picture itself, or the earlier step's output that is meant."""
        return self.outputs[source.step_id][source.index] if isinstance(source, Output) else source

    def stage(self, name: str) -> None:
        """Enter a stage; the time since the last one is booked on that."""
        self.check()
        self.close()
        self._stage, self._since = name, time.monotonic()
        self.progress(0, 1)

    def close(self) -> None:
        """Book the running stage's time."""
        if self._stage:
            spent = time.monotonic() - self._since
            self.timings[self._stage] = self.timings.get(self._stage, 0.0) + spent

    def progress(self, step: int, steps: int) -> None:
        """`step` of `steps` of the running stage are done."""
        before = 0.0
        for stage in self.stages:
            if stage.name == self._stage:
                fraction = min(1.0, before + stage.weight * step / max(steps, 1))
                break
            before += stage.weight
        else:
            return
        spent = time.monotonic() - self._began
        remaining = spent * (1 - fraction) / fraction if fraction > 0.15 else None
        self.emit(Progress(stage=self._stage, step=step, steps=steps, fraction=fraction, remaining=remaining))
