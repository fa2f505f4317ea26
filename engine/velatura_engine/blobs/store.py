"""Large content on disk, named by its SHA-256: bounded in size, in time and in all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import Busy, Invalid, NotFound

_NAME = re.compile(r"[0-9a-f]{64}")
CHUNK = 2**20


class BlobStore:
    """A private folder of blobs. Ids from outside are checked before they touch a path. Safe from several threads."""

    def __init__(self, folder: Path, *, max_bytes: int, quota: int, seconds: float) -> None:
        """At most `max_bytes` a blob and `quota` bytes in all; blobs unused for `seconds` are dropped."""
        self._folder, self._max, self._quota, self._seconds = folder, max_bytes, quota, seconds
        self._lock = threading.Lock()
        self._coming: dict[Path, int] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            folder.chmod(0o700)
        for left in folder.glob("*.part"):
            left.unlink(missing_ok=True)
        self.sweep()

    def has(self, blob_id: str) -> bool:
        """Whether it is here; that counts as a use. Raises Invalid."""
        try:
            os.utime(self._path(blob_id))
        except FileNotFoundError:
            return False
        return True

    def get(self, blob_id: str) -> bytes:
        """The whole content. Raises NotFound or Invalid."""
        return b"".join(self.chunks(blob_id))

    def size(self, blob_id: str) -> int:
        """Length in bytes. Raises NotFound or Invalid."""
        if self.has(blob_id):
            with contextlib.suppress(FileNotFoundError):
                return self._path(blob_id).stat().st_size
        raise _unknown(blob_id)

    def chunks(self, blob_id: str) -> Iterator[bytes]:
        """The content in pieces of 1 MiB. Raises NotFound or Invalid."""
        self.size(blob_id)
        try:
            file = self._path(blob_id).open("rb")
        except FileNotFoundError:
            raise _unknown(blob_id) from None
        with file:
            while piece := file.read(CHUNK):
                yield piece

    def put(self, content: bytes) -> str:
        """Store content; returns its id. Raises Invalid, or Busy where there is no room."""
        blob_id = hashlib.sha256(content).hexdigest()
        if self.has(blob_id):
            return blob_id
        upload = self.upload(blob_id, len(content))
        try:
            upload.add(content)
            return upload.finish()
        finally:
            upload.drop()

    def upload(self, blob_id: str, size: int) -> Upload:
        """Begin to store content of a known length and id; `drop` what comes back in the end.

        Raises Invalid, or Busy where there is no room.
        """
        path = self._path(blob_id)
        if not 0 < size <= self._max:
            raise Invalid("size", f"must be between 1 and {self._max} bytes, got {size}")
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        with self._lock:
            self._make_room(size)
            self._coming[part] = size
        return Upload(path, part, size, self._arrived)

    def sweep(self) -> None:
        """Drop what nobody used for too long."""
        with self._lock:
            self._make_room(0)

    def _arrived(self, part: Path) -> None:
        with self._lock:
            self._coming.pop(part, None)

    def _path(self, blob_id: str) -> Path:
        if not _NAME.fullmatch(blob_id):
            raise Invalid("blob_id", "is not a SHA-256 of 64 lower-case hexadecimal digits",
                          remedy="send the id that PutBlob gave")  # fmt: skip
        return self._folder / blob_id

    def _make_room(self, size: int) -> None:
        """Drop what is too old, then the longest unused until the new one fits beside those that are coming in."""
        files = sorted(self._facts())
        wanted = size + sum(self._coming.values()) + sum(length for _, length, _ in files)
        for used, length, file in files:
            if used < time.time() - self._seconds or wanted > self._quota:
                with contextlib.suppress(OSError):  # on Windows a file that is being read cannot be removed
                    file.unlink(missing_ok=True)
                    wanted -= length
        if wanted > self._quota:
            raise Busy("the blob store is full", retry_after=60.0, reason="BLOB_QUOTA")

    def _facts(self) -> Iterator[tuple[float, int, Path]]:
        """(last use, length, path) of every whole blob."""
        for file in self._folder.iterdir():
            if _NAME.fullmatch(file.name):
                with contextlib.suppress(FileNotFoundError):
                    facts = file.stat()
                    yield facts.st_mtime, facts.st_size, file


def _unknown(blob_id: str) -> NotFound:
    remedy = "send the content again: what nobody uses for long is dropped"
    return NotFound("blob", blob_id, field="blob_id", reason="UNKNOWN_BLOB", remedy=remedy)


class Upload:
    """Content on its way in; it counts only when it is whole and hashes to its id."""

    def __init__(self, path: Path, part: Path, size: int, arrived: Callable[[Path], None]) -> None:
        self._path, self._part, self._size, self._held, self._arrived = path, part, size, 0, arrived
        self._hash = hashlib.sha256()
        self._file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def add(self, data: bytes) -> None:
        """The next bytes. Raises Invalid when there are more than announced."""
        self._held += len(data)
        if self._held > self._size:
            raise Invalid("data", f"is longer than the {self._size} bytes announced")
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> str:
        """Check and keep it; returns its id. Raises Invalid."""
        self._file.close()
        if self._held != self._size or self._hash.hexdigest() != self._path.name:
            raise Invalid("data", "does not match the announced length or hash", remedy="send it again")
        self._part.replace(self._path)
        return self._path.name

    def drop(self) -> None:
        """Clear away what did not become a blob; nothing where it did."""
        self._file.close()
        self._part.unlink(missing_ok=True)
        self._arrived(self._part)
