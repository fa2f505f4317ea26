"""Beyond this machine: encrypted, and only for those who are let in."""

import shutil
import subprocess
from dataclasses import replace

import grpc
import pytest
from velatura_engine.errors import Invalid
from velatura_engine.server.serve import Front

from .conftest import RUNNER, Caller

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")


@pytest.fixture
def pair(tmp_path):
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=velatura", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


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
