"""`velatura doctor`: looks at everything that has to be right, and says what to do about what is not."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from velatura import discovery, errors
from velatura.endpoint import DEFAULT_PORT, Endpoint

from ..errors import Invalid
from ..models.index import ModelIndex
from ..settings import default_config, read
from . import connect

LEAST_DISK = 2 * 2**30
_PROBE = """
import json, torch
cuda = torch.cuda.is_available()
mps = torch.backends.mps.is_available()
name = torch.cuda.get_device_name() if cuda else "mps" if mps else "cpu"
print(json.dumps({"torch": torch.__version__, "device": name, "threads": torch.get_num_threads()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do where it is not right."""

    name: str
    right: bool
    words: str
    remedy: str = ""


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("doctor", help="find out what is wrong", description=__doc__)
    connect.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, print, and return 0 where all is right, else 70."""
    findings = list(examine(options))
    if options.json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{'ok   ' if finding.right else 'WRONG'} {finding.name:8} {finding.words}\n")
            if finding.remedy and not finding.right:
                sys.stdout.write(f"      {'':8} -> {finding.remedy}\n")
    return 0 if all(finding.right for finding in findings) else 70


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Every finding, in an order that helps: what is needed first comes first."""
    yield _python()
    yield _torch()
    yield from _models()
    yield _disk()
    yield _port()
    yield from _engine(options)


def _python() -> Finding:
    version = sys.version_info
    return Finding(
        name="python",
        right=(3, 11) <= version[:2] <= (3, 13),
        words=f"Python {version.major}.{version.minor}.{version.micro}",
        remedy="Use Python 3.11, 3.12 or 3.13.",
    )


def _torch() -> Finding:
    # In a process of its own: it takes seconds, and where it is broken it may take the process with it.
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120)
        facts = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return Finding(
            name="torch",
            right=False,
            words="torch cannot be imported",
            remedy="Install it anew: python3 tools/dev.py clean, then python3 tools/dev.py demo.",
        )
    return Finding(
        name="torch", right=True, words=f"torch {facts['torch']} on {facts['device']}, {facts['threads']} threads"
    )


def _models() -> Iterator[Finding]:
    try:
        settings = read([])
    except Invalid as trouble:
        # Where the models are is one of the settings, so nothing can be said about them.
        yield Finding(name="settings", right=False, words=trouble.message, remedy=_mend(trouble))
        return
    index = ModelIndex(settings.model_folders, starter=settings.starter)
    names = [entry.id for entry in index.entries()]
    yield Finding(
        name="models",
        right=bool(names),
        words=", ".join(names) or "none",
        remedy="Install velatura-starter, or put a safetensors checkpoint into the models folder.",
    )
    for name, why in index.refused.items():
        yield Finding(name="models", right=False, words=f"{name} is not used: {why}", remedy="Remove or replace it.")


def _mend(trouble: Invalid) -> str:
    if trouble.field.startswith("VELATURA_"):
        return f"Mend or unset {trouble.field}."
    file = os.environ.get("VELATURA_CONFIG") or default_config(os.environ)
    if trouble.field.startswith("config"):
        return f"Mend or remove {file}."
    return trouble.remedy or f"Mend it in {file}, or in VELATURA_{trouble.field.upper()} where that is set."


def _disk() -> Finding:
    folder = discovery.state_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return Finding(
        name="disk",
        right=free >= LEAST_DISK,
        words=f"{free / 2**30:.1f} GB free for {folder}",
        remedy="Free some space, or set VELATURA_HOME to a folder on another disk.",
    )


def _port() -> Finding:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        taken = probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0
    local = discovery.read_endpoint()
    ours = local is not None and local.host_and_port()[1] == DEFAULT_PORT
    return Finding(
        name="port",
        right=not taken or ours,
        words=f"port {DEFAULT_PORT} is "
        + ("the engine's" if taken and ours else "taken by another program" if taken else "free"),
        remedy="Run `velatura serve --port 0`; programs on this computer find it by themselves.",
    )


def _engine(options: argparse.Namespace) -> Iterator[Finding]:
    endpoint = _guarded(lambda: connect.find(options))
    if isinstance(endpoint, Finding):
        yield endpoint
        return
    if endpoint is None:
        yield Finding(name="engine", right=True, words="not running; commands start it when they need it")
        return
    yield from _talk(endpoint)


def _talk(endpoint: Endpoint) -> Iterator[Finding]:
    from velatura import Engine

    def ask() -> Finding:
        with Engine.connect(endpoint) as engine:
            facts = engine.capabilities()
            feed = engine.watch_engine()
            status = next(iter(feed.events()))
            feed.cancel()
        words = f"{facts.engine_version} at {endpoint.address} on {facts.device or 'a device not known yet'}"
        restarts = f", worker replaced {status.worker_restarts} times" if status.worker_restarts else ""
        return Finding(
            name="engine",
            right=status.worker != "restarting",
            words=f"{words}, worker {status.worker}{restarts}",
            remedy=f"Look into {discovery.state_folder() / discovery.LOG_FILE}.",
        )

    yield _guarded(ask)
    yield from _token()


def _token() -> Iterator[Finding]:
    file = discovery.state_folder() / "token"
    if sys.platform != "win32" and file.exists():
        mode = file.stat().st_mode & 0o777
        yield Finding(
            name="token",
            right=mode & 0o077 == 0,
            words=f"{file} has mode {mode:o}",
            remedy=f"Only you should read it: chmod 600 {Path(file)}",
        )


def _guarded(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except errors.VelaturaError as trouble:
        return Finding(name="engine", right=False, words=trouble.message, remedy=trouble.remedy)
