"""The contract's services: thin, each call a few lines over the office, the store and the index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from velatura.v1 import blob_service_pb2, catalog_pb2, engine_service_pb2, job_service_pb2, jobs_pb2
from velatura.version import CONTRACT, VERSION

from .. import wire
from ..blobs.store import BlobStore
from ..errors import Invalid
from ..jobs.office import JobOffice
from ..models.index import ModelIndex
from ..worker.host import WorkerHost
from .auth import caller
from .limits import Limits

Context = grpc.aio.ServicerContext
MAX_CHUNK = 4 * 2**20


class JobService:
    """Asking for work; see the proto service of the same name."""

    def __init__(self, office: JobOffice) -> None:
        self._office = office

    async def Generate(self, request: Any, context: Context) -> AsyncIterator[job_service_pb2.GenerateResponse]:
        """The call is the job; a dropped call cancels it."""
        job = await self._office.submit(request.spec, caller(context), lasting=False)
        # The callback comes at once when a call is dropped, also while this generator waits for its reader.
        context.add_done_callback(lambda _: self._office.cancel(job))  # pyright: ignore[reportArgumentType] (stubs)
        try:
            async with aclosing(job.log.watch()) as events:
                async for event in events:
                    yield job_service_pb2.GenerateResponse(event=event)
        finally:
            self._office.cancel(job)
            self._office.forget(job)

    async def PlanJob(self, request: Any, context: Context) -> job_service_pb2.PlanJobResponse:
        """What would happen."""
        plan, resolved = await self._office.plan(request.spec)
        stages = [jobs_pb2.Stage(name=stage.name, weight=stage.weight) for stage in plan.stages]
        return job_service_pb2.PlanJobResponse(resolved=resolved, stages=stages, explanation=plan.explain())

    async def CreateJob(self, request: Any, context: Context) -> job_service_pb2.CreateJobResponse:
        """Accept a job that outlives the call."""
        job = await self._office.submit(request.spec, caller(context), lasting=True)
        return job_service_pb2.CreateJobResponse(job=job.message())

    async def WatchJob(self, request: Any, context: Context) -> AsyncIterator[job_service_pb2.WatchJobResponse]:
        """Events of a job from a number on."""
        job = self._office.find(request.job_id, caller(context))
        async with aclosing(job.log.watch(request.after_sequence)) as events:
            async for event in events:
                yield job_service_pb2.WatchJobResponse(event=event)

    async def CancelJob(self, request: Any, context: Context) -> job_service_pb2.CancelJobResponse:
        """Stop a job."""
        job = self._office.find(request.job_id, caller(context))
        self._office.cancel(job)
        return job_service_pb2.CancelJobResponse(job=job.message())

    async def GetJob(self, request: Any, context: Context) -> job_service_pb2.GetJobResponse:
        """A job as it stands."""
        return job_service_pb2.GetJobResponse(job=self._office.find(request.job_id, caller(context)).message())

    async def ListJobs(self, request: Any, context: Context) -> job_service_pb2.ListJobsResponse:
        """The caller's jobs, newest first, in pages that begin after a job's id."""
        jobs = self._office.list(caller(context))
        if request.page_token:
            after = [number for number, job in enumerate(jobs) if job.id == request.page_token]
            if not after:
                raise Invalid("page_token", "is not from an earlier answer", remedy="begin again without one")
            jobs = jobs[after[0] + 1 :]
        size = min(request.page_size or 100, 1000)
        return job_service_pb2.ListJobsResponse(
            jobs=[job.message() for job in jobs[:size]], next_page_token=jobs[size - 1].id if len(jobs) > size else ""
        )


class BlobService:
    """Large content; see the proto service of the same name."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    async def PutBlob(self, requests: AsyncIterator[Any], context: Context) -> blob_service_pb2.PutBlobResponse:
        """Store content sent in chunks."""
        upload = None
        try:
            async for request in requests:
                if len(request.data) > MAX_CHUNK:
                    raise Invalid("data", f"at most {MAX_CHUNK} bytes in a message, got {len(request.data)}")
                if upload is None:
                    upload = await asyncio.to_thread(self._store.upload, request.blob_id, request.size)
                await asyncio.to_thread(upload.add, request.data)
            if upload is None:
                raise Invalid("data", "nothing was sent")
            return blob_service_pb2.PutBlobResponse(blob_id=await asyncio.to_thread(upload.finish))
        finally:
            if upload is not None:
                upload.drop()

    async def HasBlobs(self, request: Any, context: Context) -> blob_service_pb2.HasBlobsResponse:
        """Which of these are not here?"""
        if len(request.blob_ids) > 1000:
            raise Invalid("blob_ids", f"at most 1000 at once, got {len(request.blob_ids)}")
        missing = await asyncio.to_thread(lambda: [name for name in request.blob_ids if not self._store.has(name)])
        return blob_service_pb2.HasBlobsResponse(missing_blob_ids=missing)

    async def GetBlob(self, request: Any, context: Context) -> AsyncIterator[blob_service_pb2.GetBlobResponse]:
        """Content in chunks."""
        size = self._store.size(request.blob_id)
        pieces = self._store.chunks(request.blob_id)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield blob_service_pb2.GetBlobResponse(data=piece, size=size)
            size = 0


