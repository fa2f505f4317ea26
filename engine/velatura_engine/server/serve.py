"""The one place where the front's objects meet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from velatura.v1 import blob_service_pb2, engine_service_pb2, job_service_pb2
from velatura.version import VERSION

from ..blobs.store import BlobStore
from ..errors import Invalid, VelaturaError
from ..jobs.journal import Journal
from ..jobs.office import JobOffice
from ..models.index import ModelIndex
from ..settings import Settings, read
from ..worker.host import WorkerHost
from ..worker.launch import PAINTER, Launched
from . import whereabouts
from .auth import TokenGate, read_or_make_token
from .registry import handlers
from .services import BlobService, EngineService, JobService

log = logging.getLogger("velatura.front")

OPTIONS = (
    ("grpc.so_reuseport", 0),
    # A host that vanished without a word is noticed within a minute, and its jobs end.
    ("grpc.keepalive_time_ms", 40_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    # Hosts may ask whether the engine is still there, also between calls, without being sent away for it.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class Front:
    """A running engine: server, office and worker. `start` it, then `stop` it."""

    def __init__(
        self,
        settings: Settings,
        *,
        factory: str = PAINTER,
        options: dict[str, Any] | None = None,
        launched: Launched | None = None,
    ) -> None:
        """`factory` and `options` make the runner inside the worker; tests put another one there.

        `launched` is a worker's process that waits for its options.
        """
        self.settings = settings
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.token = read_or_make_token(self.token_file)
        limits = settings.limits
        self.index = ModelIndex(settings.model_folders, starter=settings.starter)
        self.blobs = BlobStore(
            settings.state / "blobs",
            max_bytes=limits.max_blob_bytes, quota=limits.blob_quota, seconds=limits.blob_seconds,
        )  # fmt: skip
        self.journal = Journal(settings.state / "jobs.sqlite")
        own = {"device": settings.device, "dtype": settings.dtype, "threads": settings.threads, "warm": self._default()}
        self.worker = WorkerHost(
            own if options is None else options, factory=factory,
            stall_seconds=limits.stall_seconds, cancel_seconds=limits.cancel_seconds, launched=launched,
        )  # fmt: skip
        self.gate = TokenGate(self.token)
        self.office = JobOffice(
            worker=self.worker, index=self.index, blobs=self.blobs, journal=self.journal, limits=limits
        )
        self.port = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def token_file(self) -> Path:
        """Where the token is."""
        return Path(self.settings.token_file) if self.settings.token_file else self.settings.state / "token"

    @property
    def address(self) -> str:
        """Where it listens."""
        return whereabouts.join(self.settings.host, self.port)

    def _default(self) -> Any:
        with contextlib.suppress(VelaturaError):
            return self.index.default()
        return None

    async def start(self) -> None:
        """Listen, start the worker, and take up what was left. Raises Invalid where the port is taken."""
        self._server = await self._make_server()
        self.office.restore()
        self.worker.start()
        await self._server.start()
        duties = (self.office.work(), self.office.recover(), self._sweep())
        self._tasks = [asyncio.create_task(duty) for duty in duties]
        whereabouts.write(self.settings, self.port, self.token_file)
        log.info("Velatura %s listens on %s", VERSION, self.address)

    async def stop(self) -> None:
        """Stop everything; calls that run get a second to end."""
        (self.settings.state / whereabouts.ENDPOINT_FILE).unlink(missing_ok=True)
        await end(self._tasks)
        await self.office.close()
        await self._server.stop(1.0)
        await self.worker.close()
        self.journal.close()

    async def _make_server(self) -> grpc.aio.Server:
        limits = self.settings.limits
        server = grpc.aio.server(
            interceptors=[self.gate],
            options=[*OPTIONS, ("grpc.max_receive_message_length", limits.max_message_bytes),
                     ("grpc.max_send_message_length", limits.max_message_bytes)],
            maximum_concurrent_rpcs=limits.max_calls,
        )  # fmt: skip
        engine = EngineService(index=self.index, office=self.office, worker=self.worker, limits=self.settings.limits)
        services = {
            job_service_pb2.DESCRIPTOR.services_by_name["JobService"]: JobService(self.office),
            blob_service_pb2.DESCRIPTOR.services_by_name["BlobService"]: BlobService(self.blobs),
            engine_service_pb2.DESCRIPTOR.services_by_name["EngineService"]: engine,
        }
        server.add_generic_rpc_handlers(tuple(handlers(service, servicer) for service, servicer in services.items()))
        names = [service.full_name for service in services]
        checker = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue] (the stubs lack it)
        health_pb2_grpc.add_HealthServicer_to_server(checker, server)
        for name in ("", *names):
            await checker.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        self.port = self._bind(server)
        return server

    def _bind(self, server: grpc.aio.Server) -> int:
        settings = self.settings
        address = whereabouts.join(settings.host, settings.port)
        try:
            if not settings.tls_cert:
                return server.add_insecure_port(address)
            callers = Path(settings.tls_client_ca).read_bytes() if settings.tls_client_ca else None
            pair = (Path(settings.tls_key).read_bytes(), Path(settings.tls_cert).read_bytes())
            credentials = grpc.ssl_server_credentials([pair], callers, require_client_auth=callers is not None)
            return server.add_secure_port(address, credentials)
        except OSError as trouble:
            raise Invalid("tls_cert", f"cannot be read: {trouble}") from None
        except RuntimeError:
            raise Invalid("port", f"{address} is taken or not allowed",
                          remedy="stop the other program, or choose --port 0") from None  # fmt: skip

    async def _sweep(self) -> None:
        """Drop old blobs now and then, also where no new one asks for room."""
        while True:
            await asyncio.sleep(600)
            await asyncio.to_thread(self.blobs.sweep)

    async def idle(self) -> None:
        """Returns after `idle_exit` seconds without work; never where that is 0."""
        patience = self.settings.idle_exit
        while patience <= 0 or not self._is_idle(patience):
            await asyncio.sleep(min(patience, 5.0) / 5 if patience > 0 else 3600)

    def _is_idle(self, patience: float) -> bool:
        busy = self.office.running is not None or self.office.waiting
        return not busy and time.monotonic() - max(self.office.idle_since, self.gate.last_call) > patience


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: on a busy machine a single cancellation was seen to get lost."""
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        ended, going = await asyncio.wait(going, timeout=1.0)
        await asyncio.gather(*ended, return_exceptions=True)  # what ended them is in the log already


async def serve(settings: Settings, launched: Launched | None = None) -> None:
    """Run an engine until it is told to stop, or has been idle for long enough; `launched` as `Front` takes it."""
    front = Front(settings, launched=launched)
    try:
        await front.start()
    except Invalid:
        front.journal.close()
        raise
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in the loop
            loop.add_signal_handler(name, stop.set)
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(front.idle())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await front.stop()


def main(argv: Sequence[str] | None = None, launched: Launched | None = None) -> int:
    """`velatura serve`: returns the exit code, 2 where the settings are wrong; `launched` as `Front` takes it."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s front %(levelname)s %(message)s")
    try:
        asyncio.run(serve(read(sys.argv[1:] if argv is None else argv), launched))
    except Invalid as trouble:
        sys.stderr.write(f"velatura serve: {trouble.message}{'; ' if trouble.remedy else ''}{trouble.remedy}\n")
        return 2
    except KeyboardInterrupt:  # where the loop has no signal handlers
        return 130
    return 0
