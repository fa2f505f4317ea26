"""The office where jobs are handed in, wait, are worked on one after the other, and are asked after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from velatura.v1 import jobs_pb2

from .. import events, wire
from ..errors import Broken, Busy, Cancelled, NotFound, VelaturaError, WorkerLost
from ..models.index import ModelIndex
from ..planning.job import make
from ..server.limits import Limits
from ..worker.channel import pack
from ..worker.host import WorkerHost
from . import scribe
from .job import Job
from .journal import Journal, Record
from .queue import JobQueue

log = logging.getLogger("velatura.front")

READERS = 4
"""Jobs whose pictures are decoded at the same time."""


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
        self._queue = JobQueue(
            limit=limits.max_queue, limit_per_client=limits.max_queue_per_client, limit_bytes=limits.max_queue_bytes
        )
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._requests: dict[tuple[str, str], Job] = {}
        self._accepting: dict[tuple[str, str], asyncio.Task[Job]] = {}
        self._readers = asyncio.Semaphore(READERS)
        self._pen = ThreadPoolExecutor(1, "velatura-journal")  # disks are slow, and their order matters
        self._arrived = asyncio.Event()
        self._left: list[Record] = []
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
        async with self._readers:
            return await asyncio.to_thread(self._plan, spec)

    def _plan(self, spec: jobs_pb2.JobSpec) -> tuple[Any, jobs_pb2.JobSpec]:
        request = wire.read(spec, limits=self._limits, blob=self._blobs.get)
        self._index.refresh()
        plan = make(request, self._index)
        return plan, wire.resolve(spec, plan, self._blobs.put)

    async def submit(self, spec: jobs_pb2.JobSpec, client: str, *, lasting: bool) -> Job:
        """Accept a job. A lasting one outlives the call and the front, and its request id makes it one job however
        often it is handed in. Raises typed errors."""
        if not (lasting and spec.request_id):
            return await self._accept(spec, client, lasting)
        key = (client, spec.request_id)
        if key in self._requests:
            return self._requests[key]
        if key not in self._accepting:
            task = self._accepting[key] = asyncio.create_task(self._accept(spec, client, lasting))
            task.add_done_callback(lambda _: self._accepting.pop(key))
        return await asyncio.shield(self._accepting[key])

    async def _accept(self, spec: jobs_pb2.JobSpec, client: str, lasting: bool) -> Job:
        plan, resolved = await self.plan(spec)
        job = Job(id=secrets.token_hex(12), client=client, spec=resolved, lasting=lasting)
        await self._give_plan(job, plan)
        self._queue.check(job, leaving=self._older(job))
        if lasting:
            await self._write(self._journal.accept, job)
        try:
            older = self._older(job)
            self._queue.check(job, leaving=older)
        except Busy:
            self._note(self._journal.forget, job.id)
            raise
        for other in older:
            self.cancel(other)
        self._register(job)
        self._enter(job)
        return job

    async def _give_plan(self, job: Job, plan: Any) -> None:
        job.plan, job.weight = plan, (await asyncio.to_thread(pack, plan)).size

    def _older(self, newer: Job) -> list[Job]:
        """Jobs whose place a new one takes."""
        key = newer.spec.supersede_key
        candidates = [*self._queue.waiting(newer.client), *([self.running] if self.running else [])]
        return [job for job in candidates if key and job.client == newer.client and job.spec.supersede_key == key]

    def _register(self, job: Job) -> None:
        self._jobs[job.id] = job
        if job.lasting and job.spec.request_id:
            self._requests[job.client, job.spec.request_id] = job

    def _enter(self, job: Job) -> None:
        self._queue.add(job)
        self._tell_positions()
        self._arrived.set()
        self.changed()

    def _tell_positions(self) -> None:
        for place, job in enumerate(self._queue.order(), self.running is not None):
            if job.position != place:
                job.position = place
                job.log.add(queued=jobs_pb2.Queued(position=place))

    def find(self, job_id: str, client: str) -> Job:
        """A client's own job. Raises NotFound, also for the jobs of others."""
        job = self._jobs.get(job_id)
        if job is None or job.client != client:
            raise NotFound(
                "job", job_id[:64], field="job_id", reason="UNKNOWN_JOB", remedy="list the jobs; old ones are forgotten"
            )
        return job

    def list(self, client: str) -> list[Job]:
        """A client's jobs, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.client == client]

    def cancel(self, job: Job) -> None:
        """Stop a job: at once where it waits, within a step where it runs. A job that has ended stays as it is."""
        if job is self.running:
            self._worker.cancel(job.id)
        elif not job.has_ended:
            self._queue.remove(job)
            self._end(job, Cancelled("the job was cancelled"))
            self._tell_positions()

    def forget(self, job: Job) -> None:
        """Drop a job that nobody can ask after."""
        self._jobs.pop(job.id, None)
        if job.lasting:
            self._requests.pop((job.client, job.spec.request_id), None)
            self._note(self._journal.forget, job.id)

    def restore(self) -> None:
        """Know again what an earlier front knew. Jobs that it was running are said to be lost."""
        for job in self._journal.finished(self._limits.kept_seconds):
            job.weight = _weight(job)
            self._register(job)
        self._left = self._journal.unfinished()
        for record in self._left:
            job = Job(id=record.id, client=record.client, spec=record.spec, created=record.created, lasting=True)
            self._register(job)
            if record.was_running:
                self._end(job, WorkerLost("the engine stopped during this job"))

    async def recover(self) -> None:
        """Let the jobs wait again that waited in an earlier front."""
        for record in self._left:
            job = self._jobs.get(record.id)
            if job is None or job.has_ended:
                continue
            try:
                plan, job.spec = await self.plan(record.spec)
                await self._give_plan(job, plan)
                if not job.has_ended:
                    self._enter(job)
            except VelaturaError as trouble:
                self._end(job, trouble)
            except Exception:  # as in `work`
                log.exception("job %s could not be taken up", record.id)
                self._end(job, Broken("the engine failed to take this job up again"))
        self._left = []

    async def work(self) -> None:
        """Do jobs for ever, one after the other."""
        while True:
            job = self._queue.take()
            if job is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self.running = job
            self._tell_positions()
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
        if job.lasting:
            self._note(self._journal.begin, job.id)
        self.changed()
        async with contextlib.aclosing(self._worker.run(job.id, job.plan)) as stream:
            async for event in stream:
                if isinstance(event, events.Done):
                    self._end(job, None, event)
                elif isinstance(event, events.Failed):
                    self._end(job, event.error)
                else:
                    await scribe.write(job, event, self._blobs.put)
        if not job.has_ended:
            self._end(job, Broken("the painting process ended without a word"))

    def _end(self, job: Job, trouble: VelaturaError | None, done: events.Done | None = None) -> None:
        if job.has_ended:
            return
        job.state = (
            jobs_pb2.JOB_STATE_SUCCEEDED if trouble is None
            else jobs_pb2.JOB_STATE_CANCELLED if isinstance(trouble, Cancelled)
            else jobs_pb2.JOB_STATE_FAILED
        )  # fmt: skip
        job.ended, job.plan = time.time(), None
        job.error = None if trouble is None else wire.error(trouble)
        job.log.add(finished=jobs_pb2.Finished(
            state=job.state, error=job.error, resolved=job.spec, timings=dict(done.timings) if done else {},
            peak_memory=done.peak_memory if done else 0,
        ))  # fmt: skip
        job.weight = _weight(job)
        if job.lasting:
            self._note(self._journal.end, job)
        self._trim()
        self.changed()

    def _trim(self) -> None:
        ended = [job for job in self._jobs.values() if job.has_ended]
        held = sum(job.weight for job in ended)
        for number, job in enumerate(ended[:-1]):
            if len(ended) - number <= self._limits.kept_jobs and held <= self._limits.kept_bytes:
                break
            held -= job.weight
            self.forget(job)

    async def close(self) -> None:
        """End the jobs whose calls end with the front; the others are in the journal."""
        for job in list(self._jobs.values()):
            if not job.lasting:
                self._end(job, Cancelled("the engine was stopped"))
        await asyncio.to_thread(self._pen.shutdown)

    async def _write(self, write: Callable[..., None], *facts: Any) -> None:
        """Write into the journal, and wait until it is written."""
        await asyncio.get_running_loop().run_in_executor(self._pen, write, *facts)

    def _note(self, write: Callable[..., None], *facts: Any) -> None:
        """Write into the journal some time soon, after what was noted before."""

        def attempt() -> None:
            try:
                write(*facts)
            except Exception:  # the rim of the journal's thread: a full disk must not stop the painting
                log.exception("the journal could not be written")

        with contextlib.suppress(RuntimeError):  # the front is stopping; the journal says that the job was running
            self._pen.submit(attempt)


def _weight(job: Job) -> int:
    return sum(event.ByteSize() for event in job.log.kept)
