"""Khronos' own validator of glTF files, beside the other programs from npm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "build" / "node" / "node_modules" / "gltf-validator"
_ASK = """
const {validateBytes} = require(process.argv[1]);
validateBytes(new Uint8Array(require("fs").readFileSync(0)), {maxIssues: 100})
  .then(report => console.log(JSON.stringify(report)), error => { console.error(error); process.exit(1); });
"""


def report(content: bytes) -> dict:
    """What the validator says of a GLB file. Skips the test where there is none; in CI there is one."""
    node = shutil.which("node")
    if node is None or not FOLDER.exists():
        assert not os.environ.get("CI"), "gltf-validator is not installed"
        pytest.skip("the validator of glTF comes with `tools/dev.py test --only types`, and needs npm")
    done = subprocess.run([node, "-e", _ASK, str(FOLDER)], input=content, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def faults(content: bytes) -> list[str]:
    """Errors and warnings about a GLB file, in words."""
    issues = report(content)["issues"]
    return [f"{issue['code']} {issue['pointer']}" for issue in issues["messages"] if issue["severity"] < 2]
