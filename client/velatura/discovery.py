"""Finds the engine of this computer, or starts one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .endpoint import Endpoint
from .errors import Invalid, Unreachable, VelaturaError
from .loop import shared
from .wire import Wire

ENDPOINT_FILE = "engine.json"
LOG_FILE = "engine.log"
NO_PROGRAM = "NO_PROGRAM"
"""Reason of the error where there is nothing to start."""
_LOCK_FILE = "starting.lock"
_PROGRAM = r".venv\Scripts\velatura.exe" if sys.platform == "win32" else ".venv/bin/velatura"
_SERVE = ("serve", "--port", "0", "--idle-exit", "900")


def state_folder() -> Path:
    """Where the engine keeps its state: VELATURA_HOME, else the system's place for it."""
    if home := os.environ.get("VELATURA_HOME"):
        return Path(home)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Velatura"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Velatura"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "velatura"


def read_endpoint(folder: Path | None = None) -> Endpoint | None:
    """The endpoint that the engine wrote down; None where there is none or it cannot be read. Nothing is contacted."""
    try:
        facts = json.loads(((folder or state_folder()) / ENDPOINT_FILE).read_text("utf-8"))
        token_file = facts.get("token_file")
        token = Path(token_file).read_text("utf-8").strip() if token_file else ""
        return Endpoint(address=facts["address"], token=token, tls_ca=facts.get("tls_ca"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Invalid):
        return None


def from_environment() -> Endpoint | None:
    """The endpoint that VELATURA_ENGINE (host:port or https://host:port), VELATURA_TOKEN and VELATURA_TLS_CA name."""
    address = os.environ.get("VELATURA_ENGINE")
    if not address:
        return None
    return Endpoint(
        address=address, token=os.environ.get("VELATURA_TOKEN", ""), tls_ca=os.environ.get("VELATURA_TLS_CA")
    )


def answers(endpoint: Endpoint, timeout: float = 2.0) -> bool:
    """An engine is there and ready."""

    async def ask() -> bool:
        wire = Wire(endpoint)
        try:
            return await wire.is_serving(timeout)
        except VelaturaError:
            return False
        finally:
            wire.close()

    return shared().run(ask())


def find(folder: Path | None = None) -> Endpoint | None:
    """The engine to use: the one VELATURA_ENGINE names, else the one that runs here; None where none answers.

    One that VELATURA_ENGINE names is returned unasked, so that connecting to it says what is wrong with it.
    """
    named = from_environment()
    if named is not None:
        return named
    local = read_endpoint(folder)
    return local if local is not None and answers(local) else None


def start(
    command: Sequence[str] | None = None, *, program: str = "", wait: float = 60.0, folder: Path | None = None
) -> Endpoint:
    """Starts an engine on this computer unless one answers; returns its endpoint once it is ready.

    `program` is the engine's program, found as `find_program` says; `command` is another with its arguments, in place
    of `PROGRAM serve --port 0 --idle-exit 900`. The engine outlives this process. Waits `wait` seconds at most. Raises
    Unreachable; the end of the log is in its `debug`.
    """
    folder = folder or state_folder()
    running = find(folder)
    if running is not None:
        return running
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    until = time.monotonic() + wait
    if not _take_lock(folder / _LOCK_FILE, wait):
        return _await_endpoint(folder, until, None)
    try:
        process = _launch(list(command or (find_program(program), *_SERVE)), folder)
        return _await_endpoint(folder, until, process)
    finally:
        (folder / _LOCK_FILE).unlink(missing_ok=True)


def find_program(named: str = "") -> str:
    """The engine's program: the named file, else the one that VELATURA_PROGRAM names, else `velatura` on the path or
    beside this Python. Raises Unreachable.
    """
    remedy = (
        "`python3 tools/dev.py demo` in Velatura's folder sets it up; then name the program, which is "
        f"{_PROGRAM} in that folder, in the plug-in's preferences or in VELATURA_PROGRAM."
    )
    named = named or os.environ.get("VELATURA_PROGRAM", "")
    if named:
        if Path(named).is_file():
            return named
        raise Unreachable(f"The engine's program is not at {named}", remedy=remedy, reason=NO_PROGRAM)
    beside = Path(sys.executable).with_name(Path(_PROGRAM).name)
    program = shutil.which("velatura") or (str(beside) if beside.exists() else None)
    if program is None:
        raise Unreachable("The engine's program was not found on this computer", remedy=remedy, reason=NO_PROGRAM)
    return program


def _take_lock(path: Path, wait: float) -> bool:
    """Says whether this process is the one to start the engine. A lock older than `wait` was left behind."""
    for _ in range(2):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            return True
        except FileExistsError:
            try:
                if time.time() - path.stat().st_mtime < wait:
                    return False
                path.unlink(missing_ok=True)
            except FileNotFoundError:
                pass
    return False


def _launch(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    # Hosts bring a Python of their own and point these at it.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH")}
    environment["VELATURA_HOME"] = str(folder)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        with open(folder / LOG_FILE, "ab") as log:
            log.truncate(0)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )
    except OSError as error:
        raise Unreachable(f"The engine cannot be started with {command[0]}", debug=repr(error)) from error
    threading.Thread(target=process.wait, daemon=True).start()  # so that it never becomes a zombie
    return process


def _await_endpoint(folder: Path, until: float, process: subprocess.Popen[bytes] | None) -> Endpoint:
    late = False
    while time.monotonic() < until:
        endpoint = read_endpoint(folder)
        if endpoint is not None and answers(endpoint):
            return endpoint
        # Another host that was starting it removes its lock when it is through, for better or worse.
        gave_up = process.returncode not in (None, 0) if process else not (folder / _LOCK_FILE).exists()
        if gave_up and not late:
            late = True
            continue  # one more look: it may have answered in between
        if gave_up:
            raise Unreachable(
                "The engine stopped while it was starting", remedy=_last_words(folder), debug=_log_tail(folder)
            )
        time.sleep(0.05)
    raise Unreachable(
        "The engine was started but does not answer yet",
        remedy=f"Look into {folder / LOG_FILE}.",
        debug=_log_tail(folder),
    )


def _log_tail(folder: Path) -> str:
    try:
        return (folder / LOG_FILE).read_text("utf-8", "replace")[-4000:]
    except OSError:
        return ""


def _last_words(folder: Path) -> str:
    lines = _log_tail(folder).strip().splitlines()
    last = lines[-1].strip() if lines else "It said nothing."
    return f"{last} (all of it is in {folder / LOG_FILE})"
