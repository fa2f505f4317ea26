"""Objects between the front and a worker: pictures travel beside the pickle, not in it."""

from __future__ import annotations

import pickle
import threading
from multiprocessing.connection import Connection
from typing import Any


class Channel:
    """One end of a pipe. Sending is safe from several threads, receiving belongs to one.

    Pickle's protocol 5 hands large arrays over as buffers; they are written to the pipe as they lie in memory. Only
    the engine's own two processes share such a pipe, so unpickling is safe.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Send an object. Raises OSError when the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        with self._lock:
            self._connection.send((len(buffers), head))
            for buffer in buffers:
                self._connection.send_bytes(buffer.raw())

    def receive(self) -> Any:
        """Wait for an object. Raises EOFError or OSError when the other end is gone."""
        count, head = self._connection.recv()
        buffers = [bytearray(self._connection.recv_bytes()) for _ in range(count)]
        return pickle.loads(head, buffers=buffers)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
