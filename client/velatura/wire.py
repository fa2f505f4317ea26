"""One gRPC call: paths and types come from the descriptors, errors come out as ours."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError
from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import H2Error

from . import foreign
from .endpoint import Endpoint
from .errors import Incompatible, Timeout, Unauthenticated, Unreachable, VelaturaError, from_status
from .v1 import blob_service_pb2, engine_service_pb2, job_service_pb2

log = logging.getLogger(__name__)

WINDOW = 64 << 20  # HTTP/2 flow-control window, bytes; the default halves the throughput
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30  # a peer that has vanished is noticed after this long


@dataclass(frozen=True)
class Method:
    """A method of the contract."""

    path: str
    cardinality: Cardinality
    request: Any
    reply: Any


def _methods() -> dict[str, Method]:
    found = {
        "Health.Check": Method(
            "/grpc.health.v1.Health/Check",
            Cardinality.UNARY_UNARY,
            foreign.HealthCheckRequest,
            foreign.HealthCheckResponse,
        )
    }
    for module in (job_service_pb2, blob_service_pb2, engine_service_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                found[f"{service.name}.{method.name}"] = Method(
                    f"/{service.full_name}/{method.name}",
                    Cardinality((method.client_streaming, method.server_streaming)),
                    message_factory.GetMessageClass(method.input_type),
                    message_factory.GetMessageClass(method.output_type),
                )
    return found


METHODS = _methods()


class _Channel(Channel):
    """A channel that gives up connecting after a while and notices a peer that vanished.

    TCP keep-alive rather than HTTP/2 pings: gRPC servers close connections that ping more than every five minutes.
    """

    @property
    def is_open(self) -> bool:
        """It was connected and has not been closed since."""
        return self._protocol is not None

    async def _create_connection(self) -> Any:
        protocol = await asyncio.wait_for(super()._create_connection(), CONNECT_SECONDS)
        sock = protocol.connection._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (
                ("TCP_KEEPIDLE", 15),
                ("TCP_KEEPINTVL", 5),
                ("TCP_KEEPCNT", 3),
                ("TCP_USER_TIMEOUT", SILENCE_SECONDS * 1000),
            ):
                if hasattr(socket, option):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return protocol


class Wire:
    """A connection that opens when it is first used and again after it was lost. Lives on the loop's thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._ssl = endpoint.ssl_context()
        self._metadata = {"authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
        self._channel: _Channel | None = None
        self._calls, self._closed = 0, False

    def _open(self) -> _Channel:
        if self._channel is None:
            host, port = self.endpoint.host_and_port()
            self._channel = _Channel(
                host,
                port,
                codec=ProtoCodec(),
                status_details_codec=foreign.ErrorCodec(),
                ssl=self._ssl,
                config=Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW),
            )
        return self._channel

    def close(self) -> None:
        """Closes the connection; calls that run end as Unreachable.

        One that was asked for just before, such as to cancel a job, still reaches the engine: it opens the connection
        for itself, and closes it again.
        """
        self._closed = True
        self._drop()

    @property
    def is_open(self) -> bool:
        """There is a connection."""
        return self._channel is not None and self._channel.is_open

    def _drop(self) -> None:
        if self._channel is not None:  # it is kept: a call that is just connecting has it open in a moment
            self._channel.close()

    @asynccontextmanager
    async def call(self, name: str, timeout: float | None = None) -> AsyncIterator[Stream[Any, Any]]:
        """An open call of METHODS[name]. Leaving it early cancels it at the engine. `timeout` in seconds."""
        method = METHODS[name]
        self._calls += 1
        try:
            with _our_errors(self.endpoint):
                channel = self._open()
                await channel.__connect__()
                async with channel.request(
                    method.path,
                    method.cardinality,
                    method.request,
                    method.reply,
                    timeout=None if timeout is None else max(timeout, 0.0),
                    metadata=self._metadata,
                ) as stream:
                    yield stream
        finally:
            self._calls -= 1
            if self._closed and not self._calls:
                self._drop()

    async def unary(self, name: str, request: Any, timeout: float | None = None) -> Any:
        """Sends one message and returns the one answer."""
        async with self.call(name, timeout) as stream:
            await stream.send_message(request, end=True)
            answer = await stream.recv_message()
        return answer

    async def stream(self, name: str, request: Any, timeout: float | None = None) -> AsyncGenerator[Any, None]:
        """Sends one message and yields the answers. Close the iterator to cancel."""
        async with self.call(name, timeout) as stream:
            await stream.send_message(request, end=True)
            async for answer in stream:
                yield answer

    async def is_serving(self, timeout: float = 5.0) -> bool:
        """The engine says that it is ready."""
        answer = await self.unary("Health.Check", foreign.HealthCheckRequest(), timeout)
        return answer.status == foreign.SERVING


class _our_errors:
    """Turns what the transport raises into what the artist reads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.where = endpoint.address

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, VelaturaError) or not isinstance(error, Exception):
            return
        ours = self._translate(error)
        if ours is not None:
            log.debug("%r became %s", error, type(ours).__name__)
            raise ours from error

    def _translate(self, error: Exception) -> VelaturaError | None:
        debug = repr(error)
        if isinstance(error, GRPCError):
            return from_status(error.status, error.message, error.details)
        if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
            return Timeout(f"The engine at {self.where} did not answer in time", debug=debug)
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unauthenticated(
                f"The certificate of the engine at {self.where} cannot be trusted",
                remedy="Choose the certificate file that belongs to this engine.",
                debug=debug,
            )
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return Unreachable(f"No engine answers at {self.where}", debug=debug)
        if isinstance(error, OSError | StreamTerminatedError | H2Error | AttributeError | EOFError):
            # AttributeError: grpclib drops its transport when the peer leaves in the middle of sending.
            return Unreachable(f"The connection to the engine at {self.where} was lost", debug=debug)
        if isinstance(error, ProtocolError | DecodeError | AssertionError | NotImplementedError):
            return Incompatible(f"What answers at {self.where} does not speak like an engine", debug=debug)
        return None
