"""Runs the add-on's tests in every Blender that it promises, and its panels in a full one where that is named.

    python tools/blender_matrix.py                                  4.2 LTS, 4.5 LTS, 5.0 and 5.2 LTS
    python tools/blender_matrix.py --version 4.2 --tests tests/blender/test_local.py
    python tools/blender_matrix.py --root build/blender-root        and the panels; tests/blender/full/run.py makes it

Those that `tools/dev.py test` does not run get environments of their own, thrown away afterwards: about 1 GB each.
Versions whose Python is not on this computer are skipped, and named. Exits with the number of those that failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import environments
from client_matrix import interpreter
from environments import BLENDER_LOCK, BLENDER_TOOLS, ROOT, Trouble, program

PYTHONS = {"4.2": "3.11", "4.5": "3.11", "5.0": "3.11", "5.2": "3.13"}
"""The Python that each Blender is built for."""
FULL = ROOT / "tests" / "blender" / "full" / "run.py"


def environment(version: str, python: str, folder: Path) -> Path:
    """An environment with this Blender as a module; returns its Python. Raises Trouble."""
    environments.must([python, "-m", "venv", folder], f"Making an environment for Blender {version}")
    inside = program(folder, "python")
    lock = folder / "constraints.txt"
    lines = BLENDER_LOCK.read_text("utf-8").splitlines()
    lock.write_text("\n".join(line for line in lines if not line.startswith("bpy==")), "utf-8")
    pip = [inside, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-c", lock]
    environments.must([*pip, "setuptools"], "Installing the build tools")
    tools = [f"bpy=={version}.*" if tool == "bpy" else tool for tool in BLENDER_TOOLS]
    local = ["--no-build-isolation", "-e", ROOT / "client"]
    environments.must([*pip, *local, *tools], f"Installing Blender {version}")
    return inside


def run(version: str, tests: list[str]) -> str | None:
    """Run the tests in one version; what went wrong, "" where all is well, or None where its Python is not here."""
    with tempfile.TemporaryDirectory() as folder:
        if version == "4.5":
            inside: Path | None = environments.ensure_blender()
        elif version == "5.2":
            inside = environments.ensure_newer_blender()
        else:
            python = interpreter(PYTHONS[version])
            inside = environment(version, python, Path(folder)) if python else None
        if inside is None:
            return None
        where = [*("-c", "tests/blender/pytest.ini", "--rootdir", "tests/blender"), *tests]
        given = os.environ | {"VELATURA_HOME": str(Path(folder) / "state")}
        done = subprocess.run([inside, "-m", "pytest", *where], cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stdout[-8000:])
        lines = done.stdout.strip().splitlines()
        print(f"Blender {version}: {lines[-1] if lines else done.returncode}", flush=True)
        return "" if done.returncode == 0 else "its tests failed"


def main() -> int:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", nargs="+", choices=PYTHONS, default=list(PYTHONS))
    parser.add_argument("--tests", nargs="+", default=["tests/blender"], help="files or folders (default: all)")
    parser.add_argument(
        "--root", type=Path, help="a folder with a whole system that has a full Blender, for the panels"
    )
    options = parser.parse_args()
    failed = 0
    for version in options.version:
        since = time.monotonic()
        try:
            trouble = run(version, options.tests)
        except Trouble as error:
            trouble = str(error)
        failed += bool(trouble)
        said = "skipped, its Python is not on this computer" if trouble is None else trouble or "passed"
        print(f"Blender {version}: {said} ({time.monotonic() - since:.0f} s)", flush=True)
    if options.root:
        code = subprocess.run([sys.executable, FULL, "--root", options.root]).returncode
        failed += bool(code)
        print(f"The panels: {'FAILED' if code else 'passed'}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
