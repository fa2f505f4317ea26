"""How the engine is to run: flags before the environment before the file before the defaults, in one frozen value."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import tomllib

from .errors import Invalid
from .server.limits import Limits

CONFIG_FILE = "engine.toml"
DTYPES = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. An empty path means none; `port` 0 takes a free one; `idle_exit` 0 s never ends."""

    host: str = "127.0.0.1"
    port: int = 7860
    token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    state_dir: str = ""
    models: tuple[str, ...] = ()
    starter: bool = True
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    idle_exit: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @property
    def state(self) -> Path:
        """Folder of the token, the endpoint file, the blobs and the journal."""
        return Path(self.state_dir) if self.state_dir else default_state()

    @property
    def local(self) -> bool:
        """Only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where models are looked for."""
        return tuple(Path(folder).expanduser() for folder in self.models) or (self.state / "models",)


def default_state() -> Path:
    """VELATURA_HOME, else the system's place for a program's state."""
    if home := os.environ.get("VELATURA_HOME"):
        return Path(home)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Velatura"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Velatura"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "velatura"


def default_config(environment: Mapping[str, str]) -> Path:
    """Where settings are looked for when no file is named: in VELATURA_HOME, else where programs keep theirs."""
    if home := environment.get("VELATURA_HOME"):
        return Path(home) / CONFIG_FILE
    if sys.platform in ("win32", "darwin"):
        return default_state() / CONFIG_FILE
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "velatura" / CONFIG_FILE


def parser() -> argparse.ArgumentParser:
    """Flags of `velatura serve`."""
    flags = argparse.ArgumentParser(prog="velatura serve", description="Run the engine.", argument_default=None)
    flags.add_argument("--host", help="address to listen on (default 127.0.0.1; others need a token and TLS)")
    flags.add_argument("--port", type=int, help="port to listen on, 0 for a free one (default 7860)")
    flags.add_argument("--token-file", help="file with the token callers must give (default: made in the state folder)")
    flags.add_argument("--tls-cert", help="certificate chain, PEM")
    flags.add_argument("--tls-key", help="private key, PEM")
    flags.add_argument("--tls-client-ca", help="certificates of callers to let in, PEM")
    flags.add_argument("--state-dir", help="folder for token, blobs and journal (default: VELATURA_HOME)")
    flags.add_argument("--models", action="append", help="folder with models; may be given several times")
    flags.add_argument("--no-starter", dest="starter", action="store_const", const=False, help="no built-in model")
    flags.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps (default auto)")
    flags.add_argument("--dtype", choices=DTYPES, help="precision (default auto)")
    flags.add_argument("--threads", type=int, help="CPU threads for painting (default: all)")
    flags.add_argument("--idle-exit", type=float, help="end after this many seconds without work (default: never)")
    flags.add_argument("--config", help="settings file, TOML with the names of these flags (default: engine.toml)")
    return flags


def read(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, VELATURA_* variables and a TOML file. Raises Invalid naming what is wrong."""
    flags = {name: value for name, value in vars(parser().parse_args(argv)).items() if value is not None}
    config = flags.pop("config", None) or environment.get("VELATURA_CONFIG")
    path = Path(config) if config else default_config(environment)
    values = _from_file(path) if config or path.is_file() else {}
    values |= _from_environment(environment)
    values |= flags
    if isinstance(values.get("models"), list):
        values["models"] = tuple(values["models"])
    settings = Settings(**values)
    _check(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as trouble:
        raise Invalid("config", f"{path} cannot be read: {trouble}") from None
    limits = found.pop("limits", {})
    if not isinstance(limits, dict):
        raise Invalid("config.limits", f"must be a table of limits, got {limits!r}")
    _check_types(found, Settings(), "config")
    _check_types(limits, Limits(), "config.limits")
    return found | ({"limits": Limits(**limits)} if limits else {})


def _check_types(found: Mapping[str, Any], defaults: Settings | Limits, where: str) -> None:
    for name, value in found.items():
        if name not in {item.name for item in fields(defaults)}:
            raise Invalid(where, f"does not know {name!r}")
        kind = type(getattr(defaults, name))
        fits = float(value) if kind is float and isinstance(value, int) else value
        if not isinstance(fits, list if kind is tuple else kind) or (isinstance(value, bool) and kind is not bool):
            raise Invalid(f"{where}.{name}", f"must be {_WORDS[kind]}, got {value!r}")
        if isinstance(fits, list) and not all(isinstance(item, str) for item in fits):
            raise Invalid(f"{where}.{name}", "must be a list of texts")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kinds: dict[str, Callable[[str], Any]] = {"port": int, "threads": int, "idle_exit": float, "starter": _flag}
    kinds["models"] = lambda text: tuple(text.split(os.pathsep))
    for item in fields(Settings):
        text = environment.get(f"VELATURA_{item.name.upper()}")
        if not text or item.name == "limits":
            continue
        try:
            found[item.name] = kinds.get(item.name, str)(text)
        except ValueError:
            what = "yes or no" if item.name == "starter" else "a number"
            raise Invalid(f"VELATURA_{item.name.upper()}", f"{text!r} is not {what}") from None
    return found


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list of texts"}


def _flag(text: str) -> bool:
    known = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _check(settings: Settings) -> None:
    if not 0 <= settings.port <= 65535:
        raise Invalid("port", f"must be between 0 and 65535, got {settings.port}")
    if settings.idle_exit < 0:
        raise Invalid("idle_exit", f"must be 0 (never) or more seconds, got {settings.idle_exit:g}")
    if settings.threads < 0:
        raise Invalid("threads", f"must be 0 (all) or more, got {settings.threads}")
    if settings.dtype not in DTYPES:
        raise Invalid("dtype", f"must be one of {', '.join(DTYPES)}, got {settings.dtype!r}")
    if settings.tls_client_ca and not settings.tls_cert:
        raise Invalid("tls_client_ca", "callers' certificates need TLS", remedy="give --tls-cert and --tls-key too")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise Invalid("tls_key", "certificate and key go together", remedy="give both, or neither")
    if not settings.local and not settings.tls_cert:
        raise Invalid(
            "host", f"{settings.host} can be reached by others, so calls must be encrypted",
            remedy="give --tls-cert and --tls-key, or listen on 127.0.0.1",
        )  # fmt: skip
