"""One asyncio loop on one daemon thread, for every engine of the process.

Hosts own their main thread and its event loop; pumping ours from a UI timer was measured ten times slower.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """An asyncio loop that runs on its own daemon thread until the process ends or `stop` is called."""

    def __init__(self, name: str = "velatura") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def is_here(self) -> bool:
        """The caller runs on the loop's own thread."""
        return threading.current_thread() is self._thread

    def spawn(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Starts a coroutine and returns at once. Cancelling the future cancels the coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine and waits for what it returns or raises. Not to be called on the loop's own thread."""
        if self.is_here():
            work.close()
            raise RuntimeError("this call blocks; do not make it inside on_event")
        future = self.spawn(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # KeyboardInterrupt while waiting: do not leave the call behind
            raise

    def call_soon(self, function: Any, *arguments: Any) -> None:
        """Calls a plain function on the loop's thread, later."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        """Cancels what runs and ends the thread."""

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@cache
def shared() -> Loop:
    """The process's loop, started by the first call."""
    return Loop()
