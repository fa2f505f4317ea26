"""Who may call: everybody with the token, on every method, health and reflection among them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from ..errors import Invalid, Unauthenticated
from .status import abort

log = logging.getLogger("velatura.front")


def read_or_make_token(path: Path) -> str:
    """The token in a file that only its owner can read; made when there is none. Raises Invalid."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_token(path)
    except OSError as trouble:
        raise Invalid("token_file", f"{path} cannot be made: {trouble.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
    return token


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
        if os.name == "posix" and path.stat().st_mode & 0o077:
            log.warning("others could read %s; closing it", path)
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as trouble:
        raise Invalid("token_file", f"{path} cannot be read: {trouble}") from None
    if len(token) < 16 or not token.isascii() or any(letter.isspace() for letter in token):
        raise Invalid("token_file", f"{path} must hold one word of at least 16 ASCII characters",
                      remedy="delete it, and the engine makes a new one")  # fmt: skip
    return token


def caller(context: grpc.aio.ServicerContext) -> str:
    """Who calls, as far as jobs are concerned: the name that a host gives itself, under the token all share."""
    metadata = dict(context.invocation_metadata() or ())
    name = str(metadata.get("velatura-client", ""))[:128]
    return hashlib.sha256(name.encode()).hexdigest()[:16]


class TokenGate(grpc.aio.ServerInterceptor):
    """Lets calls through that carry `authorization: Bearer <token>`."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()
        self.last_call = time.monotonic()
        """When somebody called who may."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Called by gRPC for every call."""
        given = dict(handler_call_details.invocation_metadata or ()).get("authorization", "")
        given = given if isinstance(given, bytes) else given.encode()
        if hmac.compare_digest(given, self._expected):
            self.last_call = time.monotonic()
            return await continuation(handler_call_details)
        # As a stream it refuses before it reads: a unary handler would wait for a message that may never come.
        return grpc.stream_stream_rpc_method_handler(_refuse)


async def _refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
    await abort(context, Unauthenticated("this engine asks for a token"))
