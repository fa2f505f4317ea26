"""`velatura import`: adapters of all kinds from old .pt, .pth and .bin files, opened where they do no harm."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from velatura import errors

from ..errors import Invalid, Unsupported, VelaturaError
from ..models.identify import identify
from ..models.jail import convert
from ..settings import read

FOLDERS = {
    "lora": "loras", "embedding": "embeddings", "hypernetwork": "hypernetworks", "t2i": "t2i_adapter",
    "controlnet": "controlnet", "annotator": "annotators",
}  # fmt: skip


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("import", help="take in a .pt, .pth or .bin file as safetensors", description=__doc__)
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="embeddings, hypernetworks, LoRAs, T2I-Adapters or annotators, to 384 MB each",
    )
    command.add_argument("--models", metavar="FOLDER", help="models folder to put them into (default: the engine's)")
    command.add_argument("--json", action="store_true", help="print one JSON document for scripts")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert and put away each file; returns the exit code."""
    root = Path(options.models).expanduser() if options.models else read([]).model_folders[0]
    made = []
    for name in options.files:
        try:
            target, kind = take_in(Path(name), root)
        except VelaturaError as trouble:
            kind = errors.Invalid if isinstance(trouble, Invalid) else errors.Unsupported
            raise kind(
                trouble.message, field=trouble.field, remedy=trouble.remedy, reason=trouble.reason
            ) from None  # fmt: skip
        made.append({"file": str(target), "kind": kind})
        if not options.json:
            sys.stdout.write(f"{target} ({kind})\n")
    if options.json:
        json.dump({"imported": made}, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("A running engine sees them when it is started anew, or asked to look again.\n")
    return 0


def take_in(path: Path, root: Path) -> tuple[Path, str]:
    """Write the safetensors version of a torch file into its kind's folder below `root`; never over another file.

    Returns where it lies and what it is. Raises Invalid or Unsupported, saying why not.
    """
    content = convert(path)
    root.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".import-", suffix=".safetensors", dir=root)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        found = identify(fresh, "import")
        if found.kind not in FOLDERS:
            raise Unsupported(
                f"{path.name} is a {found.kind}, which is not taken in by hand", field="file",
                reason="UNSUPPORTED_LAYOUT", remedy="get its safetensors version",
            )  # fmt: skip
        folder = root / FOLDERS[found.kind]
        folder.mkdir(exist_ok=True)
        target = folder / f"{path.stem}.safetensors"
        try:
            with target.open("xb") as file:
                file.write(content)
        except FileExistsError:
            raise Invalid("file", f"{target} is there already", remedy="move it away, or rename the other") from None
    except VelaturaError as trouble:
        trouble.message = trouble.message.replace(fresh.name, path.name)
        trouble.args = (trouble.message,)
        raise
    finally:
        fresh.unlink(missing_ok=True)
    return target, found.kind
