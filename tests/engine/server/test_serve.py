"""How an engine stops."""

from __future__ import annotations

import asyncio
import contextlib

from velatura_engine.server.serve import end


async def test_a_task_that_misses_its_cancellation_is_cancelled_again():
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end([task])
    assert task.cancelled()
