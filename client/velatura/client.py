"""The engine as plain function calls, for any thread of any host."""

from __future__ import annotations

import asyncio
import logging
import uuid
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from . import blobs
from .discovery import find
from .endpoint import Endpoint
from .errors import Broken, Cancelled, Incompatible, Unreachable, VelaturaError
from .job import Feed, Job, Patience
from .loop import shared
from .v1 import catalog_pb2, engine_service_pb2, job_service_pb2, jobs_pb2
from .version import CONTRACT, VERSION
from .wire import Wire

log = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0
TRANSFER_SECONDS = 300.0
RECONNECT_SECONDS = 120.0
OnEvent = Callable[[jobs_pb2.JobEvent], None]


class Engine:
    """A connection to an engine. All calls may be made from any thread; none needs an event loop.

    Calls that wait for an answer take `timeout` in seconds and raise a `VelaturaError`. `generate`, `submit` and the
    watches return at once; what they return is polled or waited for. Connections that were lost are opened again by
    the next call. Close it, or use it in a `with`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._wire = Wire(endpoint)
        self._loop = shared()
        self._catalog: catalog_pb2.Catalog | None = None
        self._limits: catalog_pb2.Capabilities | None = None
        self._handing = asyncio.Lock()
        self._feeds: weakref.WeakSet[Feed] = weakref.WeakSet()
        self._closer = weakref.finalize(self, self._loop.call_soon, self._wire.close)

    @classmethod
    def connect(cls, endpoint: Endpoint | str | None = None, *, timeout: float = 10.0) -> Engine:
        """Connects and checks that an engine of the right contract answers.

        `endpoint` is an Endpoint, an address, or None: the one that VELATURA_ENGINE names or that runs here.
        Raises Unreachable, Unauthenticated, Incompatible or Timeout.
        """
        if endpoint is None:
            endpoint = find()
            if endpoint is None:
                raise Unreachable("No engine is running on this computer")
        engine = cls(Endpoint(address=endpoint) if isinstance(endpoint, str) else endpoint)
        try:
            engine.check(timeout=timeout)
        except BaseException:
            engine.close()
            raise
        return engine

    def check(self, *, timeout: float = 10.0) -> catalog_pb2.Capabilities:
        """Asks whether the engine is ready and of the right contract; returns what it is."""
        if not self._loop.run(self._wire.is_serving(timeout)):
            raise Unreachable(f"The engine at {self.endpoint.address} is still starting", remedy="Try again soon.")
        found = self.capabilities(timeout=timeout)
        if found.contract != CONTRACT:
            raise Incompatible(
                f"Engine {found.engine_version} speaks {found.contract or 'nothing known'}, "
                f"this plug-in ({VERSION}) speaks {CONTRACT}"
            )
        return found

    def close(self) -> None:
        """Ends what this connection watches, drops its Generate calls and closes it."""
        for feed in list(self._feeds):
            feed._stop_watching()
        self._closer()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Jobs

    def generate(
        self,
        spec: jobs_pb2.JobSpec,
        on_event: OnEvent | None = None,
        timeout: float | None = None,
        *,
        fetch: bool = True,
    ) -> Job:
        """Runs a job that lives as long as this call: cancelling it or losing the connection ends it.

        Pictures and meshes above 4 MiB go up as blobs first. `on_event` is called with each event on the network
        thread. `timeout` is a deadline for the whole job, seconds. `fetch=False` leaves results that came as blobs to
        `get_blob`. It is never sent twice.
        """
        job = Job(on_event)

        async def events() -> AsyncGenerator[jobs_pb2.JobEvent, None]:
            request = job_service_pb2.GenerateRequest(spec=await self._lift(spec, timeout))
            async with aclosing(self._wire.stream("JobService.Generate", request, timeout)) as answers:
                async for answer in answers:
                    if fetch:
                        await blobs.land(self._wire, answer.event, TRANSFER_SECONDS)
                    yield answer.event

        return self._follow(job, events())

    def submit(self, spec: jobs_pb2.JobSpec, on_event: OnEvent | None = None, *, fetch: bool = True) -> Job:
        """Runs a job that outlives the connection: `create_job` and `watch_job` in one. Waits for acceptance only."""
        return self.watch_job(self.create_job(spec).id, on_event=on_event, fetch=fetch)

    def hand_in(
        self,
        spec: jobs_pb2.JobSpec,
        on_event: OnEvent | None = None,
        *,
        fetch: bool = True,
        patience: float = RECONNECT_SECONDS,
    ) -> Job:
        """As `submit`, but returns at once, for a thread that must not wait: a refusal too comes as the job's error.

        Jobs reach the engine in the order in which they were handed in. The job's `id` is empty until it was accepted;
        cancelled before that, it is stopped as soon as it is.
        """
        job = Job(on_event)
        stopping: list[bool] = []

        async def events() -> AsyncGenerator[jobs_pb2.JobEvent, None]:
            async with self._handing:
                job.id = (await self._create(spec, ANSWER_SECONDS)).id
            if stopping:
                self._ask_to_stop(job)
            async with aclosing(self._watched(job.id, 0, fetch, patience)) as watched:
                async for event in watched:
                    yield event

        self._follow(job, events())
        engine = weakref.ref(self)

        def stop() -> None:
            stopping.append(True)
            if job.id and (living := engine()):
                living._ask_to_stop(job)

        job._stop = stop
        return job

    def create_job(self, spec: jobs_pb2.JobSpec, *, timeout: float | None = ANSWER_SECONDS) -> jobs_pb2.Job:
        """Hands in a job that outlives the connection. Sent again if the connection fails, but accepted once."""
        return self._loop.run(self._create(spec, timeout))

    def watch_job(
        self,
        job_id: str,
        after_sequence: int = 0,
        on_event: OnEvent | None = None,
        *,
        fetch: bool = True,
        patience: float = RECONNECT_SECONDS,
    ) -> Job:
        """Follows a job from an event on, connecting again where it left off whenever the connection is lost.

        Gives up after `patience` seconds without an engine. `cancel` of the handle stops the job at the engine.
        """
        job = Job(on_event, job_id)
        job.last_sequence = after_sequence
        self._follow(job, self._watched(job_id, after_sequence, fetch, patience))
        engine = weakref.ref(self)
        job._stop = lambda: (living := engine()) and living._ask_to_stop(job)
        return job

    def cancel_job(self, job_id: str, *, timeout: float | None = ANSWER_SECONDS) -> jobs_pb2.Job:
        """Stops a job within one step; one that ended stays as it is."""
        return self._unary("JobService.CancelJob", job_service_pb2.CancelJobRequest(job_id=job_id), timeout).job

    def get_job(self, job_id: str, *, timeout: float | None = ANSWER_SECONDS) -> jobs_pb2.Job:
        """A job as the engine knows it."""
        return self._unary("JobService.GetJob", job_service_pb2.GetJobRequest(job_id=job_id), timeout).job

    def list_jobs(self, limit: int = 100, *, timeout: float | None = ANSWER_SECONDS) -> list[jobs_pb2.Job]:
        """This caller's newest jobs, at most `limit`, newest first."""
        found: list[jobs_pb2.Job] = []
        token = ""
        while len(found) < limit:
            request = job_service_pb2.ListJobsRequest(page_size=min(limit - len(found), 1000), page_token=token)
            answer = self._unary("JobService.ListJobs", request, timeout)
            found.extend(answer.jobs)
            token = answer.next_page_token
            if not token:
                break
        return found[:limit]

    def plan(
        self, spec: jobs_pb2.JobSpec, *, timeout: float | None = ANSWER_SECONDS
    ) -> job_service_pb2.PlanJobResponse:
        """What would happen: the spec with everything filled in, its stages, and an explanation; nothing runs."""

        async def ask() -> Any:
            request = job_service_pb2.PlanJobRequest(spec=await self._lift(spec, TRANSFER_SECONDS))
            return await self._wire.unary("JobService.PlanJob", request, timeout)

        return self._loop.run(ask())

    # The engine

    def catalog(self, *, timeout: float | None = ANSWER_SECONDS) -> catalog_pb2.Catalog:
        """Everything that can be chosen by name. Asked again it is cheap: what did not change is not sent."""
        etag = self._catalog.etag if self._catalog is not None else ""
        found = self._unary("EngineService.GetCatalog", engine_service_pb2.GetCatalogRequest(etag=etag), timeout)
        if self._catalog is not None and found.catalog.etag == etag:
            return self._catalog
        self._catalog = found.catalog
        return found.catalog

    def rescan_models(self, *, timeout: float | None = 120.0) -> catalog_pb2.Catalog:
        """Makes the engine look at its model folders again; returns the new catalog."""
        request = engine_service_pb2.RescanModelsRequest()
        found = self._unary("EngineService.RescanModels", request, timeout).catalog
        self._catalog = found
        return found

    def capabilities(self, *, timeout: float | None = ANSWER_SECONDS) -> catalog_pb2.Capabilities:
        """What the engine is and allows."""
        self._limits = self._loop.run(self._capabilities(timeout))
        return self._limits

    def watch_engine(
        self, on_status: Callable[[catalog_pb2.EngineStatus], None] | None = None
    ) -> Feed[catalog_pb2.EngineStatus]:
        """How the engine is, now and whenever that changes, until it is cancelled.

        While no engine answers there is one status whose `worker` is "unreachable"; it connects again by itself.
        """
        feed: Feed[catalog_pb2.EngineStatus] = Feed(on_status)

        async def watch() -> None:
            request = engine_service_pb2.WatchEngineRequest()
            waiting, lost = Patience(float("inf")), False
            while True:
                try:
                    async with aclosing(self._wire.stream("EngineService.WatchEngine", request)) as answers:
                        async for answer in answers:
                            waiting.success()
                            lost = False
                            feed._push(answer.status)
                except Unreachable:
                    if not lost:
                        feed._push(catalog_pb2.EngineStatus(worker="unreachable"))
                    lost = True
                await asyncio.sleep(waiting.next_delay() or 0)

        return self._start(feed, watch())

    # Blobs

    def put_blob(self, data: bytes, *, timeout: float | None = TRANSFER_SECONDS) -> str:
        """Stores content unless it is there already; returns its id, the SHA-256 in hexadecimal."""
        return self._loop.run(blobs.put(self._wire, data, timeout))

    def has_blobs(self, blob_ids: Iterable[str], *, timeout: float | None = ANSWER_SECONDS) -> set[str]:
        """Those of at most 1000 ids that the engine has."""
        asked = list(blob_ids)
        return set(asked) - self._loop.run(blobs.missing(self._wire, asked, timeout))

    def get_blob(self, blob_id: str, *, timeout: float | None = TRANSFER_SECONDS) -> bytes:
        """Content by its id, checked against it. Raises NotFound."""
        return self._loop.run(blobs.get(self._wire, blob_id, timeout))

    # Inside

    async def _create(self, spec: jobs_pb2.JobSpec, timeout: float | None) -> jobs_pb2.Job:
        named = jobs_pb2.JobSpec()
        named.CopyFrom(spec)
        named.request_id = spec.request_id or str(uuid.uuid4())
        request = job_service_pb2.CreateJobRequest(spec=await self._lift(named, TRANSFER_SECONDS))
        try:
            return (await self._wire.unary("JobService.CreateJob", request, timeout)).job
        except Unreachable:
            return (await self._wire.unary("JobService.CreateJob", request, timeout)).job

    async def _watched(
        self, job_id: str, last: int, fetch: bool, patience: float
    ) -> AsyncGenerator[jobs_pb2.JobEvent, None]:
        """A job's events after number `last`, over as many connections as it takes."""
        waiting = Patience(patience)
        while True:
            request = job_service_pb2.WatchJobRequest(job_id=job_id, after_sequence=last)
            try:
                async with aclosing(self._wire.stream("JobService.WatchJob", request)) as answers:
                    async for answer in answers:
                        waiting.success()
                        if answer.event.sequence > last:
                            if fetch:
                                await blobs.land(self._wire, answer.event, TRANSFER_SECONDS)
                            last = answer.event.sequence
                            yield answer.event
                        if answer.event.HasField("finished"):
                            return
                return
            except Unreachable:
                delay = waiting.next_delay()
                if delay is None:
                    raise
                await asyncio.sleep(delay)

    def _unary(self, name: str, request: Any, timeout: float | None) -> Any:
        return self._loop.run(self._wire.unary(name, request, timeout))

    async def _capabilities(self, timeout: float | None) -> catalog_pb2.Capabilities:
        request = engine_service_pb2.GetCapabilitiesRequest()
        return (await self._wire.unary("EngineService.GetCapabilities", request, timeout)).capabilities

    async def _lift(self, spec: jobs_pb2.JobSpec, timeout: float | None) -> jobs_pb2.JobSpec:
        if spec.ByteSize() <= blobs.INLINE // 2:
            return spec
        if self._limits is None:
            self._limits = await self._capabilities(ANSWER_SECONDS)
        budget = (self._limits.max_message_bytes or blobs.INLINE) - 65536  # the rest of the message
        return await blobs.lift(self._wire, spec, budget, timeout)

    def _follow(self, job: Job, events: AsyncGenerator[jobs_pb2.JobEvent, None]) -> Job:
        async def follow() -> None:
            async with aclosing(events):
                async for event in events:
                    job._push(event)
            job._end()

        return self._start(job, follow())

    def _start(self, feed: Any, work: Any) -> Any:
        async def guarded() -> None:
            try:
                await work
            except VelaturaError as error:
                feed._end(error)
            except Exception as error:
                log.exception("a watch failed")
                feed._end(Broken("The plug-in failed to read the engine's answer", debug=repr(error)))

        running = self._loop.spawn(guarded())
        feed._stop = feed._stop_watching = running.cancel
        running.add_done_callback(lambda _: feed._end(Cancelled("It was stopped")))
        self._feeds.add(feed)
        return feed

    def _ask_to_stop(self, job: Job) -> None:
        async def ask() -> None:
            try:
                await self._wire.unary(
                    "JobService.CancelJob", job_service_pb2.CancelJobRequest(job_id=job.id), ANSWER_SECONDS
                )
            except VelaturaError as error:
                job._end(error)
                job._stop_watching()

        self._loop.spawn(ask())
