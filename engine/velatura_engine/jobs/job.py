"""A job as the front knows it, with the log of what happened to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from velatura.v1 import errors_pb2, jobs_pb2

ENDED = (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLED)
MAX_UNREAD = 200
"""Events a slow watcher may be behind before previews are left out for it."""


class EventLog:
    """Numbered events of one job: kept ones for those who come later, all of them for those who watch now."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._kept: list[jobs_pb2.JobEvent] = []
        self._watchers: set[asyncio.Queue[jobs_pb2.JobEvent]] = set()
        self.last = 0

    def add(self, **event: Any) -> None:
        """Append an event given as its one field, such as `queued=Queued(position=2)`. Previews are not kept."""
        self.last += 1
        message = jobs_pb2.JobEvent(sequence=self.last, time=stamp(time.time()), job_id=self._job_id, **event)
        glimpse = message.HasField("preview")
        if not glimpse:
            self._kept.append(message)
        for watcher in self._watchers:
            if not (glimpse and watcher.qsize() > MAX_UNREAD):
                watcher.put_nowait(message)

    async def watch(self, after: int = 0) -> AsyncIterator[jobs_pb2.JobEvent]:
        """Kept events after a number, then new ones as they come, until the job's end."""
        live: asyncio.Queue[jobs_pb2.JobEvent] = asyncio.Queue()
        self._watchers.add(live)
        try:
            for message in [kept for kept in self._kept if kept.sequence > after]:
                yield message
                if message.HasField("finished"):
                    return
            if self._kept and self._kept[-1].HasField("finished"):
                return
            while True:
                message = await live.get()
                yield message
                if message.HasField("finished"):
                    return
        finally:
            self._watchers.discard(live)


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One job: what was asked, by whom, its plan while it waits or runs, and where it stands."""

    id: str
    client: str
    spec: jobs_pb2.JobSpec
    plan: Any
    journalled: bool = False
    state: int = jobs_pb2.JOB_STATE_QUEUED
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    error: errors_pb2.Error | None = None
    log: EventLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = EventLog(self.id)

    @property
    def has_ended(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in ENDED

    def message(self) -> jobs_pb2.Job:
        """The job as it travels."""
        message = jobs_pb2.Job(
            id=self.id, state=self.state, spec=self.spec, error=self.error, last_sequence=self.log.last,
            create_time=stamp(self.created),
        )  # fmt: skip
        if self.started:
            message.start_time.CopyFrom(stamp(self.started))
        if self.ended:
            message.end_time.CopyFrom(stamp(self.ended))
        return message


def stamp(seconds: float) -> Timestamp:
    """Seconds since 1970 -> Timestamp."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
