"""Who goes next: interactive before batch, clients in turn, nobody waits for ever."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from velatura.v1 import jobs_pb2

from ..errors import Busy
from .job import Job

AGE = 60.0
"""Seconds after which a waiting batch job goes before interactive ones."""


class JobQueue:
    """Jobs that wait, bounded in all and for each client."""

    def __init__(self, *, limit: int, limit_per_client: int) -> None:
        self._limit, self._per_client = limit, limit_per_client
        self._lanes: dict[int, OrderedDict[str, deque[Job]]] = {
            jobs_pb2.LANE_INTERACTIVE: OrderedDict(),
            jobs_pb2.LANE_BATCH: OrderedDict(),
        }

    def __len__(self) -> int:
        return sum(len(jobs) for lane in self._lanes.values() for jobs in lane.values())

    def add(self, job: Job) -> int:
        """Put a job in; returns how many go first. Raises Busy when there is no room."""
        own = sum(len(lane.get(job.client, ())) for lane in self._lanes.values())
        if len(self) >= self._limit or own >= self._per_client:
            raise Busy(f"{len(self)} jobs are waiting already", retry_after=2.0)
        lane = self._lane(job)
        lane.setdefault(job.client, deque()).append(job)
        return self._before(job)

    def take(self) -> Job | None:
        """The next job, or None."""
        interactive, batch = (self._lanes[lane] for lane in (jobs_pb2.LANE_INTERACTIVE, jobs_pb2.LANE_BATCH))
        aged = any(jobs[0].created < time.time() - AGE for jobs in batch.values())
        for lane in (batch, interactive) if aged else (interactive, batch):
            if lane:
                client, jobs = next(iter(lane.items()))
                job = jobs.popleft()
                del lane[client]
                if jobs:
                    lane[client] = jobs  # to the end of the round
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
        return [job for lane in self._lanes.values() for job in lane.get(client, ())]

    def _lane(self, job: Job) -> OrderedDict[str, deque[Job]]:
        batch = job.spec.lane == jobs_pb2.LANE_BATCH
        return self._lanes[jobs_pb2.LANE_BATCH if batch else jobs_pb2.LANE_INTERACTIVE]

    def _before(self, job: Job) -> int:
        """How many are served before this one, the last of its client, if nobody else comes."""
        lane = self._lane(job)
        own = len(lane[job.client]) - 1
        clients = list(lane)
        ahead = own
        for client in clients:
            if client != job.client:
                rounds = own + (clients.index(client) < clients.index(job.client))
                ahead += min(len(lane[client]), rounds)
        if lane is self._lanes[jobs_pb2.LANE_BATCH]:
            ahead += sum(len(jobs) for jobs in self._lanes[jobs_pb2.LANE_INTERACTIVE].values())
        return ahead
