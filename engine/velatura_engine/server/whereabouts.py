"""Where hosts on this computer find the engine: an address that leads here, and that its certificate speaks for."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import socket
import ssl
from pathlib import Path

from velatura.endpoint import Endpoint
from velatura.version import VERSION

from ..settings import Settings

log = logging.getLogger("velatura.front")

ENDPOINT_FILE = "engine.json"
_EVERYWHERE = {"": ("127.0.0.1", "::1"), "0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}
"""Hosts to listen on that are no place to call, with the places that lead there."""


def join(host: str, port: int) -> str:
    """Host and port in one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local_address(settings: Settings, port: int) -> str:
    """The address for hosts on this computer, by a name that the certificate holds where there is one."""
    hosts = _EVERYWHERE.get(settings.host, (settings.host,))
    if not settings.tls_cert:
        return join(hosts[0], port)
    names = [*hosts, *(("localhost",) if any(map(_is_loopback, hosts)) else ())]
    if settings.host in _EVERYWHERE:
        names += [socket.gethostname(), socket.getfqdn()]
    for name in names:
        if _vouches_for(settings, name, port):
            return join(name, port)
    log.warning("hosts on this computer will not trust the certificate: it should name one of %s", ", ".join(names))
    return join(hosts[0], port)


def write(settings: Settings, port: int, token_file: Path) -> None:
    """Say where the engine is. Only the owner can read it, and it appears whole."""
    facts = {
        "address": local_address(settings, port), "token_file": str(token_file), "pid": os.getpid(),
        "version": VERSION, "tls_ca": settings.tls_cert or None,
    }  # fmt: skip
    part = settings.state / f"{ENDPOINT_FILE}.{os.getpid()}"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(facts, file)
    part.replace(settings.state / ENDPOINT_FILE)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _vouches_for(settings: Settings, name: str, port: int) -> bool:
    """A client that trusts the certificate accepts it under this name: tried in memory, no connection is made."""
    calling = Endpoint(address=join(name, port), tls_ca=settings.tls_cert).ssl_context()
    assert calling is not None
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLError, ValueError):
        listening.load_cert_chain(settings.tls_cert, settings.tls_key, password="")  # never asks at the terminal
        caller = calling.wrap_bio(back, there, server_hostname=name)
        listener = listening.wrap_bio(there, back, server_side=True)
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                caller.do_handshake()
                return True
            with contextlib.suppress(ssl.SSLWantReadError):
                listener.do_handshake()
    return False
