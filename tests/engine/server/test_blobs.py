"""Blobs over gRPC: named by their hash, checked, bounded."""

import asyncio
import hashlib

import grpc
import pytest
from velatura.v1 import blob_service_pb2

from .conftest import until


def parts(content: bytes, name: str, size: int | None = None, chunk: int = 2**20):
    """The messages of an upload."""
    size = len(content) if size is None else size
    for start in range(0, len(content), chunk):
        yield blob_service_pb2.PutBlobRequest(blob_id=name, size=size, data=content[start : start + chunk])


async def test_what_is_put_comes_back_the_same(call):
    content = bytes(range(256)) * 12345
    name = hashlib.sha256(content).hexdigest()
    assert (await call("PutBlob", parts(content, name))).blob_id == name
    assert b"".join([answer.data async for answer in call("GetBlob", blob_id=name)]) == content
    missing = (await call("HasBlobs", blob_ids=[name, "0" * 64])).missing_blob_ids
    assert list(missing) == ["0" * 64]


@pytest.mark.parametrize(("name", "size"), [
    ("0" * 64, 3), (hashlib.sha256(b"abc").hexdigest(), 2), (hashlib.sha256(b"abc").hexdigest(), 4),
    ("../../../../etc/passwd", 3), (hashlib.sha256(b"abc").hexdigest(), 2**40),
], ids=["wrong hash", "too long", "too short", "a path", "too large"])  # fmt: skip
async def test_what_is_not_what_it_says_is_refused_and_leaves_nothing(front, call, name, size):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call("PutBlob", parts(b"abc", name, size))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not list((front.settings.state / "blobs").iterdir())


@pytest.mark.parametrize("name", ["0" * 64, "..", "a/b", ""])
async def test_a_blob_that_is_not_there_is_said_to_be_so(call, name):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in call("GetBlob", blob_id=name)]
    assert caught.value.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_a_chunk_over_four_mebibytes_is_refused(call):
    content = bytes(5 * 2**20)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call("PutBlob", parts(content, hashlib.sha256(content).hexdigest(), chunk=len(content)))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_upload_that_is_dropped_leaves_nothing(front, call):
    async def half():
        yield next(parts(b"abcdef", "0" * 64))
        await asyncio.sleep(60)

    folder = front.settings.state / "blobs"
    upload = call("PutBlob", half())
    await until(lambda: list(folder.iterdir()))
    upload.cancel()
    await until(lambda: not list(folder.iterdir()), seconds=2)
