"""Against grpcio, which the engine uses: its trailers, its cancelling, its large messages."""

import asyncio
import threading
import time

import pytest
from velatura import Endpoint, Engine, errors, foreign, spec
from velatura.loop import Loop
from velatura.v1 import blob_service_pb2, catalog_pb2, engine_service_pb2, errors_pb2, job_service_pb2, jobs_pb2
from velatura.wire import METHODS

grpc = pytest.importorskip("grpc")


class Real:
    """As little of an engine as these tests need, on grpc.aio."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.blob = b""

    async def Check(self, request, context):
        return foreign.HealthCheckResponse(status=1)

    async def GetCapabilities(self, request, context):
        facts = catalog_pb2.Capabilities(contract="v1", max_message_bytes=64 << 20)
        return engine_service_pb2.GetCapabilitiesResponse(capabilities=facts)

    async def GetCatalog(self, request, context):
        error = errors_pb2.Error(
            kind=errors_pb2.ERROR_KIND_OUT_OF_MEMORY,
            message="Es paßt nicht in den Speicher",
            remedy="Kleiner malen.",
            suggestions=["x" * 500],
        )
        details = foreign.ErrorCodec().encode(grpclib_status(8), "no", error)
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "ü no", trailing_metadata=(("grpc-status-details-bin", details),)
        )

    async def RescanModels(self, request, context):
        raise ValueError("a bug of the engine")

    async def Generate(self, request, context):
        try:
            for number in range(1, 10_000):
                progress = jobs_pb2.Progress(fraction=number / 10_000)
                yield job_service_pb2.GenerateResponse(event=jobs_pb2.JobEvent(sequence=number, progress=progress))
                await asyncio.sleep(0.01)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise

    async def PutBlob(self, requests, context):
        blob_id, parts = "", []
        async for request in requests:
            blob_id = blob_id or request.blob_id
            parts.append(request.data)
        self.blob = b"".join(parts)
        return blob_service_pb2.PutBlobResponse(blob_id=blob_id)

    async def HasBlobs(self, request, context):
        return blob_service_pb2.HasBlobsResponse(missing_blob_ids=request.blob_ids)

    async def GetBlob(self, request, context):
        for start in range(0, len(self.blob), 1 << 20):
            yield blob_service_pb2.GetBlobResponse(data=self.blob[start : start + (1 << 20)])


def grpclib_status(number):
    from grpclib.const import Status

    return Status(number)


def handlers(real):
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
    }
    services = {}
    for name, method in METHODS.items():
        function = getattr(real, name.partition(".")[2], None)
        if function is not None:
            service, _, verb = method.path[1:].partition("/")
            services.setdefault(service, {})[verb] = kinds[tuple(method.cardinality.value)](
                function, method.request.FromString, method.reply.SerializeToString
            )
    return [grpc.method_handlers_generic_handler(service, verbs) for service, verbs in services.items()]


@pytest.fixture
def real():
    loop, found = Loop("grpcio"), Real()

    async def start():
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
        server.add_generic_rpc_handlers(handlers(found))
        found.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server

    server = loop.run(start())
    yield found
    loop.run(server.stop(None))
    loop.stop()


@pytest.fixture
def engine(real):
    with Engine.connect(Endpoint(address=f"127.0.0.1:{real.port}", token="x")) as connected:
        yield connected


def test_the_error_in_the_trailer_is_the_error_that_is_raised(engine):
    with pytest.raises(errors.OutOfMemory) as caught:
        engine.catalog()
    assert caught.value.message == "Es paßt nicht in den Speicher"
    assert caught.value.remedy == "Kleiner malen."
    assert caught.value.suggestions == ("x" * 500,)


def test_a_bug_of_the_engine_is_not_shown_to_the_artist(engine):
    with pytest.raises(errors.Broken) as caught:
        engine.rescan_models()
    assert "ValueError" not in str(caught.value)
    assert "a bug of the engine" in caught.value.debug


def test_a_verb_the_engine_does_not_have_is_told(engine):
    with pytest.raises(errors.Incompatible, match="Update"):
        engine.list_jobs()


def test_cancelling_reaches_the_engine(engine, real):
    job = engine.generate(spec.texture("moss"))
    while not job.fraction:
        time.sleep(0.005)
    begin = time.monotonic()
    job.cancel()
    assert real.cancelled.wait(3)
    assert time.monotonic() - begin < 0.3


def test_a_deadline_reaches_the_engine(engine, real):
    with pytest.raises(errors.Timeout):
        engine.generate(spec.texture("moss"), timeout=0.3).result(5)
    assert real.cancelled.wait(3)


def test_large_content_goes_both_ways(engine):
    content = bytes(range(256)) * (20 << 12)
    assert engine.get_blob(engine.put_blob(content)) == content
