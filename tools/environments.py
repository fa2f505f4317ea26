"""The environments that the verbs of `tools/dev.py` run in: made when they are absent or stale, else left alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import client_matrix

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
LOCK = ROOT / "requirements.lock"
BLENDER_LOCK = ROOT / "requirements-blender.lock"
NEWER_BLENDER_LOCK = ROOT / "requirements-blender-5.lock"
PACKAGES = ("client", "starter", "engine")
STAMP = "velatura.stamp"

TORCH = "torch==2.13.0"
TEST_TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "ruff", "grpcio-status")
BLENDER_TOOLS = ("bpy", "numpy", "pytest", "pytest-timeout", "OpenEXR")
NODE_TOOLS = ("@bufbuild/buf@1.75.0", "pyright@1.1.414", "gltf-validator@2.0.0-dev.3.10")
STUB_TOOLS = ("grpcio-tools==1.67.1", "setuptools<81")
SUPPORTED = ((3, 13), (3, 12), (3, 11))


class Trouble(Exception):
    """Something that the person at the keyboard can put right; its text says how."""


def say(words: str) -> None:
    """A line for the person at the keyboard."""
    print(f"\033[1m{words}\033[0m" if sys.stderr.isatty() else words, file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], **more: object) -> int:
    """Run a command in the repository; returns its exit code."""
    return subprocess.run([str(part) for part in command], cwd=more.pop("cwd", ROOT), **more).returncode  # type: ignore[call-overload]


def must(command: Sequence[str | Path], why: str, **more: object) -> None:
    """Run a command that has to succeed. Raises Trouble."""
    if code := run(command, **more):
        raise Trouble(f"{why} failed (exit code {code}): {' '.join(str(part) for part in command)}")


def program(folder: Path, name: str) -> Path:
    """A program inside an environment."""
    return folder / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)


def interpreter(versions: Iterable[tuple[int, int]] = SUPPORTED) -> str:
    """A Python of one of these versions: this one if it fits, else one on the path. Raises Trouble."""
    wanted = list(versions)
    if sys.version_info[:2] in wanted:
        return sys.executable
    for major, minor in wanted:
        found = shutil.which(f"python{major}.{minor}")
        if found and subprocess.run([found, "-c", "import venv"], capture_output=True).returncode == 0:
            return found
    names = " or ".join(f"{major}.{minor}" for major, minor in sorted(wanted))
    raise Trouble(f"Python {names} is needed; this one is {sys.version.split()[0]}. Install it and run this again.")


def digest(*parts: str | Path) -> str:
    """What an environment was made from, in short."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        whole.update(b"\0")
    return whole.hexdigest()


def fresh(folder: Path, stamp: str) -> bool:
    """The environment stands and was made from this."""
    file = folder / STAMP
    return file.exists() and file.read_text("utf-8") == stamp


def ensure_engine(*, tests: bool) -> Path:
    """The environment `.venv` with client, starter and engine, on request with what tests need; returns its Python."""
    folder = ROOT / ".venv"
    python = program(folder, "python")
    facts = [LOCK, *(ROOT / package / "pyproject.toml" for package in PACKAGES), TORCH, str(ROOT)]
    plain, full = digest(*facts), digest(*facts, *TEST_TOOLS)
    if fresh(folder, full) or (not tests and fresh(folder, plain)):
        return python
    since = time.monotonic()
    say("Installing the engine into .venv (once; a few minutes)")
    _venv(folder, interpreter())
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-c", LOCK]
    must([*pip, "setuptools"], "Installing the build tools")
    # Before all else and alone, so that nothing can draw in another build of it.
    must([*pip, TORCH], "Installing torch")
    local = [part for package in PACKAGES for part in ("-e", ROOT / package)]
    must([*pip, "--no-build-isolation", *local, *(TEST_TOOLS if tests else ())], "Installing Velatura")
    (folder / STAMP).write_text(full if tests else plain, "utf-8")
    say(f"Installed in {time.monotonic() - since:.0f} s")
    return python


def ensure_blender() -> Path:
    """The environment `.venv-blender` with Blender 4.5 as a module; returns its Python. It needs Python 3.11."""
    return _blender(ROOT / ".venv-blender", BLENDER_LOCK, lambda: interpreter([(3, 11)]))


def ensure_newer_blender() -> Path | None:
    """The same with Blender 5.2 in `.venv-blender-5`, which needs Python 3.13; None where that is not here."""
    found = client_matrix.interpreter("3.13")
    return _blender(ROOT / ".venv-blender-5", NEWER_BLENDER_LOCK, lambda: found) if found else None


def _blender(folder: Path, lock: Path, interpreter: Callable[[], str]) -> Path:
    python = program(folder, "python")
    stamp = digest(lock, ROOT / "client" / "pyproject.toml", *BLENDER_TOOLS, str(ROOT))
    if fresh(folder, stamp):
        return python
    say(f"Installing Blender as a module into {folder.name} (once; about a minute)")
    _venv(folder, interpreter())
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-c", lock]
    must([*pip, "setuptools"], "Installing the build tools")
    must([*pip, "--no-build-isolation", "-e", ROOT / "client", *BLENDER_TOOLS], "Installing Blender")
    (folder / STAMP).write_text(stamp, "utf-8")
    return python


def ensure_stub_tools() -> Path:
    """The environment that generates the stubs, kept apart: it is old on purpose. Returns its Python."""
    folder = BUILD / "stubs"
    python = program(folder, "python")
    stamp = digest(*STUB_TOOLS)
    if not fresh(folder, stamp):
        _venv(folder, interpreter([(3, 12), (3, 11)]))
        must(
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *STUB_TOOLS], "Installing protoc"
        )
        (folder / STAMP).write_text(stamp, "utf-8")
    return python


def ensure_node() -> Path | None:
    """The folder of buf's and pyright's programs, beside which gltf-validator lies; None where npm is absent."""
    folder = BUILD / "node"
    stamp = digest(*NODE_TOOLS)
    if not fresh(folder, stamp):
        npm = shutil.which("npm")
        if npm is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-audit", "--no-fund", "--no-save", "--loglevel", "error")
        must(
            [npm, "install", "--prefix", folder, *options, *NODE_TOOLS],
            "Installing buf, pyright and the validator of glTF",
        )
        (folder / STAMP).write_text(stamp, "utf-8")
    return folder / "node_modules" / ".bin"


def _venv(folder: Path, python: str) -> None:
    """An environment; one that works already is kept, and what is to be installed goes over it."""
    inside = program(folder, "python")
    if inside.exists() and subprocess.run([inside, "-c", "import pip"], capture_output=True).returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    must([python, "-m", "venv", folder], f"Making {folder.name}")
