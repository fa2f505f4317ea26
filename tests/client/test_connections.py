"""Connecting, being refused, losing the engine and finding it again."""

import asyncio
import gc
import socket
import subprocess
import threading
import time

import pytest
from velatura import Endpoint, Engine, errors, spec
from velatura.endpoint import DEFAULT_PORT
from velatura.loop import shared
from velatura.testing import FakeEngine, Script
from velatura.wire import Wire

SMALL = spec.texture("moss", size=16)


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_fake_engine_that_stops_leaves_no_socket_behind():
    for _ in range(5):
        with FakeEngine() as fake:
            callers = [socket.create_connection(("127.0.0.1", fake.port)) for _ in range(5)]
        for caller in callers:
            caller.close()
    gc.collect()  # a socket that was left would complain now, and fail the test


def test_a_wrong_token_is_told(fake):
    with pytest.raises(errors.Unauthenticated, match="token"):
        Engine.connect(Endpoint(address=fake.address, token="wrong"))


def test_a_missing_token_is_told(fake):
    with pytest.raises(errors.Unauthenticated):
        Engine.connect(fake.address)


def test_no_engine_is_told_at_once():
    begin = time.monotonic()
    with pytest.raises(errors.Unreachable, match="No engine answers"):
        Engine.connect(f"127.0.0.1:{unused_port()}")
    assert time.monotonic() - begin < 2


def test_another_contract_is_told():
    with FakeEngine(contract="v9", version="9.0.0") as fake, pytest.raises(errors.Incompatible) as caught:
        Engine.connect(fake.endpoint)
    assert "9.0.0" in str(caught.value)
    assert "Update" in str(caught.value)


def test_an_engine_that_is_not_ready_yet_is_told(fake):
    fake.serving = False
    with pytest.raises(errors.Unreachable, match="still starting"):
        Engine.connect(fake.endpoint)


def talk(server, answer):
    caller, _ = server.accept()
    with caller:
        caller.recv(1 << 16)
        if answer:
            caller.sendall(answer)
        caller.settimeout(3)
        while caller.recv(1 << 16):
            pass


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", errors.VelaturaError), (b"", errors.Timeout)],
    ids=["a web server", "silence"],
)
def test_something_else_at_the_address_is_an_error_and_not_a_hang(answer, error):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server, answer))
        thread.start()
        with pytest.raises(error):
            Engine.connect(f"127.0.0.1:{server.getsockname()[1]}", timeout=0.5)
        thread.join()


def test_a_killed_engine_ends_its_generate_soon_and_it_is_not_sent_again(engine, fake):
    fake.once(Script(delay=0.02, steps=50, kill_after=6))
    job = engine.generate(SMALL)
    with pytest.raises(errors.Unreachable, match="lost"):
        job.result(5)
    fake.start()
    time.sleep(0.3)
    assert len(fake.specs) == 1


def test_the_next_call_finds_a_restarted_engine(engine, fake):
    fake.kill()
    with pytest.raises(errors.Unreachable):
        engine.catalog()
    fake.start()
    assert engine.generate(SMALL).result(10).images


def test_watching_goes_on_where_it_was_when_the_engine_comes_back(engine, fake):
    fake.once(Script(delay=0.03, steps=20, kill_after=8))
    job = engine.submit(SMALL)
    while fake._server is not None:
        time.sleep(0.01)
    time.sleep(0.2)
    fake.start()
    numbers = [event.sequence for event in job.events()]
    assert numbers == list(range(1, len(fake.jobs[job.id].events) + 1))
    again = [request for name, request in fake.requests if name == "JobService.WatchJob"]
    assert again[-1].after_sequence >= 8
    assert job.result(0).images


def test_a_result_lost_on_its_way_is_fetched_again_after_reconnecting(fake, monkeypatch):
    from velatura import blobs

    fake.inline = 100
    get, lost = blobs.get, []

    async def get_once_in_vain(*arguments):
        if not lost:
            lost.append(1)
            raise errors.Unreachable("gone")
        return await get(*arguments)

    monkeypatch.setattr(blobs, "get", get_once_in_vain)
    with Engine.connect(fake.endpoint) as engine:
        assert engine.submit(SMALL).result(10).images[0].data.startswith(b"\x89PNG")
    assert lost


def test_watching_gives_up_after_a_while(engine, fake):
    fake.once(Script(hang=True))
    job = engine.watch_job(engine.create_job(SMALL).id, patience=0.5)
    fake.kill()
    with pytest.raises(errors.Unreachable):
        job.result(10)


def test_a_job_the_restarted_engine_does_not_know_is_told(engine, fake):
    fake.once(Script(hang=True))
    job = engine.submit(SMALL)
    while not job.fraction:
        time.sleep(0.01)
    fake.kill()
    fake.jobs.clear()
    fake.start()
    with pytest.raises(errors.NotFound):
        job.result(10)


