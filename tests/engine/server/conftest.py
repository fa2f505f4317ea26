"""A real front on loopback with a real worker process, in which a fake runner paints."""

import asyncio

import grpc
import pytest
from fakes.fake_runner import make_hollow_model
from google.protobuf import message_factory
from velatura.v1 import blob_service_pb2, engine_service_pb2, job_service_pb2
from velatura_engine.server.limits import Limits
from velatura_engine.server.serve import Front
from velatura_engine.settings import Settings

RUNNER = "fakes.fake_runner:FakeRunner"


@pytest.fixture
def settings(tmp_path):
    make_hollow_model(tmp_path / "models" / "hollow")
    return Settings(
        port=0, state_dir=str(tmp_path / "state"), models=(str(tmp_path / "models"),), starter=False,
        limits=Limits(stall_seconds=2.0, max_queue=6, max_queue_per_client=4),
    )  # fmt: skip


@pytest.fixture
async def front(settings):
    running = Front(settings, factory=RUNNER, options={"delay": 0.02})
    await running.start()
    yield running
    await running.stop()


class Caller:
    """Calls methods by name, as a client of another make would: straight from the descriptors."""

    def __init__(self, front: Front, token: str | None = None, name: str = "") -> None:
        size = ("grpc.max_send_message_length", 100 * 2**20)
        self.channel = grpc.aio.insecure_channel(front.address, options=[size])
        token = front.token if token is None else token
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.metadata += [("velatura-client", name)] if name else []
        modules = (job_service_pb2, blob_service_pb2, engine_service_pb2)
        self.methods = {
            method.name: method
            for module in modules
            for service in module.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    def __call__(self, name: str, request=None, **fields):
        """A call; `request` is bytes or an iterator where it is not made of `fields`."""
        method = self.methods[name]
        kinds = {(False, False): "unary_unary", (False, True): "unary_stream", (True, False): "stream_unary"}
        kind = message_factory.GetMessageClass(method.input_type)
        make = getattr(self.channel, kinds[method.client_streaming, method.server_streaming])
        path = f"/{method.containing_service.full_name}/{method.name}"
        raw = isinstance(request, bytes)
        encode = (lambda data: data) if raw else lambda message: message.SerializeToString()
        answer = message_factory.GetMessageClass(method.output_type).FromString
        call = make(path, request_serializer=encode, response_deserializer=answer)
        return call(kind(**fields) if request is None else request, metadata=self.metadata)

    async def events(self, name: str = "Generate", **fields) -> list:
        """All events of a job, to its end."""
        return [answer.event async for answer in self(name, **fields)]

    async def close(self) -> None:
        await self.channel.close()


@pytest.fixture
async def call(front):
    caller = Caller(front)
    yield caller
    await caller.close()


@pytest.fixture
async def other(front):
    caller = Caller(front, name="another host")
    yield caller
    await caller.close()


def spec(prompt: str = "brick", steps: int = 3, **fields) -> dict:
    """A job that paints one picture of 32 x 32."""
    diffuse = {"prompt": {"text": prompt}, "width": 32, "height": 32, "seed": 7, "sampling": {"steps": steps}}
    return {"steps": [{"diffuse": diffuse}], **fields}


async def until(condition, seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
