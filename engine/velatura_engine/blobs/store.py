"""Large content on disk, named by its SHA-256: bounded in size, in time and in all."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import Busy, Invalid, NotFound

_NAME = re.compile(r"[0-9a-f]{64}")
CHUNK = 2**20


class BlobStore:
    """A private folder of blobs. Ids from outside are checked before they touch a path."""

    def __init__(self, folder: Path, *, max_bytes: int, quota: int, seconds: float) -> None:
        """At most `max_bytes` a blob and `quota` bytes in all; blobs unused for `seconds` are dropped."""
        self._folder, self._max, self._quota, self._seconds = folder, max_bytes, quota, seconds
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob("*.part"):
            left.unlink(missing_ok=True)

    def has(self, blob_id: str) -> bool:
        """Whether it is here; that counts as a use."""
        path = self._path(blob_id)
        if not path.is_file():
            return False
        os.utime(path)
        return True

    def get(self, blob_id: str) -> bytes:
        """The whole content. Raises NotFound or Invalid."""
        return b"".join(self.chunks(blob_id))

    def size(self, blob_id: str) -> int:
        """Length in bytes. Raises NotFound or Invalid."""
        if not self.has(blob_id):
            raise NotFound("blob", blob_id, field="blob_id", reason="UNKNOWN_BLOB")
        return self._path(blob_id).stat().st_size

    def chunks(self, blob_id: str) -> Iterator[bytes]:
        """The content in pieces of 1 MiB. Raises NotFound or Invalid."""
        self.size(blob_id)
        with self._path(blob_id).open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece

    def put(self, content: bytes) -> str:
        """Store content; returns its id."""
        upload = self.upload(hashlib.sha256(content).hexdigest(), len(content))
        upload.add(content)
        return upload.finish()

    def upload(self, blob_id: str, size: int) -> Upload:
        """Begin to store content of a known length and id. Raises Invalid, or Busy where there is no room."""
        path = self._path(blob_id)
        if not 0 < size <= self._max:
            raise Invalid("size", f"must be between 1 and {self._max} bytes, got {size}")
        self._make_room(size)
        return Upload(path, size)

    def _path(self, blob_id: str) -> Path:
        if not _NAME.fullmatch(blob_id):
            raise Invalid("blob_id", "is not a SHA-256 of 64 lower-case hexadecimal digits")
        return self._folder / blob_id

    def _make_room(self, size: int) -> None:
        """Drop what is too old, then the longest unused until the new one fits."""
        files = sorted(((file.stat().st_mtime, file.stat().st_size, file) for file in self._folder.iterdir()))
        held = sum(length for _, length, _ in files)
        for used, length, file in files:
            if file.suffix != ".part" and (used < time.time() - self._seconds or held + size > self._quota):
                file.unlink(missing_ok=True)
                held -= length
        if held + size > self._quota:
            raise Busy("the blob store is full", retry_after=60.0, reason="BLOB_QUOTA")


class Upload:
    """Content on its way in; it counts only when it is whole and hashes to its id."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size, self._held = path, size, 0
        self._hash = hashlib.sha256()
        self._part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

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
            self.drop()
            raise Invalid("data", "does not match the announced length or hash", remedy="send it again")
        self._part.replace(self._path)
        return self._path.name

    def drop(self) -> None:
        """Forget it."""
        self._file.close()
        self._part.unlink(missing_ok=True)
