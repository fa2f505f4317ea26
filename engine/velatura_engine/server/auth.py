"""Who may call: everybody with the token, on every method, health and reflection among them."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from ..errors import Invalid, Unauthenticated
from .status import abort


def read_or_make_token(path: Path) -> str:
    """The token in a file that only its owner can read; made when there is none. Raises Invalid."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text(encoding="utf-8").strip()
        if len(token) < 16:
            raise Invalid("token_file", f"{path} holds fewer than 16 characters") from None
        return token
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
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

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Called by gRPC for every call."""
        given = dict(details.invocation_metadata).get("authorization", "")
        given = given if isinstance(given, bytes) else given.encode()
        if hmac.compare_digest(given, self._expected):
            return await continuation(details)
        # As a stream it refuses before it reads: a unary handler would wait for a message that may never come.
        return grpc.stream_stream_rpc_method_handler(_refuse)


async def _refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
    await abort(context, Unauthenticated("this engine asks for a token"))
