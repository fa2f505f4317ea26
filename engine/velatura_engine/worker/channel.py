"""Objects between the front and a worker: pictures travel beside the pickle, not in it."""

from __future__ import annotations

import os
import pickle
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Packed:
    """An object ready to be sent: a small pickle, and large arrays as they lie in memory."""

    head: bytes
    buffers: tuple[pickle.PickleBuffer, ...]

    @property
    def size(self) -> int:
        """Length in bytes of everything that will be sent."""
        return len(self.head) + sum(buffer.raw().nbytes for buffer in self.buffers)


def pack(message: Any) -> Packed:
    """Make an object ready to be sent. Its arrays are not copied, so they must not change until they are sent."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    return Packed(head, tuple(buffers))


class Channel:
    """One end of a pipe. Sending is safe from several threads, receiving belongs to one.

    Pickle's protocol 5 hands large arrays over as buffers; they are written to the pipe as they lie in memory. Shared
    memory was tried: a fresh segment for each picture faults in page by page and is no faster (both move a 4K picture
    in about 50 ms on two busy cores), and segments can leak when a process dies; a pipe cannot.
    Only the engine's own two processes share such a pipe, so unpickling is safe.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Send an object. Raises OSError when the other end is gone."""
        self.put(pack(message))

    def put(self, packed: Packed) -> None:
        """Send what was packed before. Raises OSError when the other end is gone."""
        with self._lock:
            raw = [buffer.raw() for buffer in packed.buffers]
            self._connection.send(([len(each) for each in raw], packed.head))
            for each in raw:
                _write(self._connection, each)

    def receive(self) -> Any:
        """Wait for an object. Raises EOFError or OSError when the other end is gone."""
        sizes, head = self._connection.recv()
        buffers = [np.empty(size, np.uint8) for size in sizes]
        for buffer in buffers:
            _read(self._connection, buffer.data)
        return pickle.loads(head, buffers=buffers)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


def _write(connection: Connection, bytes_: memoryview) -> None:
    """Put bytes into a pipe as they are. A message of the connection's own is copied three times on the other side."""
    if os.name != "posix":
        connection.send_bytes(bytes_)
        return
    while bytes_:
        bytes_ = bytes_[os.write(connection.fileno(), bytes_) :]


def _read(connection: Connection, into: memoryview) -> None:
    """Fill memory with what was written. Raises EOFError when the other end is gone."""
    if os.name != "posix":
        connection.recv_bytes_into(into)
        return
    while into:
        count = os.readv(connection.fileno(), [into])
        if not count:
            raise EOFError
        into = into[count:]
