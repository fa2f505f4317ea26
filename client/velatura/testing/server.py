"""The fake engine: a real gRPC server on a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import ssl
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from grpclib.config import Configuration
from grpclib.const import Handler, Status
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream

from .. import foreign
from ..endpoint import Endpoint
from ..errors import Invalid, NotFound, Unauthenticated, VelaturaError, to_proto
from ..loop import Loop
from ..v1 import blob_service_pb2, catalog_pb2, engine_service_pb2, job_service_pb2, jobs_pb2, pixels_pb2
from ..version import CONTRACT, VERSION
from ..wire import METHODS, WINDOW
from . import painter
from .catalog import catalog
from .jobs import FakeJob, Script, stamp

_STATUS = {1: Status.INVALID_ARGUMENT, 2: Status.NOT_FOUND, 3: Status.FAILED_PRECONDITION, 4: Status.RESOURCE_EXHAUSTED}
_STATUS |= {5: Status.CANCELLED, 6: Status.UNAVAILABLE, 8: Status.UNAUTHENTICATED, 9: Status.DEADLINE_EXCEEDED}


class _Server(Server):
    """A server that knows all its connections, also those over which nothing was asked yet."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._transports: weakref.WeakSet[Any] = weakref.WeakSet()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        made = protocol.connection_made

        def connection_made(transport: Any) -> None:
            self._transports.add(transport)
            made(transport)

        protocol.connection_made = connection_made
        return protocol

    async def die(self) -> None:
        """Stops listening and breaks every connection off."""
        # Python 3.11 loses the sockets that it has accepted when a server closes: none more, those made ready, then
        # closed. Windows' loop neither can nor need be asked.
        with contextlib.suppress(NotImplementedError):
            for listening in self._server.sockets:  # type: ignore[union-attr]
                asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(3):  # a task, a transport and a protocol, each made in the loop's next round
            await asyncio.sleep(0)
        self.close()
        for transport in list(self._transports):
            transport.abort()
        await self.wait_closed()
        await asyncio.sleep(0)  # the sockets close in the next round


