"""A job of the fake engine: how it is to go, and what has happened so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ..errors import VelaturaError, to_proto
from ..v1 import jobs_pb2

_ENDED = (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a job goes. `delay`: seconds before each progress. `refuse`: an error instead of accepting the job.

    `fail`: an error after half of the steps. `warn`: a warning's message. `kill_after`: the engine dies after so many
    events. `hang`: it never gets past its first progress, until it is cancelled.
    """

    steps: int = 4
    delay: float = 0.0
    refuse: VelaturaError | None = None
    fail: VelaturaError | None = None
    warn: str = ""
    kill_after: int | None = None
    hang: bool = False


def stamp(message: Any) -> None:
    """Set a Timestamp to now. Older protobufs' own way to do it is deprecated by Python 3.12 and warns."""
    message.FromNanoseconds(time.time_ns())


class FakeJob:
    """A job: its events so far, and a bell that rings at each."""

    def __init__(self, job_id: str, spec: jobs_pb2.JobSpec) -> None:
        self.state = jobs_pb2.Job(id=job_id, state=jobs_pb2.JOB_STATE_QUEUED, spec=spec)
        stamp(self.state.create_time)
        self.events: list[jobs_pb2.JobEvent] = []
        self.bell = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Nothing more happens."""
        return self.state.state in _ENDED

    def emit(self, **event: Any) -> None:
        """Adds an event, numbered and dated."""
        self.state.last_sequence += 1
        message = jobs_pb2.JobEvent(sequence=self.state.last_sequence, job_id=self.state.id, **event)
        stamp(message.time)
        self.events.append(message)
        self.bell.set()
        self.bell = asyncio.Event()

    def finish(self, state: jobs_pb2.JobState, error: VelaturaError | None = None, **more: Any) -> None:
        """Ends it, unless it has ended."""
        if self.ended:
            return
        detail = None if error is None else to_proto(error)
        self.state.MergeFrom(jobs_pb2.Job(state=state, error=detail))
        stamp(self.state.end_time)
        self.emit(finished=jobs_pb2.Finished(state=state, error=detail, **more))

    async def follow(self, after: int = 0, live: bool = False) -> AsyncIterator[jobs_pb2.JobEvent]:
        """Events after that number until the end; previews of the past only with `live`."""
        place = 0
        while True:
            bell = self.bell
            while place < len(self.events):
                event = self.events[place]
                place += 1
                if event.sequence > after and (live or not event.HasField("preview")):
                    yield event
                if event.HasField("finished"):
                    return
            live = True
            await bell.wait()
