"""Where an engine is and how to be let in."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field

from .errors import Invalid

DEFAULT_PORT = 7860


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where an engine is and how to be let in.

    `address` is "host:port", "[v6]:port" or the same with "https://" in front, which sets `tls`. `tls_ca` is a file of
    certificates to trust instead of the system's; `tls_cert` and `tls_key` are files for engines that want to know who
    calls. A token goes in clear text to this machine only.
    """

    address: str
    token: str = field(default="", repr=False)
    tls: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None

    def __post_init__(self) -> None:
        scheme, found, rest = self.address.rpartition("://")
        if found and scheme not in ("http", "https"):
            raise Invalid(f"Addresses look like host:port or https://host:port, not {self.address!r}", field="address")
        object.__setattr__(self, "address", rest.rstrip("/"))
        object.__setattr__(self, "tls", self.tls or scheme == "https" or self.tls_ca is not None)
        self.host_and_port()
        if self.token and not self.tls and not self.is_local:
            raise Invalid(
                f"The token would go to {self.address} in clear text",
                field="address",
                remedy="Use https:// with the engine's certificate, or an SSH tunnel to 127.0.0.1.",
            )

    def host_and_port(self) -> tuple[str, int]:
        """The host name or address without brackets, and the port."""
        host, colon, port = self.address.rpartition(":")
        if not colon or host.endswith(":") or (":" in host and not host.startswith("[")):
            host, port = self.address, str(DEFAULT_PORT)
        host = host.strip("[]")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise Invalid(f"Addresses look like host:port, not {self.address!r}", field="address")
        return host, int(port)

    @property
    def is_local(self) -> bool:
        """It is on this machine."""
        host, _ = self.host_and_port()
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def ssl_context(self) -> ssl.SSLContext | None:
        """What to check the engine's certificate with; None without TLS."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_ca:  # what is named is trusted, also where it is no authority but the engine's own certificate
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if self.tls_cert:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as error:
            raise Invalid("A certificate file cannot be read", field="tls_ca", debug=repr(error)) from error
        context.set_alpn_protocols(["h2"])
        return context
