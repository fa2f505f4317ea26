"""The parts of `tools/dev.py test`: each runs one thing and says how many passed and failed."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import environments
from environments import BUILD, ROOT, Trouble, program, run, say

CONTINUOUS = bool(os.environ.get("CI"))
"""Nothing may be left out when nobody looks at the screen."""
MATRIX = sorted({"3.10", "{}.{}".format(*sys.version_info), "3.13"})
"""Pythons that the client is tested with: the oldest and newest, where they are here, and this one."""


BLENDER_TESTS = ["-c", "tests/blender/pytest.ini", "--rootdir", "tests/blender", "tests/blender"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a part went. `note` says what was left out, or how it ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


def check(code: int, note: str = "") -> Outcome:
    """The outcome of a command that either passes or fails."""
    return Outcome(passed=int(code == 0), failed=int(code != 0), note=note)


def left_out(why: str) -> Outcome:
    """A part that cannot run on this computer: said aloud, and a failure in CI."""
    say(f"!!! LEFT OUT: {why}")
    return Outcome(failed=int(CONTINUOUS), skipped=int(not CONTINUOUS), note=why)


def formatting() -> Outcome:
    """ruff format, only looking."""
    return check(run([_ruff(), "format", "--check", "--quiet", "."]), "run `python3 tools/dev.py lint --fix` to mend")


def linting() -> Outcome:
    """ruff check."""
    return check(run([_ruff(), "check", "--quiet", "."]))


def types() -> Outcome:
    """pyright over the client and the engine, as pyproject.toml says."""
    node = environments.ensure_node()
    if node is None:
        return left_out("pyright needs npm; install Node.js")
    python = program(ROOT / ".venv", "python")
    return check(run([node / "pyright", "--pythonpath", python, "--warnings"]))


def stubs() -> Outcome:
    """The generated messages are those that the contract makes."""
    with tempfile.TemporaryDirectory() as folder:
        generate_stubs(Path(folder))
        made, kept = Path(folder) / "velatura" / "v1", ROOT / "client" / "velatura" / "v1"
        names = sorted({file.name for root in (made, kept) for file in root.glob("*_pb2.py*")})
        same, differ, missing = filecmp.cmpfiles(made, kept, names, shallow=False)
    for name in differ + missing:
        say(f"client/velatura/v1/{name} is not what proto/ makes; run `python3 tools/dev.py proto`")
    return check(len(differ + missing), f"{len(same)} files compared")


def generate_stubs(target: Path) -> None:
    """Make the messages of the contract in a folder. An old generator, so that they load with old protobufs too."""
    python = environments.ensure_stub_tools()
    proto = ROOT / "proto"
    files = sorted(path.relative_to(proto) for path in proto.rglob("*.proto"))
    outputs = (f"--python_out={target}", f"--pyi_out={target}")
    environments.must([python, "-m", "grpc_tools.protoc", "-I.", *outputs, *files], "Generating the stubs", cwd=proto)


def contract_style() -> Outcome:
    """buf lint."""
    node = environments.ensure_node()
    if node is None:
        return left_out("buf needs npm; install Node.js")
    return check(run([node / "buf", "lint"], cwd=ROOT / "proto"))


def contract_promises() -> Outcome:
    """buf breaking: nothing that a host relies on has changed since the last release, or the commit before."""
    node = environments.ensure_node()
    if node is None:
        return left_out("buf needs npm; install Node.js")
    ref = _earlier_contract()
    if ref is None:
        return left_out("buf breaking needs the repository's history, or a release, to compare with")
    return check(
        run([node / "buf", "breaking", "proto", "--against", f".git#ref={ref},subdir=proto"]), f"against {ref}"
    )


def _earlier_contract() -> str | None:
    tags = _git("tag", "--list", "v*", "--sort=-v:refname", "--merged", "HEAD").split()
    for ref in (*tags[:1], "HEAD~1"):
        if _git("ls-tree", ref, "proto/buf.yaml"):
            return ref
    return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def everything() -> Outcome:
    """pytest of all that runs in the engine's environment."""
    return _pytest(program(ROOT / ".venv", "python"), ["--ignore=tests/blender", "tests"])


def client_matrix() -> Outcome:
    """The client's tests with the oldest, this and the newest Python that are here, and every protobuf it promises."""
    command = [sys.executable, ROOT / "tools" / "client_matrix.py", "--python", *MATRIX]
    return check(run(command), f"Python {', '.join(MATRIX)} where they are")


def blender() -> Outcome:
    """pytest inside Blender as a module."""
    if not any((ROOT / "tests" / "blender").glob("test_*.py")):
        return Outcome(skipped=1, note="there are no tests yet")
    try:
        python = environments.ensure_blender()
    except Trouble as trouble:
        return left_out(str(trouble))
    return _pytest(python, BLENDER_TESTS)


def newer_blender() -> Outcome:
    """The same inside Blender 5.2, where the Python it needs is here."""
    python = environments.ensure_newer_blender()
    if python is None:
        return Outcome(skipped=1, note="Blender 5.2 needs Python 3.13, which is not here")
    return _pytest(python, BLENDER_TESTS)


def _pytest(python: Path, arguments: list[str]) -> Outcome:
    """Run pytest, letting its output through, and read its closing line."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1", VELATURA_HOME=str(BUILD / "state"))
    command = [str(python), "-m", "pytest", "--durations=5", *arguments]
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return count(last, process.returncode)


def count(line: str, code: int) -> Outcome:
    """The numbers of pytest's closing line; a run that ended badly has failed whatever it counted."""
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line)}
    failed = numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
    return Outcome(
        passed=numbers.get("passed", 0), failed=failed or int(code != 0), skipped=numbers.get("skipped", 0), note=line
    )


def _ruff() -> Path:
    return program(ROOT / ".venv", "ruff")


PARTS: dict[str, Callable[[], Outcome]] = {
    "format": formatting,
    "lint": linting,
    "types": types,
    "stubs": stubs,
    "contract style": contract_style,
    "contract promises": contract_promises,
    "tests": everything,
    "client matrix": client_matrix,
    "blender": blender,
    "newer blender": newer_blender,
}
