"""Beyond this machine: encrypted, and only for those who are let in."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from velatura import discovery
from velatura_engine.errors import Invalid
from velatura_engine.server.serve import Front
from velatura_engine.server.whereabouts import local_address
from velatura_engine.settings import Settings

from .conftest import RUNNER, Caller

Pair = tuple[Path, Path]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")


@pytest.fixture
def pair(tmp_path):
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    return certify(tmp_path, "IP:127.0.0.1")


def certify(folder, names: str, issuer: Pair | None = None) -> Pair:
    """A certificate of these names and its key; it vouches for itself unless another's pair does."""
    cert, key = folder / f"{len(list(folder.glob('*.pem')))}.pem", folder / f"{len(list(folder.glob('*.pem')))}-key.pem"
    signed = [] if issuer is None else ["-CA", issuer[0], "-CAkey", issuer[1], "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=velatura", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert, *signed],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def guarded(settings: Settings, pair: Pair, host: str = "0.0.0.0") -> Settings:
    return replace(settings, host=host, tls_cert=str(pair[0]), tls_key=str(pair[1]))


async def answers(front: Front, credentials: grpc.ChannelCredentials) -> bool:
    caller = Caller(front)
    await caller.channel.close()
    caller.channel = grpc.aio.secure_channel(front.address, credentials)
    try:
        return (await caller("GetCapabilities")).capabilities.contract == "v1"
    except grpc.aio.AioRpcError as trouble:
        assert trouble.code() == grpc.StatusCode.UNAVAILABLE
        return False
    finally:
        await caller.close()


async def test_calls_are_encrypted_and_callers_are_known_where_that_is_asked_for(settings, pair):
    cert, key = (path.read_bytes() for path in pair)
    mine = replace(settings, tls_cert=str(pair[0]), tls_key=str(pair[1]), tls_client_ca=str(pair[0]))
    front = Front(mine, factory=RUNNER, options={})
    await front.start()
    try:
        assert await answers(front, grpc.ssl_channel_credentials(cert, key, cert))
        assert not await answers(front, grpc.ssl_channel_credentials(cert))
    finally:
        await front.stop()


async def test_a_certificate_that_cannot_be_read_is_named(settings, tmp_path):
    wrong = replace(settings, tls_cert=str(tmp_path / "none.pem"), tls_key=str(tmp_path / "none.pem"))
    front = Front(wrong, factory=RUNNER, options={})
    with pytest.raises(Invalid) as caught:
        await front.start()
    front.journal.close()
    assert caught.value.field == "tls_cert"


@pytest.mark.parametrize("names", ["IP:127.0.0.1", "DNS:localhost", "DNS:engine.example,DNS:localhost"])
async def test_an_engine_that_listens_everywhere_is_found_on_its_own_computer(settings, tmp_path, names):
    front = Front(guarded(settings, certify(tmp_path, names)), factory=RUNNER, options={})
    await front.start()
    try:
        endpoint = discovery.read_endpoint(front.settings.state)
        assert endpoint is not None and endpoint.is_local and endpoint.tls
        assert await asyncio.to_thread(discovery.answers, endpoint, 10)
    finally:
        await front.stop()


async def test_a_certificate_that_somebody_else_signed_is_trusted_here_too(settings, tmp_path):
    signed = certify(tmp_path, "IP:127.0.0.1", issuer=certify(tmp_path, "DNS:authority"))
    front = Front(guarded(settings, signed), factory=RUNNER, options={})
    await front.start()
    try:
        assert await asyncio.to_thread(discovery.answers, discovery.read_endpoint(front.settings.state), 10)
    finally:
        await front.stop()


@pytest.mark.parametrize(("host", "names", "address"), [
    ("::", "IP:::1", "[::1]:7"), ("::", "IP:127.0.0.1", "127.0.0.1:7"), ("127.0.0.1", "DNS:localhost", "localhost:7"),
    ("10.1.2.3", "IP:10.1.2.3", "10.1.2.3:7"), ("0.0.0.0", "DNS:elsewhere.example", "127.0.0.1:7"),
])  # fmt: skip
def test_the_address_is_one_that_the_certificate_names_where_it_can_be(settings, tmp_path, host, names, address):
    assert local_address(guarded(settings, certify(tmp_path, names), host), 7) == address


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("localhost", "localhost:7")]
)
def test_without_a_certificate_the_address_is_the_one_that_is_listened_on(settings, host, address):
    assert local_address(replace(settings, host=host), 7) == address
