"""Jobs over gRPC: they run, stop, outlive calls, take turns, and survive what happens to the worker."""

import asyncio
import os
import signal

import grpc
import pytest
from fakes.fake_runner import make_hollow_model
from google.rpc import status_pb2
from velatura.v1 import errors_pb2, jobs_pb2, pixels_pb2
from velatura_engine.server.serve import Front

from .conftest import RUNNER, Caller, spec, until


def kinds(events) -> list[str]:
    return [event.WhichOneof("event") for event in events]


def detail(error: grpc.aio.AioRpcError) -> errors_pb2.Error:
    """The typed error that travels with a status."""
    trailers = dict(error.trailing_metadata())
    for packed in status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details:
        found = errors_pb2.Error()
        if packed.Unpack(found):
            return found
    raise AssertionError("no typed error")


async def test_a_job_queues_starts_progresses_and_ends_with_its_picture(call):
    events = await call.events(spec=spec())
    assert kinds(events) == ["queued", "started", *["progress"] * 3, "artifact", "finished"]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert events[-2].artifact.seed == 7 and events[-2].artifact.recipe.spec.steps[0].diffuse.model == "hollow"


async def test_previews_come_only_where_they_were_asked_for(call):
    assert "preview" in kinds(await call.events(spec=spec(preview={"enabled": True})))


async def test_a_dropped_call_stops_its_job(front, call):
    stream = call("Generate", spec=spec(steps=1000))
    await until(lambda: front.office.running is not None)
    stream.cancel()
    await until(lambda: front.office.running is None)
    assert kinds(await call.events(spec=spec()))[-1] == "finished" and front.worker.restarts == 0


async def test_a_job_that_outlives_its_call_can_be_watched_from_any_event_on(call):
    job = (await call("CreateJob", spec=spec())).job
    whole = await call.events("WatchJob", job_id=job.id)
    rest = await call.events("WatchJob", job_id=job.id, after_sequence=3)
    assert rest == whole[3:] and kinds(rest)[-1] == "finished"
    assert (await call("GetJob", job_id=job.id)).job.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_the_same_request_id_is_the_same_job(call):
    first, second = [(await call("CreateJob", spec=spec(request_id="a-uuid"))).job.id for _ in range(2)]
    assert first == second


async def test_cancelling_stops_a_running_job_and_a_waiting_one(front, call):
    running, waiting = [(await call("CreateJob", spec=spec(steps=1000))).job.id for _ in range(2)]
    await until(lambda: front.office.running is not None)
    for job_id in (waiting, running):
        await call("CancelJob", job_id=job_id)
    for job_id in (waiting, running):
        assert (await call.events("WatchJob", job_id=job_id))[-1].finished.state == jobs_pb2.JOB_STATE_CANCELLED


