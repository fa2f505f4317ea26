"""The rim: nobody without the token, no malformed message, nothing that is open by accident."""

import json
import stat
from dataclasses import replace

import grpc
import pytest
from velatura.v1 import errors_pb2
from velatura_engine.errors import Invalid
from velatura_engine.server.auth import read_or_make_token
from velatura_engine.server.limits import Limits
from velatura_engine.server.serve import Front
from velatura_engine.settings import read

from .conftest import RUNNER, Caller, spec, until
from .test_jobs import detail

HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.mark.parametrize("token", ["", "wrong", "ungültig"])
async def test_no_method_answers_without_the_token(front, token):
    caller = Caller(front, token=token.encode("utf-8").decode("latin-1") if token else "")
    caller.metadata = [("authorization", f"Bearer {token}")] if token.isascii() and token else []
    plain = lambda data: data  # noqa: E731
    calls = [caller(name, iter(()) if name == "PutBlob" else None) for name in caller.methods]
    calls.append(caller.channel.unary_unary(HEALTH, plain, plain)(b"", metadata=caller.metadata))
    # Nothing is sent: a refusal that comes before it would end the sending in an error of gRPC's own.
    calls.append(caller.channel.stream_stream(REFLECTION, plain, plain)(iter(()), metadata=caller.metadata))
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            if hasattr(call, "__await__"):
                await call
            else:
                [answer async for answer in call]
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    await caller.close()


async def test_health_and_reflection_answer_with_the_token(front, call):
    plain = lambda data: data  # noqa: E731
    assert await call.channel.unary_unary(HEALTH, plain, plain)(b"", metadata=call.metadata) == b"\x08\x01"
    stream = call.channel.stream_stream(REFLECTION, plain, plain)(iter((b"\x3a\x00",)), metadata=call.metadata)
    assert b"velatura.v1.JobService" in await anext(aiter(stream))


async def test_text_that_is_not_utf8_is_refused_in_words(front, call):
    message = b"\x0a\x0a\x0a\x08\x12\x06\x0a\x04\x0a\x02\xff\xfe"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in call("Generate", message)]
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "UTF-8" in detail(caught.value).remedy
    assert front.worker.restarts == 0


async def test_garbage_is_refused_in_words(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call("GetJob", b"\xff\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_wrong_field_travels_with_its_name(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.events(spec=spec(" "))
    found = detail(caught.value)
    assert (found.kind, found.field) == (errors_pb2.ERROR_KIND_INVALID, "steps[0].diffuse.prompt") and found.remedy


async def test_a_message_over_the_limit_is_refused_and_the_next_call_works(front, call):
    huge = spec()
    huge["steps"][0]["diffuse"]["prompt"]["text"] = "a" * (33 * 2**20)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.events(spec=huge)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await call.events(spec=spec()))[-1].HasField("finished")


async def test_the_token_and_the_endpoint_belong_to_their_owner_alone_and_the_endpoint_goes_with_the_engine(settings):
    front = Front(settings, factory=RUNNER, options={})
    await front.start()
    endpoint = settings.state / "engine.json"
    facts = json.loads(endpoint.read_text())
    for path in (endpoint, settings.state / "token", *settings.state.glob("jobs.sqlite*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert facts["address"] == front.address and facts["token_file"] == str(settings.state / "token")
    await front.stop()
    assert not endpoint.exists() and (settings.state / "token").read_text().strip() == front.token


async def test_an_idle_engine_ends_and_a_busy_one_does_not(settings):
    front = Front(replace(settings, idle_exit=0.3), factory=RUNNER, options={"delay": 0.05})
    await front.start()
    caller = Caller(front)
    try:
        stream = caller("Generate", spec=spec(steps=1000))
        await until(lambda: front.office.running is not None)
        assert not front._is_idle(0.0)
        stream.cancel()
        await until(lambda: front.office.running is None)
        await front.idle()
    finally:
        await caller.close()
        await front.stop()


@pytest.mark.parametrize("argv", [
    ["--host", "0.0.0.0"], ["--host", "::"], ["--host", "engine.example"], ["--port", "70000"], ["--tls-cert", "a.pem"],
    ["--tls-client-ca", "a.pem"], ["--idle-exit", "-1"], ["--threads", "-1"],
])  # fmt: skip
def test_settings_that_would_open_the_engine_or_cannot_work_are_refused(argv):
    with pytest.raises(Invalid):
        read(argv, {})


def test_flags_come_before_the_environment_before_the_file(tmp_path):
    file = tmp_path / "engine.toml"
    file.write_text('port = 1\nthreads = 1\ndevice = "cpu"\n[limits]\nmax_steps = 5\n')
    settings = read(["--config", str(file), "--port", "3"], {"VELATURA_PORT": "2", "VELATURA_THREADS": "2"})
    assert (settings.port, settings.threads, settings.device) == (3, 2, "cpu")
    assert settings.limits == Limits(max_steps=5)


def test_an_unknown_name_in_the_file_is_named(tmp_path):
    file = tmp_path / "engine.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(Invalid, match="prot"):
        read(["--config", str(file)], {})


async def test_a_very_long_name_from_outside_does_not_burst_the_status(call):
    asked = spec()
    asked["steps"][0]["diffuse"]["model"] = "ü" * 100_000
    for name, fields in (("PlanJob", {"spec": asked}), ("GetJob", {"job_id": "x" * 100_000})):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(name, **fields)
        assert caught.value.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
        assert len(detail(caught.value).message) <= 500


async def test_a_second_engine_in_the_same_state_folder_is_refused(front, settings):
    with pytest.raises(Invalid, match="state_dir"):
        Front(settings, factory=RUNNER, options={})


async def test_a_taken_port_is_named_and_nothing_is_left_running(front, settings, tmp_path):
    other = Front(replace(settings, port=front.port, state_dir=str(tmp_path / "other")), factory=RUNNER, options={})
    with pytest.raises(Invalid, match="port"):
        await other.start()
    other.journal.close()
    assert other.worker.pid is None and not (tmp_path / "other" / "engine.json").exists()


def test_a_token_that_others_could_read_is_closed_and_a_poor_one_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text("a-token-of-sixteen-letters\n")
    path.chmod(0o644)
    assert read_or_make_token(path) == "a-token-of-sixteen-letters" and stat.S_IMODE(path.stat().st_mode) == 0o600
    for poor in ("short", "two words that are long", "ü" * 20):
        path.write_text(poor)
        with pytest.raises(Invalid):
            read_or_make_token(path)