def test_watching_can_begin_late(engine):
    job_id = engine.submit(SMALL).result(10).job_id
    assert [event.sequence for event in engine.watch_job(job_id, after_sequence=6).events()] == [7, 8]


def test_a_job_handed_in_twice_runs_once(engine, fake):
    named = spec.job(SMALL)
    named.request_id = "7d1b1c1e-0000-4000-8000-000000000000"
    assert engine.create_job(named).id == engine.create_job(named).id
    assert len(fake.jobs) == 1


def test_the_state_feed_tells_that_the_engine_left_and_came_back(engine, fake):
    seen = []
    feed = engine.watch_engine(lambda status: seen.append(status.worker))

    def await_word(word, count):
        end = time.monotonic() + 10
        while seen.count(word) < count:
            assert time.monotonic() < end, seen
            time.sleep(0.01)

    await_word("ready", 1)
    fake.kill()
    await_word("unreachable", 1)
    fake.start()
    await_word("ready", 2)
    assert seen.count("unreachable") == 1
    feed.cancel()


def test_no_time_at_all_is_a_timeout(engine):
    with pytest.raises(errors.Timeout):
        engine.catalog(timeout=0.0)


def test_a_token_is_never_sent_in_clear_text_to_another_machine():
    with pytest.raises(errors.Invalid, match="clear text"):
        Endpoint(address="render.example:7860", token="secret")
    assert Endpoint(address="https://render.example:7860", token="secret").tls


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("::1", ("::1", DEFAULT_PORT)),
        ("http://localhost:80/", ("localhost", 80)),
        ("localhost", ("localhost", DEFAULT_PORT)),
    ],
)
def test_addresses_are_read(address, found):
    assert Endpoint(address=address).host_and_port() == found


@pytest.mark.parametrize("address", ["", "host:0", "host:99999", "host:port", ":80", "ftp://host:1"])
def test_wrong_addresses_are_refused(address):
    with pytest.raises(errors.Invalid):
        Endpoint(address=address)


def test_the_token_does_not_show_in_logs():
    assert "secret" not in repr(Endpoint(address="127.0.0.1:1", token="secret"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not here")
    return folder


@pytest.fixture
def secure(certificate):
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    context.set_alpn_protocols(["h2"])
    with FakeEngine(token="secret", tls=context) as fake:
        fake.context = context
        yield fake


def test_a_trusted_certificate_lets_in(secure, certificate):
    endpoint = Endpoint(address=secure.address, token="secret", tls_ca=str(certificate / "cert.pem"))
    with Engine.connect(endpoint) as engine:
        assert engine.generate(SMALL).result(10).images


def test_an_unknown_certificate_is_refused(secure):
    with pytest.raises(errors.Unauthenticated, match="certificate"):
        Engine.connect(Endpoint(address=secure.address, token="secret", tls=True))


def test_plain_talk_to_a_secure_engine_is_an_error(secure):
    with pytest.raises(errors.VelaturaError):
        Engine.connect(Endpoint(address=secure.address, token="secret"), timeout=3)


def test_an_engine_can_ask_who_calls(secure, certificate):
    import ssl

    secure.context.load_verify_locations(certificate / "cert.pem")
    secure.context.verify_mode = ssl.CERT_REQUIRED
    ca, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    with Engine.connect(
        Endpoint(address=secure.address, token="secret", tls_ca=ca, tls_cert=ca, tls_key=key)
    ) as engine:
        assert engine.capabilities().device == "fake"
    with pytest.raises(errors.VelaturaError):
        Engine.connect(Endpoint(address=secure.address, token="secret", tls_ca=ca), timeout=3)


def test_a_certificate_file_that_is_not_there_is_told():
    with pytest.raises(errors.Invalid, match="certificate"):
        Engine.connect(Endpoint(address="127.0.0.1:1", tls_ca="/nowhere.pem"))


def test_a_job_stopped_just_before_the_end_is_stopped_and_leaves_no_connection(fake):
    fake.once(Script(hang=True))
    engine = Engine.connect(fake.endpoint)
    job = engine.submit(SMALL)
    while not job.fraction:
        time.sleep(0.01)
    job.cancel()
    engine.close()
    (running,) = fake.jobs.values()
    end = time.monotonic() + 5
    while not running.ended or engine._wire.is_open:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_connection_closed_while_it_is_being_made_does_not_stay(fake):
    async def close_while_connecting():
        wire = Wire(fake.endpoint)
        asked = asyncio.ensure_future(wire.is_serving())
        while not wire._calls:
            await asyncio.sleep(0)
        assert not wire.is_open
        wire.close()
        return await asked, wire.is_open

    assert shared().run(close_while_connecting()) == (True, False)
    gc.collect()  # a channel that was left would complain now, and fail the test
