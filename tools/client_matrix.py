"""Runs the client's tests with every Python and protobuf it promises, in throw-away environments.

    python tools/client_matrix.py [--python 3.10 3.13] [--protobuf 5.29 7]

Interpreters that are not on this computer are skipped, and named. Exits with the number of environments that failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PROTOBUFS = ("5.29", "6", "7")
TOOLS = ("grpclib>=0.4.9,<0.5", "pytest", "pytest-timeout", "pillow")
SETTINGS = "[pytest]\naddopts = --import-mode=importlib -q\ntimeout = 120\nfilterwarnings = error\n"


def interpreter(version: str) -> str | None:
    """A Python of this version: this one, on the path, or among pyenv's."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)]
    for candidate in filter(None, candidates):
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.stdout.strip() == version:
            return candidate
    return None


def run(python: str, protobuf: str, numpy: bool, folder: Path) -> tuple[bool, str]:
    """Makes an environment, installs, runs the tests; says whether they passed, and pytest's last line."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    inside = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [inside, "-m", "pip", "install", "-qqq", "--disable-pip-version-check"]
    subprocess.run([*pip, *TOOLS, f"protobuf=={protobuf}.*", *(["numpy", "grpcio"] if numpy else [])], check=True)
    other = "6" if protobuf == "7" else "7"
    subprocess.run([*pip, "--no-deps", "--target", folder / "foreign", f"protobuf=={other}.*"], check=True)
    settings = folder / "pytest.ini"
    settings.write_text(SETTINGS)
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY / "client"),
        "VELATURA_FOREIGN_PROTOBUF": str(folder / "foreign"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [inside, "-m", "pytest", "-c", settings, "--rootdir", REPOSITORY, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, REPOSITORY / "tests" / "client"], env=environment, cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-2000:])
    lines = done.stdout.strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else done.stderr[-200:]


def main() -> int:
    """Runs the whole matrix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="+", default=PYTHONS)
    parser.add_argument("--protobuf", nargs="+", default=PROTOBUFS)
    chosen = parser.parse_args()
    failed = 0
    for version in chosen.python:
        python = interpreter(version)
        if python is None:
            print(f"Python {version}: skipped, it is not on this computer", flush=True)
            continue
        for number, protobuf in enumerate(chosen.protobuf):
            begin = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                # Once in each Python without numpy and grpcio, as hosts without them run it.
                passed, words = run(python, protobuf, numpy=number > 0, folder=Path(folder))
            failed += not passed
            mark = "passed" if passed else "FAILED"
            print(
                f"Python {version}, protobuf {protobuf}: {mark}, {words} ({time.monotonic() - begin:.0f} s)", flush=True
            )
    return failed


if __name__ == "__main__":
    sys.exit(main())
