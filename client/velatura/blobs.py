"""Large content: up before a job, down after it, named by its SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from .errors import Broken
from .v1 import blob_service_pb2 as pb
from .v1 import jobs_pb2, pixels_pb2
from .wire import Wire

CHUNK = 1 << 20  # bytes
INLINE = 4 << 20  # bytes an Image or Buffer may hold itself
_HOLDERS = (pixels_pb2.Image.DESCRIPTOR.full_name, pixels_pb2.Buffer.DESCRIPTOR.full_name)


async def missing(wire: Wire, blob_ids: list[str], timeout: float | None) -> set[str]:
    """Those that the engine does not have."""
    answer = await wire.unary("BlobService.HasBlobs", pb.HasBlobsRequest(blob_ids=blob_ids), timeout)
    return set(answer.missing_blob_ids)


async def put(wire: Wire, data: bytes, timeout: float | None) -> str:
    """Stores content unless it is there already; returns its id."""
    blob_id = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    if await missing(wire, [blob_id], timeout):
        await _send(wire, blob_id, data, timeout)
    return blob_id


async def _send(wire: Wire, blob_id: str, data: bytes, timeout: float | None) -> None:
    view = memoryview(data)
    async with wire.call("BlobService.PutBlob", timeout) as stream:
        first = pb.PutBlobRequest(blob_id=blob_id, size=len(data), data=bytes(view[:CHUNK]))
        await stream.send_message(first, end=len(data) <= CHUNK)
        for start in range(CHUNK, len(data), CHUNK):
            part = pb.PutBlobRequest(data=bytes(view[start : start + CHUNK]))
            await stream.send_message(part, end=start + CHUNK >= len(data))
        answer = await stream.recv_message()
    if answer is None or answer.blob_id != blob_id:
        raise Broken("What arrived at the engine is not what was sent")


async def get(wire: Wire, blob_id: str, timeout: float | None) -> bytes:
    """The content, checked against its id."""
    parts = []
    async with aclosing(wire.stream("BlobService.GetBlob", pb.GetBlobRequest(blob_id=blob_id), timeout)) as answers:
        async for answer in answers:
            parts.append(answer.data)
    data = b"".join(parts)
    if await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()) != blob_id:
        raise Broken("What arrived from the engine is not what it sent")
    return data


def holders(message: Message) -> Iterator[Any]:
    """Every Image and Buffer inside a message that holds its bytes itself."""
    if message.DESCRIPTOR.full_name in _HOLDERS and message.WhichOneof("source") == "data":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for child in [value] if isinstance(value, Message) else value:
            yield from holders(child)


async def lift(wire: Wire, spec: jobs_pb2.JobSpec, budget: int, timeout: float | None) -> jobs_pb2.JobSpec:
    """The job with its large pictures and meshes as blobs, so that the message stays within `budget` bytes.

    Everything above 4 MiB goes up, then the largest of the rest until it fits. The caller's spec is left alone.
    """
    if spec.ByteSize() <= min(budget, INLINE):
        return spec
    lifted = jobs_pb2.JobSpec()
    lifted.CopyFrom(spec)
    size = lifted.ByteSize()
    for holder in sorted(holders(lifted), key=lambda each: len(each.data), reverse=True):
        length = len(holder.data)
        if length <= INLINE and size <= budget:
            break
        holder.blob_id = await put(wire, holder.data, timeout)
        size -= length - 66
    return lifted


async def land(wire: Wire, event: jobs_pb2.JobEvent, timeout: float | None) -> None:
    """Puts the bytes of an artifact's picture where its blob id stands, and those of its file beside it."""
    if event.WhichOneof("event") == "artifact" and event.artifact.image.WhichOneof("source") == "blob_id":
        image = event.artifact.image
        image.data = await get(wire, image.blob_id, timeout)
    elif event.WhichOneof("event") == "artifact" and event.artifact.blob_id and not event.artifact.file:
        event.artifact.file = await get(wire, event.artifact.blob_id, timeout)
