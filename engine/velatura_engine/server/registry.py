"""Binds servicer objects to the contract's services, read from their descriptors; no generated stubs.

Here every call gets its rim: malformed messages, typed errors and surprises become statuses.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError

from ..errors import Broken, Invalid, VelaturaError
from .status import abort

log = logging.getLogger("velatura.front")


@dataclass(frozen=True, slots=True)
class _Malformed:
    """Bytes that are no message of the method's type, kept so that the call can be answered in words."""

    why: str


def handlers(service: ServiceDescriptor, servicer: Any) -> grpc.GenericRpcHandler:
    """Handlers for all methods of a service; `servicer` has a coroutine or async generator of each method's name."""
    found = {method.name: _handler(method, getattr(servicer, method.name)) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, found)


def _handler(method: MethodDescriptor, function: Callable[..., Any]) -> grpc.RpcMethodHandler:
    request = message_factory.GetMessageClass(method.input_type)
    kinds = {
        (False, False): (grpc.unary_unary_rpc_method_handler, _answer),
        (False, True): (grpc.unary_stream_rpc_method_handler, _stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, _answer),
    }
    make, wrap = kinds[method.client_streaming, method.server_streaming]
    return make(
        wrap(function),
        request_deserializer=lambda data: _parse(request, data),
        response_serializer=lambda message: message.SerializeToString(),
    )


def _parse(kind: type, data: bytes) -> Any:
    try:
        return kind.FromString(data)  # type: ignore[attr-defined]
    except (DecodeError, UnicodeDecodeError, ValueError) as trouble:
        return _Malformed(str(trouble))


def _checked(request: Any) -> Any:
    if isinstance(request, _Malformed):
        raise Invalid("request", f"is not a message of this method ({request.why})",
                      remedy="send text as UTF-8, and use the contract of this engine")  # fmt: skip
    return _checked_stream(request) if hasattr(request, "__aiter__") else request


async def _checked_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


def _answer(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await function(_checked(request), context)
        except VelaturaError as trouble:
            await abort(context, trouble)
        except (grpc.aio.AbortError, grpc.RpcError):
            raise
        except Exception:  # the rim of a call: the caller gets words, the log gets the traceback
            log.exception("a call failed")
            await abort(context, Broken("the engine failed to answer"))

    return call


def _stream(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            async with aclosing(function(_checked(request), context)) as messages:
                async for message in messages:
                    yield message
        except VelaturaError as trouble:
            await abort(context, trouble)
        except (grpc.aio.AbortError, grpc.RpcError):
            raise
        except Exception:  # as above
            log.exception("a call failed")
            await abort(context, Broken("the engine failed to answer"))

    return call
