"""Convert a torch file in a process that is thrown away, and that could do no harm if the file took it over.

The wall is the reader, which knows no function that acts (pickles.py). Around it the process has no file open but
three pipes and may open none (so neither files nor sockets), may write no byte to a file, start no process (except as
root, whom Linux lets), and has little memory and time. Windows knows no such limits; there the wall stands alone, and
the time.
"""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from pathlib import Path

from ..errors import Invalid, Unsupported

MAX_FILE = 384 * 2**20
"""Of a torch file, bytes."""
SECONDS, MEMORY = 30, 4 * 2**30
_REFUSED = 3


def convert(path: Path) -> bytes:
    """The safetensors file for a torch file. Raises Invalid where it is not there, Unsupported where it is refused."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_FILE else b""
    except OSError as trouble:
        raise Invalid("file", f"{path.name} cannot be read: {trouble.strerror}", remedy="give another") from None
    if size > MAX_FILE:
        raise _refusal(path, f"it has {size} bytes, {MAX_FILE} at most")
    root = str(Path(__file__).parents[2])
    environment = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    command = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {root!r}); "
               "from velatura_engine.models.jail import serve; serve()"]  # fmt: skip
    try:
        made = subprocess.run(command, input=content, capture_output=True, timeout=2 * SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        raise _refusal(path, "it takes too long to read") from None
    if made.returncode == _REFUSED:
        raise _refusal(path, made.stderr.decode("utf-8", "replace")[-400:].strip())
    if made.returncode != 0:
        raise _refusal(path, f"reading it ended with {made.returncode}")
    return made.stdout


def serve() -> None:
    """Inside the jail: a torch file comes in, a safetensors file goes out, or a reason and the exit code for it."""
    from .convert import converted
    from .pickles import Refused

    content = sys.stdin.buffer.read(MAX_FILE + 1)
    # Codecs and such are imported on first use; after the door is shut nothing can be.
    for codec in ("ascii", "utf-8", "cp437"):
        codecs.lookup(codec)
    _shut()
    try:
        sys.stdout.buffer.write(converted(content))
        sys.stdout.buffer.flush()
    except Refused as trouble:
        _leave(str(trouble))
    except MemoryError:
        _leave("it asks for more memory than it is given")


def _shut() -> None:
    """Take from this process what reading does not need."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        "RLIMIT_NOFILE": 3, "RLIMIT_FSIZE": 0, "RLIMIT_NPROC": 0, "RLIMIT_CORE": 0, "RLIMIT_CPU": SECONDS,
        "RLIMIT_AS": MEMORY,
    }  # fmt: skip
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))


def _leave(why: str) -> None:
    sys.stderr.write(why)
    sys.stderr.flush()
    os._exit(_REFUSED)


def _refusal(path: Path, why: str) -> Unsupported:
    return Unsupported(
        f"{path.name} is not imported: {why}", field="file", reason="PICKLE_NOT_ALLOWED",
        remedy="get its safetensors version",
    )  # fmt: skip
