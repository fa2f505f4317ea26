"""Who goes next: interactive before batch, clients in turn, nobody waits for ever."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Collection

from velatura.v1 import jobs_pb2

from ..errors import Busy
from .job import Job

AGE = 60.0
"""Seconds after which a waiting batch job gets every other turn, though interactive ones wait."""

Lane = OrderedDict[str, deque[Job]]
"""A client's jobs in order; the first client is served next and then goes to the end of the round."""


class JobQueue:
    """Jobs that wait, bounded in all, for each client, and in the memory that their pictures take."""

    def __init__(self, *, limit: int, limit_per_client: int, limit_bytes: int = 2**62) -> None:
        self._limit, self._per_client, self._bytes = limit, limit_per_client, limit_bytes
        self._interactive: Lane = OrderedDict()
        self._batch: Lane = OrderedDict()
        self._batch_went = False

    def __len__(self) -> int:
        return len(self.jobs())

    def jobs(self) -> list[Job]:
        """All that wait, in no order."""
        return [job for lane in (self._interactive, self._batch) for jobs in lane.values() for job in jobs]

    def check(self, newcomer: Job, leaving: Collection[Job] = ()) -> None:
        """Is there room for a job when some others leave? Raises Busy."""
        stay = [job for job in self.jobs() if job not in leaving]
        own = sum(job.client == newcomer.client for job in stay)
        if len(stay) >= self._limit or own >= self._per_client:
            raise Busy(f"{len(stay)} jobs are waiting already", retry_after=2.0)
        if stay and sum(job.weight for job in stay) + newcomer.weight > self._bytes:
            raise Busy("the pictures of waiting jobs fill the memory", retry_after=2.0, reason="QUEUE_MEMORY")

    def add(self, job: Job) -> None:
        """Put a job in. Raises Busy when there is no room."""
        self.check(job)
        self._lane(job).setdefault(job.client, deque()).append(job)

    def take(self) -> Job | None:
        """The next job, or None."""
        aged = any(jobs[0].created < time.time() - AGE for jobs in self._batch.values()) and not self._batch_went
        for lane in (self._batch, self._interactive) if aged else (self._interactive, self._batch):
            if lane:
                client, jobs = next(iter(lane.items()))
                job = jobs.popleft()
                del lane[client]
                if jobs:
                    lane[client] = jobs  # to the end of the round
                self._batch_went = lane is self._batch
                return job
        return None

    def remove(self, job: Job) -> bool:
        """Take a job out; says whether it was in."""
        lane = self._lane(job)
        jobs = lane.get(job.client, deque())
        if job not in jobs:
            return False
        jobs.remove(job)
        if not jobs:
            del lane[job.client]
        return True

    def waiting(self, client: str) -> list[Job]:
        """A client's jobs that wait."""
        return [job for job in self.jobs() if job.client == client]

    def order(self) -> list[Job]:
        """All that wait, in the order in which they will be served if nobody else comes and none ages."""
        return [*_rounds(self._interactive), *_rounds(self._batch)]

    def _lane(self, job: Job) -> Lane:
        return self._batch if job.spec.lane == jobs_pb2.LANE_BATCH else self._interactive


def _rounds(lane: Lane) -> list[Job]:
    ranked = [(number, turn, job) for turn, jobs in enumerate(lane.values()) for number, job in enumerate(jobs)]
    return [job for _, _, job in sorted(ranked, key=lambda entry: entry[:2])]
