"""A job as the front knows it, with the log of what happened to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from velatura.v1 import errors_pb2, jobs_pb2

ENDED = (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLED)
MAX_UNREAD = 200
"""Events a slow watcher may be behind before previews are left out for it."""


class EventLog:
    """Numbered events of one job: kept ones for those who come later, all of them for those who watch now."""

    def __init__(self, job_id: str, kept: Iterable[jobs_pb2.JobEvent] = ()) -> None:
        self._job_id = job_id
        self.kept: list[jobs_pb2.JobEvent] = list(kept)
        self._watchers: set[asyncio.Queue[jobs_pb2.JobEvent]] = set()
        self.last = self.kept[-1].sequence if self.kept else 0

    def add(self, **event: Any) -> None:
        """Append an event given as its one field, such as `queued=Queued(position=2)`.

        Previews are not kept, and of places in the queue only the newest is.
        """
        self.last += 1
        message = jobs_pb2.JobEvent(sequence=self.last, time=stamp(time.time()), job_id=self._job_id, **event)
        glimpse = message.HasField("preview")
        if message.HasField("queued") and self.kept and self.kept[-1].HasField("queued"):
            self.kept.pop()
        if not glimpse:
            self.kept.append(message)
        for watcher in self._watchers:
            if not (glimpse and watcher.qsize() > MAX_UNREAD):
                watcher.put_nowait(message)

    async def watch(self, after: int = 0) -> AsyncGenerator[jobs_pb2.JobEvent, None]:
        """Kept events after a number, then new ones as they come, until the job's end."""
        pending: asyncio.Queue[jobs_pb2.JobEvent] = asyncio.Queue()
        for message in self.kept:
            pending.put_nowait(message)
        ended = bool(self.kept) and self.kept[-1].HasField("finished")
        if not ended:
            self._watchers.add(pending)
        try:
            while not (ended and pending.empty()):
                message = await pending.get()
                ended = message.HasField("finished")
                if message.sequence > after:
                    yield message
        finally:
            self._watchers.discard(pending)


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One job: what was asked, by whom, its plan while it waits or runs, and where it stands."""

    id: str
    client: str
    spec: jobs_pb2.JobSpec
    plan: Any = None
    weight: int = 0
    """Bytes of memory that its plan takes."""
    lasting: bool = False
    """It outlives its call and the front."""
    state: jobs_pb2.JobState = jobs_pb2.JOB_STATE_QUEUED
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    error: errors_pb2.Error | None = None
    position: int = -1
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


def ended_job(message: jobs_pb2.Job, client: str, kept: Iterable[jobs_pb2.JobEvent]) -> Job:
    """A job of an earlier front that had ended, from what it sent at the time."""
    job = Job(
        id=message.id, client=client, spec=message.spec, lasting=True, state=message.state,
        created=seconds(message.create_time), started=seconds(message.start_time), ended=seconds(message.end_time),
        error=message.error if message.HasField("error") else None,
    )  # fmt: skip
    job.log = EventLog(job.id, kept)
    return job


def stamp(seconds: float) -> Timestamp:
    """Seconds since 1970 -> Timestamp."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def seconds(stamp: Timestamp) -> float:
    """Timestamp -> seconds since 1970."""
    return stamp.seconds + stamp.nanos / 1e9
