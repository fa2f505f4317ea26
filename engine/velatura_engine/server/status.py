"""Errors -> gRPC statuses, in one table, with details that programs and artists can act on."""

from __future__ import annotations

import copy

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from .. import errors, wire

CODES: tuple[tuple[type[errors.VelaturaError], grpc.StatusCode], ...] = (
    (errors.Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.Unsupported, grpc.StatusCode.UNIMPLEMENTED),
    (errors.OutOfMemory, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Cancelled, grpc.StatusCode.CANCELLED),
    (errors.TimedOut, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Busy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.WorkerLost, grpc.StatusCode.ABORTED),
    (errors.VelaturaError, grpc.StatusCode.INTERNAL),
)
DETAILS = "grpc-status-details-bin"


def code_of(trouble: errors.VelaturaError) -> grpc.StatusCode:
    """The canonical status of an error."""
    return next(code for kind, code in CODES if isinstance(trouble, kind))


async def abort(context: grpc.aio.ServicerContext, trouble: errors.VelaturaError) -> None:
    """End a call with an error; never returns."""
    trouble = _short(trouble)
    code = code_of(trouble)
    status = status_pb2.Status(code=code.value[0], message=trouble.message)
    for detail in _details(trouble):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    await context.abort(code, trouble.message, ((DETAILS, status.SerializeToString()),))


def _short(trouble: errors.VelaturaError) -> errors.VelaturaError:
    """Statuses travel as HTTP/2 headers of which receivers take 8 KiB: names from outside must not burst them."""
    short = copy.copy(trouble)
    for name, most in (("message", 500), ("field", 200), ("remedy", 500), ("reason", 60)):
        text = getattr(trouble, name)
        setattr(short, name, text if len(text) <= most else text[: most - 1] + "…")
    short.suggestions = tuple(name[:100] for name in trouble.suggestions[:8])
    return short


def _details(trouble: errors.VelaturaError) -> list[Message]:
    found: list[Message] = [
        error_details_pb2.ErrorInfo(reason=trouble.reason, domain="velatura"),
        wire.error(trouble),
    ]
    if isinstance(trouble, errors.Invalid):
        violation = error_details_pb2.BadRequest.FieldViolation(field=trouble.field, description=trouble.message)
        found.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(trouble, errors.NotFound):
        found.append(error_details_pb2.ResourceInfo(description=trouble.message))
    if isinstance(trouble, errors.Busy):
        quota = error_details_pb2.QuotaFailure.Violation(subject=trouble.reason, description=trouble.message)
        found.append(error_details_pb2.QuotaFailure(violations=[quota]))
    if trouble.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(trouble.retry_after * 1000))
        found.append(retry)
    return found
