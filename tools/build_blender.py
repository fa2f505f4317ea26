"""Builds and validates the Blender extension: one zip for every system, with private copies of all it needs.

    python tools/build_blender.py --out dist

Needs grpclib and protobuf installed (they are copied), and the `bpy` package, or `--blender-ext` naming the file
`blender_ext.py` of a Blender, whose own tool builds and validates.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from vendor import vendor

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "blender_addon" / "velatura_blender"
PRIVATE = "velatura_private"  # stands for the copies' package until imports are made relative


def build(out: Path, tool: Path | None = None) -> Path:
    """The validated zip, in the folder `out`. Raises SystemExit with the tool's words where Blender refuses it."""
    tool = tool or find_tool()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "velatura"
        assemble(folder)
        made = Path(scratch) / "velatura.zip"
        _run(tool, "build", "--source-dir", folder, "--output-filepath", made)
        _run(tool, "validate", made)
        version = re.search(r'^version = "(.+)"$', (SOURCE / "blender_manifest.toml").read_text("utf-8"), re.M)
        assert version is not None
        target = out / f"velatura-blender-{version.group(1)}.zip"
        shutil.copyfile(made, target)
    return target


def assemble(folder: Path) -> None:
    """The extension as a folder: the add-on and `_vendor`, whose imports are relative.

    Blender decides what an extension's package is called, so absolute imports of the copies are impossible.
    """
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__", "_vendor"))
    vendor(folder / "_vendor", PRIVATE)
    for path in (folder / "_vendor").rglob("*.py"):
        depth = len(path.relative_to(folder / "_vendor").parts)
        path.write_text(relative(path.read_text("utf-8"), "." * depth), "utf-8")
    shutil.copyfile(SOURCE.parent / "LICENSE", folder / "LICENSE")


def relative(source: str, dots: str) -> str:
    """A copy's source with imports below PRIVATE made relative; `dots` lead from its module to the copies' folder."""
    source = re.sub(rf"\bfrom {PRIVATE}\.([\w.]+) import\b", rf"from {dots}\1 import", source)
    source = re.sub(rf"\bfrom {PRIVATE} import\b", f"from {dots} import", source)
    source = re.sub(rf"\bimport {PRIVATE}\.([\w.]+)\.(\w+) as (\w+)", rf"from {dots}\1 import \2 as \3", source)
    source = re.sub(rf"\bimport {PRIVATE}\.(\w+) as (\w+)", rf"from {dots} import \1 as \2", source)
    source = re.sub(rf"\bimport {PRIVATE}\.([\w.]+)\.(\w+)", rf"from {dots}\1 import \2 as _loaded_\2", source)
    if PRIVATE in source:
        sys.exit(f"an import of {PRIVATE} could not be made relative")
    return source


def find_tool() -> Path:
    """`blender_ext.py` of the bpy package in this environment."""
    found = find_spec("bpy")
    for root in found.submodule_search_locations or () if found else ():
        for path in Path(root).glob("**/bl_pkg/cli/blender_ext.py"):
            return path
    sys.exit("bpy is not installed here: name Blender's blender_ext.py with --blender-ext")


def _run(tool: Path, *arguments: object) -> None:
    done = subprocess.run([sys.executable, tool, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{arguments[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for the zip")
    parser.add_argument("--blender-ext", type=Path, help="blender_ext.py of a Blender")
    chosen = parser.parse_args()
    made = build(chosen.out, chosen.blender_ext)
    print(f"{made}: {made.stat().st_size / 1024:.0f} KiB")
