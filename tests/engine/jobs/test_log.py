"""A job's log: numbered, resumable, and never without its end."""

import asyncio

from velatura.v1 import jobs_pb2
from velatura_engine.jobs.job import MAX_UNREAD, EventLog

FINISHED = jobs_pb2.Finished(state=jobs_pb2.JOB_STATE_SUCCEEDED)


def kinds(events) -> list[str]:
    return [event.WhichOneof("event") for event in events]


async def test_a_slow_reader_still_gets_the_end_that_came_while_it_read():
    log = EventLog("job")
    log.add(started=jobs_pb2.Started())
    reader = log.watch()
    first = await anext(reader)
    log.add(progress=jobs_pb2.Progress())
    log.add(finished=FINISHED)
    assert kinds([first] + [event async for event in reader]) == ["started", "progress", "finished"]


async def test_only_later_events_come_also_when_the_number_lies_ahead():
    log = EventLog("job")
    log.add(started=jobs_pb2.Started())
    reader = log.watch(after=2)
    reading = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    log.add(progress=jobs_pb2.Progress())
    log.add(finished=FINISHED)
    assert (await reading).sequence == 3
    assert not [event async for event in log.watch(after=3)]


async def test_previews_reach_those_who_watch_and_nobody_later():
    log = EventLog("job")
    reader = log.watch()
    reading = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    log.add(preview=jobs_pb2.Preview())
    log.add(finished=FINISHED)
    assert kinds([await reading]) == ["preview"]
    assert kinds([event async for event in log.watch()]) == ["finished"]


async def test_a_reader_that_stands_still_is_spared_previews_but_nothing_else():
    log = EventLog("job")
    log.add(started=jobs_pb2.Started())
    reader = log.watch()
    await anext(reader)
    for _ in range(2 * MAX_UNREAD):
        log.add(preview=jobs_pb2.Preview())
    log.add(finished=FINISHED)
    rest = kinds([event async for event in reader])
    assert rest.count("preview") == MAX_UNREAD + 1 and rest[-1] == "finished"


async def test_of_places_in_the_queue_only_the_newest_is_kept():
    log = EventLog("job")
    for position in (2, 1, 0):
        log.add(queued=jobs_pb2.Queued(position=position))
    log.add(finished=FINISHED)
    kept = [event async for event in log.watch()]
    assert kinds(kept) == ["queued", "finished"] and [event.sequence for event in kept] == [3, 4]