class FakeEngine:
    """A gRPC server on 127.0.0.1 that behaves like the engine and paints by arithmetic. Use it in a `with`.

    `token`: what callers must send; empty: nothing. `port` 0: any. `tls`: a server's ssl context. `contract`,
    `version`: what it says of itself. `inline`: bytes above which a result's picture is sent as a blob.
    Public state: `requests` (every message in order, with its method's name), `specs` (every job), `blobs`, `jobs`.
    """

    def __init__(
        self,
        *,
        token: str = "",
        port: int = 0,
        script: Script | None = None,
        tls: ssl.SSLContext | None = None,
        contract: str = CONTRACT,
        version: str = VERSION,
        inline: int = painter.INLINE,
    ) -> None:
        self.token = token
        self.port = port
        self.script = script or Script()
        self.contract = contract
        self.version = version
        self.inline = inline
        self.serving = True
        self.requests: list[tuple[str, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.jobs: dict[str, FakeJob] = {}
        self._tls = tls
        self._next_scripts: deque[Script] = deque()
        self._numbers = itertools.count(1)
        self._server: _Server | None = None
        self._dying: asyncio.Task[None] | None = None
        self._loop: Loop | None = None

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens and its token, for `Engine.connect`."""
        return Endpoint(address=self.address, token=self.token, tls=self._tls is not None)

    @property
    def specs(self) -> list[jobs_pb2.JobSpec]:
        """What was asked of it: the spec of every Generate and CreateJob, in order."""
        asked = ("JobService.Generate", "JobService.CreateJob")
        return [request.spec for name, request in self.requests if name in asked]

    def once(self, script: Script) -> None:
        """The next job goes like this; further calls queue up for the jobs after it."""
        self._next_scripts.append(script)

    def start(self) -> FakeEngine:
        """Listens; after `kill` on the same port as before, with its jobs still there."""
        self._loop = self._loop or Loop("velatura-fake")
        self._loop.run(self._start())
        return self

    def kill(self) -> None:
        """Dies as a crashed engine does: every connection breaks off, nothing listens. Jobs that were created go on."""
        if self._loop is not None:
            self._loop.run(self._kill())

    def stop(self) -> None:
        """Ends it for good."""
        if self._loop is not None:
            self.kill()
            self._loop.stop()
            self._loop = None

    def __enter__(self) -> FakeEngine:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _start(self) -> None:
        self._server = _Server(
            [self],
            codec=ProtoCodec(),
            status_details_codec=foreign.ErrorCodec(),
            config=Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW),
        )
        await self._server.start("127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _kill(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.die()

    def __mapping__(self) -> dict[str, Handler]:
        """The methods, as grpclib wants them."""
        handlers = {}
        for name, method in METHODS.items():
            handle = getattr(self, "_" + name.partition(".")[2])
            handlers[method.path] = Handler(
                self._guarded(name, handle), method.cardinality, method.request, method.reply
            )
        return handlers

    def _guarded(self, name: str, handle: Callable[..., Awaitable[None]]) -> Callable[[Stream], Awaitable[None]]:
        async def handler(stream: Stream[Any, Any]) -> None:
            try:
                if self.token and name != "Health.Check":
                    sent = (stream.metadata or {}).get("authorization")
                    if sent != f"Bearer {self.token}":
                        raise Unauthenticated("The token is missing or wrong")
                if METHODS[name].cardinality.client_streaming:
                    await handle(stream)
                else:
                    request = await stream.recv_message()
                    self.requests.append((name, request))
                    await handle(stream, request)
            except VelaturaError as error:
                status = _STATUS.get(error.kind, Status.INTERNAL)
                raise GRPCError(status, error.message, to_proto(error)) from error

        return handler

    # Jobs

    def _accept(self, spec: jobs_pb2.JobSpec) -> FakeJob:
        for job in self.jobs.values():
            if spec.request_id and job.state.spec.request_id == spec.request_id:
                return job
        script = self._next_scripts.popleft() if self._next_scripts else self.script
        if script.refuse is not None:
            raise script.refuse
        checker = painter.Checker(self.blobs)
        checker.job(spec)
        sizes = checker.made
        for job in self.jobs.values():
            if spec.supersede_key and job.state.spec.supersede_key == spec.supersede_key and job.task:
                job.task.cancel()
        job = FakeJob(f"job-{next(self._numbers)}", painter.resolve(spec, sizes, self.blobs))
        self.jobs[job.state.id] = job
        job.task = asyncio.get_running_loop().create_task(self._run(job, script, sizes))
        return job

    async def _run(self, job: FakeJob, script: Script, sizes: dict[str, painter.Size]) -> None:
        try:
            await self._play(job, script, sizes)
        except asyncio.CancelledError:
            job.finish(jobs_pb2.JOB_STATE_CANCELLED)
        except VelaturaError as error:
            job.finish(jobs_pb2.JOB_STATE_FAILED, error)

    async def _play(self, job: FakeJob, script: Script, sizes: dict[str, painter.Size]) -> None:
        spec, killed = job.state.spec, False
        job.emit(queued=jobs_pb2.Queued(position=0))
        job.state.state = jobs_pb2.JOB_STATE_RUNNING
        stamp(job.state.start_time)
        job.emit(started=jobs_pb2.Started(stages=[jobs_pb2.Stage(name="diffuse", weight=1)], device="fake"))
        if script.warn:
            job.emit(warning=jobs_pb2.Warning(reason="FAKE", message=script.warn))
        for step in range(1, script.steps + 1):
            await asyncio.sleep(script.delay)
            job.emit(
                progress=jobs_pb2.Progress(
                    stage="diffuse", step=step, steps=script.steps, fraction=step / script.steps, remaining=0
                )
            )
            if spec.preview.enabled:
                image = pixels_pb2.Image(data=painter.PREVIEW, format=pixels_pb2.PIXEL_FORMAT_JPEG)
                job.emit(preview=jobs_pb2.Preview(image=image, step=step, step_id=spec.steps[0].id))
            if script.hang:
                await asyncio.Event().wait()
            if script.kill_after is not None and len(job.events) >= script.kill_after and not killed:
                killed = True
                await asyncio.sleep(0.02)  # the events leave first
                self._dying = asyncio.get_running_loop().create_task(self._kill())
            if script.fail is not None and step * 2 >= script.steps:
                raise script.fail
        for artifact in painter.paint(spec, sizes):
            if artifact.HasField("image"):
                painter.pack(artifact, spec.output)
                if len(artifact.image.data) > self.inline:
                    artifact.image.blob_id = self._store(artifact.image.data)
            job.emit(artifact=artifact)
        job.finish(jobs_pb2.JOB_STATE_SUCCEEDED, resolved=spec, timings={"diffuse": script.delay * script.steps})

    def _job(self, job_id: str) -> FakeJob:
        if job_id not in self.jobs:
            raise NotFound(f"There is no job {job_id!r}", field="job_id", reason="UNKNOWN_JOB")
        return self.jobs[job_id]

    async def _Generate(self, stream: Stream[Any, Any], request: Any) -> None:
        job = self._accept(request.spec)
        try:
            async for event in job.follow(live=True):
                await stream.send_message(job_service_pb2.GenerateResponse(event=event))
        finally:
            if job.task is not None:
                job.task.cancel()

    async def _CreateJob(self, stream: Stream[Any, Any], request: Any) -> None:
        await stream.send_message(job_service_pb2.CreateJobResponse(job=self._accept(request.spec).state))

    async def _WatchJob(self, stream: Stream[Any, Any], request: Any) -> None:
        async for event in self._job(request.job_id).follow(request.after_sequence):
            await stream.send_message(job_service_pb2.WatchJobResponse(event=event))

    async def _CancelJob(self, stream: Stream[Any, Any], request: Any) -> None:
        job = self._job(request.job_id)
        if job.task is not None:
            job.task.cancel()
        await stream.send_message(job_service_pb2.CancelJobResponse(job=job.state))

    async def _GetJob(self, stream: Stream[Any, Any], request: Any) -> None:
        await stream.send_message(job_service_pb2.GetJobResponse(job=self._job(request.job_id).state))

    async def _ListJobs(self, stream: Stream[Any, Any], request: Any) -> None:
        newest = [job.state for job in reversed(self.jobs.values())]
        first = int(request.page_token or 0)
        last = first + (request.page_size or 100)
        token = str(last) if last < len(newest) else ""
        await stream.send_message(job_service_pb2.ListJobsResponse(jobs=newest[first:last], next_page_token=token))

    async def _PlanJob(self, stream: Stream[Any, Any], request: Any) -> None:
        checker = painter.Checker(self.blobs)
        checker.job(request.spec)
        answer = job_service_pb2.PlanJobResponse(
            resolved=painter.resolve(request.spec, checker.made, self.blobs),
            stages=[jobs_pb2.Stage(name="diffuse", weight=1)],
            explanation="The fake engine paints by arithmetic.",
        )
        await stream.send_message(answer)

    # Blobs

    def _store(self, data: bytes) -> str:
        blob_id = hashlib.sha256(data).hexdigest()
        self.blobs[blob_id] = data
        return blob_id

    async def _PutBlob(self, stream: Stream[Any, Any]) -> None:
        first: Any = None
        parts = []
        async for request in stream:
            if first is None:
                first = request
                self.requests.append(("BlobService.PutBlob", blob_service_pb2.PutBlobRequest(blob_id=request.blob_id)))
            if len(request.data) > painter.INLINE:
                raise Invalid("a chunk has at most 4 MiB", field="data")
            parts.append(request.data)
        data = b"".join(parts)
        if first is None or len(data) != first.size or hashlib.sha256(data).hexdigest() != first.blob_id:
            raise Invalid("the content does not fit its id", field="blob_id")
        await stream.send_message(blob_service_pb2.PutBlobResponse(blob_id=self._store(data)))

    async def _HasBlobs(self, stream: Stream[Any, Any], request: Any) -> None:
        missing = [blob_id for blob_id in request.blob_ids if blob_id not in self.blobs]
        await stream.send_message(blob_service_pb2.HasBlobsResponse(missing_blob_ids=missing))

    async def _GetBlob(self, stream: Stream[Any, Any], request: Any) -> None:
        data = self.blobs.get(request.blob_id)
        if data is None:
            raise NotFound("This content is not at the engine any more", field="blob_id", reason="UNKNOWN_BLOB")
        for start in range(0, max(len(data), 1), 1 << 20):
            part = data[start : start + (1 << 20)]
            await stream.send_message(blob_service_pb2.GetBlobResponse(data=part, size=0 if start else len(data)))

    # The engine

    async def _Check(self, stream: Stream[Any, Any], request: Any) -> None:
        await stream.send_message(foreign.HealthCheckResponse(status=foreign.SERVING if self.serving else 2))

    async def _GetCatalog(self, stream: Stream[Any, Any], request: Any) -> None:
        found = catalog_pb2.Catalog(etag="fake") if request.etag == "fake" else catalog()
        await stream.send_message(engine_service_pb2.GetCatalogResponse(catalog=found))

    async def _RescanModels(self, stream: Stream[Any, Any], request: Any) -> None:
        await stream.send_message(engine_service_pb2.RescanModelsResponse(catalog=catalog()))

    async def _GetCapabilities(self, stream: Stream[Any, Any], request: Any) -> None:
        facts = catalog_pb2.Capabilities(
            engine_version=self.version,
            contract=self.contract,
            device="fake",
            max_pixels=1 << 26,
            max_steps=1000,
            max_count=64,
            max_message_bytes=32 << 20,
            max_blob_bytes=1 << 30,
            max_queue=100,
            default_model=painter.MODEL,
        )
        await stream.send_message(engine_service_pb2.GetCapabilitiesResponse(capabilities=facts))

    async def _WatchEngine(self, stream: Stream[Any, Any], request: Any) -> None:
        last = None
        while True:
            running = sum(not job.ended for job in self.jobs.values())
            status = catalog_pb2.EngineStatus(running=running, worker="ready", catalog_etag="fake")
            if status != last:
                await stream.send_message(engine_service_pb2.WatchEngineResponse(status=status))
            last = status
            await asyncio.sleep(0.02)
