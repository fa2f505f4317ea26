"""Clients take turns, interactive jobs go first, and nobody waits for ever."""

import pytest
from velatura.v1 import jobs_pb2
from velatura_engine.errors import Busy
from velatura_engine.jobs.job import Job
from velatura_engine.jobs.queue import AGE, JobQueue


def job(id: str, client: str, lane: int = jobs_pb2.LANE_INTERACTIVE) -> Job:
    return Job(id=id, client=client, spec=jobs_pb2.JobSpec(lane=lane), plan=None)


def order(queue: JobQueue) -> list[str]:
    taken = []
    while (one := queue.take()) is not None:
        taken.append(one.id)
    return taken


def test_clients_take_turns_however_much_one_asks():
    queue = JobQueue(limit=10, limit_per_client=10)
    for number in range(3):
        queue.add(job(f"a{number}", "a"))
    queue.add(job("b0", "b"))
    assert order(queue) == ["a0", "b0", "a1", "a2"]


def test_positions_tell_who_goes_first():
    queue = JobQueue(limit=10, limit_per_client=10)
    for one in (job("a0", "a"), job("a1", "a"), job("a2", "a"), job("b0", "b")):
        queue.add(one)
    assert [one.id for one in queue.order()] == order(queue) == ["a0", "b0", "a1", "a2"]


def test_interactive_jobs_go_before_batches_until_a_batch_has_aged():
    queue = JobQueue(limit=10, limit_per_client=10)
    batch = job("batch", "a", jobs_pb2.LANE_BATCH)
    queue.add(batch)
    queue.add(job("first", "b"))
    queue.add(job("second", "b"))
    assert queue.take().id == "first"
    batch.created -= AGE + 1
    assert order(queue) == ["batch", "second"]


def test_a_job_that_was_taken_out_is_not_served():
    queue = JobQueue(limit=10, limit_per_client=10)
    gone = job("gone", "a")
    queue.add(gone)
    assert queue.remove(gone) and not queue.remove(gone) and queue.take() is None


def test_both_bounds_hold():
    queue = JobQueue(limit=3, limit_per_client=2)
    for number in range(2):
        queue.add(job(str(number), "a"))
    with pytest.raises(Busy):
        queue.add(job("2", "a"))
    queue.add(job("3", "b"))
    with pytest.raises(Busy) as caught:
        queue.add(job("4", "c"))
    assert caught.value.retry_after


def test_old_batches_get_every_other_turn_and_no_more():
    queue = JobQueue(limit=10, limit_per_client=10)
    for number in range(3):
        queue.add(job(f"batch{number}", "a", jobs_pb2.LANE_BATCH))
    for number in range(3):
        queue.add(job(f"live{number}", "b"))
    for waiting in queue.jobs():
        waiting.created -= AGE + 1
    assert order(queue) == ["batch0", "live0", "batch1", "live1", "batch2", "live2"]


def test_pictures_of_waiting_jobs_are_bounded_but_one_job_always_fits():
    queue = JobQueue(limit=10, limit_per_client=10, limit_bytes=100)
    first, second = job("0", "a"), job("1", "a")
    first.weight = second.weight = 200
    queue.add(first)
    with pytest.raises(Busy) as caught:
        queue.check(second)
    assert caught.value.reason == "QUEUE_MEMORY"
    queue.check(second, leaving=[first])
