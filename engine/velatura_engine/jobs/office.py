"""The office where jobs are handed in, wait, are worked on one after the other, and are asked after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from velatura.v1 import jobs_pb2

from .. import events, wire
from ..errors import Broken, Cancelled, NotFound, VelaturaError, WorkerLost
from ..models.index import ModelIndex
from ..plan import make
from ..server.limits import Limits
from ..worker.host import WorkerHost
from .job import Job
from .journal import Journal
from .queue import JobQueue

log = logging.getLogger("velatura.front")


class Blobs(Protocol):
    """What the office needs of the blob store."""

    def get(self, blob_id: str) -> bytes:
        """Content by id."""
        ...

    def put(self, content: bytes) -> str:
        """Store content."""
        ...


class JobOffice:
    """All jobs of one engine. Its methods belong to the event loop's thread."""

    def __init__(
        self, *, worker: WorkerHost, index: ModelIndex, blobs: Blobs, journal: Journal, limits: Limits
    ) -> None:
        self._worker, self._index, self._blobs, self._journal, self._limits = worker, index, blobs, journal, limits
        self._queue = JobQueue(limit=limits.max_queue, limit_per_client=limits.max_queue_per_client)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._requests: dict[tuple[str, str], str] = {}
        self._arrived = asyncio.Event()
        self.running: Job | None = None
        self.idle_since = time.monotonic()
        self.changed: Callable[[], None] = lambda: None
        """Called whenever the number of waiting or running jobs changes."""

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    async def plan(self, spec: jobs_pb2.JobSpec) -> tuple[Any, jobs_pb2.JobSpec]:
        """Check a job and fill it in: its plan, and the spec with nothing left open. Raises typed errors."""
        return await asyncio.to_thread(self._plan, spec)

    def _plan(self, spec: jobs_pb2.JobSpec) -> tuple[Any, jobs_pb2.JobSpec]:
        request = wire.read(spec, limits=self._limits, blob=self._blobs.get)
        plan = make(request, self._index)
        return plan, wire.resolve(spec, plan, self._blobs.put)

    async def submit(self, spec: jobs_pb2.JobSpec, client: str, *, lasting: bool) -> Job:
        """Accept a job. A lasting one outlives the call and the front. Raises typed errors."""
        known = self._requests.get((client, spec.request_id)) if spec.request_id else None
        if known in self._jobs:
            return self._jobs[known]
        plan, resolved = await self.plan(spec)
        job = Job(id=secrets.token_hex(12), client=client, spec=resolved, plan=plan, journalled=lasting)
        self._supersede(job)
        self._enter(job)
        if spec.request_id:
            self._requests[client, spec.request_id] = job.id
        return job

    def _enter(self, job: Job) -> None:
        position = self._queue.add(job) + (self.running is not None)
        if job.journalled:
            self._journal.accept(job.id, job.client, job.spec)
        self._jobs[job.id] = job
        job.log.add(queued=jobs_pb2.Queued(position=position))
        self._arrived.set()
        self.changed()

    def _supersede(self, newer: Job) -> None:
        key = newer.spec.supersede_key
        candidates = [*self._queue.waiting(newer.client), *([self.running] if self.running else [])]
        for job in candidates if key else ():
            if job.client == newer.client and job.spec.supersede_key == key:
                self.cancel(job)

    def find(self, job_id: str, client: str) -> Job:
        """A client's own job. Raises NotFound, also for the jobs of others."""
        job = self._jobs.get(job_id)
        if job is None or job.client != client:
            raise NotFound("job", job_id, field="job_id", reason="UNKNOWN_JOB")
        return job

    def list(self, client: str) -> list[Job]:
        """A client's jobs, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.client == client]

    def cancel(self, job: Job) -> None:
        """Stop a job: at once where it waits, within a step where it runs."""
        if self._queue.remove(job):
            self._end(job, Cancelled("the job was cancelled"))
        elif job is self.running:
            self._worker.cancel(job.id)

    def forget(self, job: Job) -> None:
        """Drop a job that nobody can ask after."""
        self._jobs.pop(job.id, None)

    async def recover(self) -> None:
        """Take up what an earlier front left: waiting jobs wait again, running ones are said to be lost."""
        for record in self._journal.unfinished():
            job = Job(id=record.id, client=record.client, spec=record.spec, plan=None, journalled=True)
            self._jobs[job.id] = job
            try:
                if record.was_running:
                    raise WorkerLost("the engine stopped during this job")
                job.plan, job.spec = await self.plan(record.spec)
                self._enter(job)
            except VelaturaError as trouble:
                self._end(job, trouble)

    async def work(self) -> None:
        """Do jobs for ever, one after the other."""
        while True:
            job = self._queue.take()
            if job is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self.running = job
            try:
                await self._run(job)
            except Exception:  # the rim: one job's trouble in the front must not stop the others
                log.exception("job %s failed in the front", job.id)
                self._end(job, Broken("the engine failed to handle this job"))
            finally:
                self.running, self.idle_since = None, time.monotonic()
                self.changed()

    async def _run(self, job: Job) -> None:
        job.state, job.started = jobs_pb2.JOB_STATE_RUNNING, time.time()
        if job.journalled:
            self._journal.begin(job.id)
        self.changed()
        async with contextlib.aclosing(self._worker.run(job.id, job.plan)) as stream:
            async for event in stream:
                await self._tell(job, event)
        if not job.has_ended:
            self._end(job, Broken("the painting process ended without a word"))

    async def _tell(self, job: Job, event: events.Event) -> None:
        """Write one of the worker's events into the job's log."""
        match event:
            case events.Started():
                stages = [jobs_pb2.Stage(name=stage.name, weight=stage.weight) for stage in event.stages]
                job.log.add(started=jobs_pb2.Started(stages=stages, device=event.device))
            case events.Progress():
                job.log.add(progress=_progress(event))
            case events.Warning():
                job.log.add(warning=jobs_pb2.Warning(reason=event.reason, message=event.message, field=event.field))
            case events.Preview():
                job.log.add(preview=await asyncio.to_thread(wire.preview, event))
            case events.Artifact(hidden=False):
                job.log.add(artifact=await asyncio.to_thread(self._artifact, job, event))
            case events.Done():
                self._end(job, None, dict(event.timings), event.peak_memory)
            case events.Failed():
                self._end(job, event.error)

    def _artifact(self, job: Job, event: events.Artifact) -> jobs_pb2.Artifact:
        recipe = wire.recipe(job.spec, job.plan, event)
        return wire.artifact(event, output=job.spec.output, recipe=recipe, put_blob=self._blobs.put)

    def _end(
        self, job: Job, trouble: VelaturaError | None, timings: dict[str, float] | None = None, peak: int = 0
    ) -> None:
        if job.has_ended:
            return
        job.state = (
            jobs_pb2.JOB_STATE_SUCCEEDED if trouble is None
            else jobs_pb2.JOB_STATE_CANCELLED if isinstance(trouble, Cancelled)
            else jobs_pb2.JOB_STATE_FAILED
        )  # fmt: skip
        job.ended, job.plan = time.time(), None
        job.error = None if trouble is None else wire.error(trouble)
        finished = jobs_pb2.Finished(
            state=job.state, error=job.error, resolved=job.spec, timings=timings or {}, peak_memory=peak
        )
        job.log.add(finished=finished)
        if job.journalled:
            self._journal.end(job.id)
        self._trim()
        self.changed()

    def _trim(self) -> None:
        ended = [job for job in self._jobs.values() if job.has_ended]
        for job in ended[: max(0, len(ended) - self._limits.kept_jobs)]:
            self.forget(job)
            self._requests.pop((job.client, job.spec.request_id), None)


def _progress(event: events.Progress) -> jobs_pb2.Progress:
    message = jobs_pb2.Progress(stage=event.stage, step=event.step, steps=event.steps, fraction=event.fraction)
    if event.remaining is not None:
        message.remaining = event.remaining
    return message