async def test_a_newer_job_with_the_same_key_takes_the_older_one_s_place(front, call, other):
    mine = (await call("CreateJob", spec=spec(steps=1000, supersede_key="live"))).job.id
    theirs = (await other("CreateJob", spec=spec(steps=2, supersede_key="live"))).job.id
    newer = await call.events(spec=spec(supersede_key="live"))
    assert newer[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert (await call("GetJob", job_id=mine)).job.state == jobs_pb2.JOB_STATE_CANCELLED
    assert (await other.events("WatchJob", job_id=theirs))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_each_caller_sees_only_its_own_jobs(call, other):
    job = (await call("CreateJob", spec=spec())).job
    assert [found.id for found in (await call("ListJobs")).jobs] == [job.id]
    assert not (await other("ListJobs")).jobs
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await other("GetJob", job_id=job.id)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_lists_come_in_pages(call):
    made = [(await call("CreateJob", spec=spec(steps=1))).job.id for _ in range(3)]
    first = await call("ListJobs", page_size=2)
    second = await call("ListJobs", page_size=2, page_token=first.next_page_token)
    assert [job.id for job in (*first.jobs, *second.jobs)] == made[::-1] and not second.next_page_token


async def test_a_full_queue_says_when_to_try_again(call):
    for _ in range(5):
        await call("CreateJob", spec=spec(steps=1000))
        await asyncio.sleep(0.05)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call("CreateJob", spec=spec())
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail(caught.value).kind == errors_pb2.ERROR_KIND_BUSY and detail(caught.value).retry_after > 0


async def test_a_killed_worker_costs_only_its_own_job(front, call):
    stream = call("Generate", spec=spec(steps=1000))
    await until(lambda: front.office.running is not None and front.worker.state == "ready")
    await asyncio.sleep(0.1)
    os.kill(front.worker.pid, signal.SIGKILL)
    events = [answer.event async for answer in stream]
    assert events[-1].finished.error.reason == "WORKER_LOST" and events[-1].finished.error.remedy
    assert (await call.events(spec=spec()))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert front.worker.restarts == 1


async def test_a_worker_that_dies_by_itself_is_replaced_every_time(front, call):
    for count in (1, 2):
        assert (await call.events(spec=spec("die")))[-1].finished.error.reason == "WORKER_LOST"
        await until(lambda count=count: front.worker.restarts == count)
    assert (await call.events(spec=spec()))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_worker_that_hangs_is_replaced(front, call):
    assert (await call.events(spec=spec("hang")))[-1].finished.error.reason == "WORKER_LOST"
    assert (await call.events(spec=spec()))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_surprise_in_the_worker_is_told_without_its_inside(front, call):
    error = (await call.events(spec=spec("boom")))[-1].finished.error
    assert error.kind == errors_pb2.ERROR_KIND_BROKEN and "/somewhere" not in error.message
    assert front.worker.restarts == 0


async def test_a_time_limit_ends_a_job(call):
    error = (await call.events(spec=spec(steps=1000, time_limit={"nanos": 200_000_000})))[-1].finished.error
    assert error.kind == errors_pb2.ERROR_KIND_TIMEOUT


async def test_a_worker_that_cannot_start_fails_jobs_instead_of_keeping_them_waiting(settings):
    front = Front(settings, factory=RUNNER, options={"stillborn": True})
    await front.start()
    caller = Caller(front)
    try:
        error = (await caller.events(spec=spec()))[-1].finished.error
        assert error.kind == errors_pb2.ERROR_KIND_BROKEN and "log" in error.remedy
    finally:
        await caller.close()
        await front.stop()


async def test_a_new_front_takes_up_waiting_jobs_and_says_that_running_ones_are_lost(settings):
    first = Front(settings, factory=RUNNER, options={"delay": 0.05})
    await first.start()
    caller = Caller(first)
    running = (await caller("CreateJob", spec=spec(steps=1000))).job.id
    await until(lambda: first.office.running is not None)
    waiting = (await caller("CreateJob", spec=spec())).job.id
    await caller.close()
    await first.stop()
    second = Front(settings, factory=RUNNER, options={"delay": 0.01})
    await second.start()
    caller = Caller(second)
    try:
        assert (await caller.events("WatchJob", job_id=waiting))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED
        assert (await caller("GetJob", job_id=running)).job.error.reason == "WORKER_LOST"
    finally:
        await caller.close()
        await second.stop()


async def test_what_would_happen_can_be_asked_without_it_happening(front, call):
    plan = await call("PlanJob", spec=spec())
    assert plan.resolved.steps[0].diffuse.sampling.sampler == "euler" and "32 x 32" in plan.explanation
    assert front.office.running is None and not front.office.waiting


async def test_models_can_be_added_while_it_runs(front, call, tmp_path):
    before = (await call("GetCatalog")).catalog
    assert not (await call("GetCatalog", etag=before.etag)).catalog.models
    make_hollow_model(tmp_path / "models" / "second")
    after = (await call("RescanModels")).catalog
    assert [model.id for model in after.models] == ["hollow", "second"] and after.etag != before.etag


async def test_the_engine_tells_how_it_is(front, call):
    await until(lambda: front.worker.state == "ready")
    async for answer in call("WatchEngine"):
        assert answer.status.worker == "ready" and answer.status.worker_restarts == 0
        break


async def test_a_request_repeated_while_the_first_is_being_read_is_the_same_job(call):
    answers = await asyncio.gather(*[call("CreateJob", spec=spec(request_id="a-uuid")) for _ in range(5)])
    assert len({answer.job.id for answer in answers}) == 1


async def test_a_request_id_is_remembered_by_the_next_front_with_the_result(settings):
    seen = []
    for _ in range(2):
        front = Front(settings, factory=RUNNER, options={"delay": 0.01})
        await front.start()
        caller = Caller(front)
        job = (await caller("CreateJob", spec=spec(request_id="a-uuid"))).job
        seen.append((job.id, await caller.events("WatchJob", job_id=job.id)))
        await caller.close()
        await front.stop()
    assert seen[0] == seen[1] and kinds(seen[0][1])[-2:] == ["artifact", "finished"]


async def test_a_call_with_the_request_id_of_a_lasting_job_leaves_that_job_alone(call):
    job = (await call("CreateJob", spec=spec(steps=20, request_id="a-uuid"))).job
    stream = call("Generate", spec=spec(request_id="a-uuid"))
    await anext(aiter(stream))
    stream.cancel()
    assert (await call.events("WatchJob", job_id=job.id))[-1].finished.state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_newer_job_finds_room_in_a_full_queue_when_an_older_one_leaves_for_it(front, call):
    await call("CreateJob", spec=spec(steps=1000))
    await until(lambda: front.office.running is not None)
    for _ in range(3):
        await call("CreateJob", spec=spec())
    older = (await call("CreateJob", spec=spec(supersede_key="live"))).job.id
    newer = (await call("CreateJob", spec=spec(supersede_key="live"))).job
    assert newer.state == jobs_pb2.JOB_STATE_QUEUED
    assert (await call("GetJob", job_id=older)).job.state == jobs_pb2.JOB_STATE_CANCELLED


async def test_a_refused_newer_job_leaves_the_older_one_in_its_place(front, call):
    older = (await call("CreateJob", spec=spec(steps=1000, supersede_key="live"))).job.id
    await until(lambda: front.office.running is not None)
    for _ in range(4):
        await call("CreateJob", spec=spec())
    with pytest.raises(grpc.aio.AioRpcError):
        await call("CreateJob", spec=spec(supersede_key="live"))
    assert (await call("GetJob", job_id=older)).job.state == jobs_pb2.JOB_STATE_RUNNING


async def test_a_waiting_job_is_told_as_it_comes_nearer(front, call):
    first, second = [(await call("CreateJob", spec=spec(steps=1000))).job.id for _ in range(2)]
    await until(lambda: front.office.running is not None)
    events = aiter(call("WatchJob", job_id=(await call("CreateJob", spec=spec())).job.id))
    places = [(await anext(events)).event.queued.position]
    for job_id in (second, first):
        await call("CancelJob", job_id=job_id)
        if job_id == second:
            places.append((await anext(events)).event.queued.position)
    assert places == [2, 1] and (await anext(events)).event.WhichOneof("event") in ("queued", "started")


async def test_a_large_result_comes_as_a_blob_that_can_be_fetched(call):
    raw = {"format": pixels_pb2.PIXEL_FORMAT_RGB8}
    events = await call.events(spec=spec("big", output=raw))
    image = next(event.artifact.image for event in events if event.HasField("artifact"))
    assert image.WhichOneof("source") == "blob_id" and (image.width, image.height) == (2048, 2048)
    data = b"".join([answer.data async for answer in call("GetBlob", blob_id=image.blob_id)])
    assert data == bytes([7]) * (2048 * 2048 * 3)


async def test_an_engine_that_stops_ends_the_jobs_of_its_calls_in_words(front, call):
    streams = [call("Generate", spec=spec(steps=1000)) for _ in range(2)]
    await until(lambda: front.office.running is not None and front.office.waiting == 1)
    readers = [asyncio.create_task(_last(stream)) for stream in streams]
    await front.stop()
    assert [(await reader).finished.error.reason for reader in readers] == ["CANCELLED"] * 2


async def _last(stream):
    return [answer.event async for answer in stream][-1]


async def test_a_dropped_call_that_still_waits_leaves_the_queue(front, call):
    await call("CreateJob", spec=spec(steps=1000))
    await until(lambda: front.office.running is not None)
    stream = call("Generate", spec=spec())
    await until(lambda: front.office.waiting == 1)
    stream.cancel()
    await until(lambda: front.office.waiting == 0, seconds=2)