class EngineService:
    """What the engine is and has; see the proto service of the same name."""

    def __init__(self, *, index: ModelIndex, office: JobOffice, worker: WorkerHost, limits: Limits) -> None:
        self._index, self._office, self._worker, self._limits = index, office, worker, limits
        self._watchers: set[asyncio.Event] = set()
        office.changed = worker.changed = self._notify

    async def GetCatalog(self, request: Any, context: Context) -> engine_service_pb2.GetCatalogResponse:
        """Everything that can be chosen by name; nothing where the caller has it already."""
        if await asyncio.to_thread(self._index.refresh):
            self._notify()
        if request.etag and request.etag == self._index.etag:
            return engine_service_pb2.GetCatalogResponse(catalog=catalog_pb2.Catalog(etag=request.etag))
        return engine_service_pb2.GetCatalogResponse(catalog=wire.catalog(self._index))

    async def RescanModels(self, request: Any, context: Context) -> engine_service_pb2.RescanModelsResponse:
        """Look at the model folders again."""
        await asyncio.to_thread(self._index.rescan)
        self._notify()
        return engine_service_pb2.RescanModelsResponse(catalog=wire.catalog(self._index))

    async def GetCapabilities(self, request: Any, context: Context) -> engine_service_pb2.GetCapabilitiesResponse:
        """What it is and allows."""
        limits, models = self._limits, self._index.entries()
        return engine_service_pb2.GetCapabilitiesResponse(
            capabilities=catalog_pb2.Capabilities(
                engine_version=VERSION, contract=CONTRACT, device=self._worker.device,
                max_pixels=limits.max_generated_pixels, max_steps=limits.max_steps, max_count=limits.max_count,
                max_message_bytes=limits.max_message_bytes, max_blob_bytes=limits.max_blob_bytes,
                max_queue=limits.max_queue, default_model=next((m.id for m in models if m.is_default), ""),
            )
        )  # fmt: skip

    async def WatchEngine(
        self, request: Any, context: Context
    ) -> AsyncIterator[engine_service_pb2.WatchEngineResponse]:
        """How it is, whenever that changes."""
        stirred = asyncio.Event()
        self._watchers.add(stirred)
        try:
            while True:
                stirred.clear()
                yield engine_service_pb2.WatchEngineResponse(status=self._status())
                await stirred.wait()
        finally:
            self._watchers.discard(stirred)

    def _status(self) -> catalog_pb2.EngineStatus:
        return catalog_pb2.EngineStatus(
            queued=self._office.waiting, running=int(self._office.running is not None), worker=self._worker.state,
            resident_model=self._worker.resident, catalog_etag=self._index.etag,
            worker_restarts=self._worker.restarts,
        )  # fmt: skip

    def _notify(self) -> None:
        for watcher in self._watchers:
            watcher.set()
