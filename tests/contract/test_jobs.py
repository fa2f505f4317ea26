"""Jobs that wait, stop, outlive a call, and survive the worker's death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import grpc
import pytest
from contract.lab import PATIENCE, Lab, array, quick, running, slow
from grpc_health.v1 import health_pb2, health_pb2_grpc
from velatura import Engine, errors
from velatura.endpoint import Endpoint
from velatura.v1 import jobs_pb2


def begun(lab: Lab, **more: object):
    """A long job that has made its first step."""
    job = lab.engine.generate(slow(**more))
    for event in job.events():
        if event.HasField("progress") and event.progress.step >= 1:
            return job
    raise AssertionError(job.error)


def test_a_cancelled_job_stops_long_before_its_end(lab):
    job = begun(lab)
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(PATIENCE)
    lab.until(running=0)
    assert job.fraction < 1


def test_a_dropped_call_stops_the_job(lab):
    with Engine.connect(lab.endpoint) as other:
        job = other.generate(slow())
        next(event for event in job.events() if event.HasField("progress"))
    lab.until(running=0)
    assert lab.paint()


HOST = """
import sys
from velatura import Endpoint, Engine
from velatura.v1 import jobs_pb2
job = Engine.connect(Endpoint(address=sys.argv[1], token=sys.argv[2])).generate(jobs_pb2.JobSpec.FromString(
    sys.stdin.buffer.read()))
job.wait()
"""


def test_a_host_that_dies_takes_its_job_along(lab):
    command = [sys.executable, "-c", HOST, lab.endpoint.address, lab.endpoint.token]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as host:
        assert host.stdin is not None
        host.stdin.write(slow().SerializeToString())
        host.stdin.close()
        lab.until(running=1)
        host.kill()
    lab.until(running=0)
    assert lab.paint()


def test_a_cancelled_job_leaves_the_model_as_it_was(lab):
    before = lab.paint(seed=21)
    begun(lab, tile="xy").cancel()
    lab.until(running=0)
    assert lab.paint(seed=21) == before


def test_a_job_that_waits_can_be_cancelled(lab):
    first, second = begun(lab), lab.engine.generate(quick())
    second.cancel()
    assert second.wait(PATIENCE)
    first.cancel()
    lab.until(running=0, queued=0)


def test_a_deadline_ends_the_job(lab):
    with pytest.raises(errors.Timeout):
        lab.result(slow(time_limit=0.5))
    lab.until(running=0)
    assert lab.paint()


def test_a_job_outlives_its_call(lab):
    made = lab.engine.create_job(quick(seed=31))
    result = lab.engine.watch_job(made.id).result(PATIENCE)
    assert result.images[0].data == lab.paint(seed=31)
    assert lab.engine.get_job(made.id).state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert made.id in {job.id for job in lab.engine.list_jobs()}


def test_a_job_can_be_taken_up_from_any_event(lab):
    made = lab.engine.create_job(quick())
    every = list(lab.engine.watch_job(made.id).events())
    late = list(lab.engine.watch_job(made.id, after_sequence=every[1].sequence).events())
    assert [event.sequence for event in late] == [event.sequence for event in every[2:]]


def test_a_job_sent_twice_is_accepted_once(lab):
    job = quick()
    job.request_id = "5b1bc1d0-31f2-4f39-9b43-0d6f2d4bd7c2"
    assert lab.engine.create_job(job).id == lab.engine.create_job(job).id


def test_previews_come_while_a_job_runs_and_no_more_often_than_asked(lab):
    job = lab.engine.generate(slow(preview=True, preview_interval_ms=200, count=2))
    events = job.events()
    queued, seen = next(events), []
    while len(seen) < 6:
        event = next(events)
        seen += [event] if event.HasField("preview") else []
    job.cancel()
    assert [event.preview.index for event in seen] == [0, 1] * 3
    assert seen[0].preview.step < seen[2].preview.step < seen[4].preview.step
    # The job was queued before anything was shown, so three intervals fit in between however slow the machine is.
    assert seen[-1].time.ToNanoseconds() - queued.time.ToNanoseconds() >= 3 * 200e6
    lab.until(running=0)


def test_previews_that_were_not_asked_for_or_would_come_too_late_do_not_come(lab):
    for asked in ({}, {"preview": True, "preview_interval_ms": 60_000}):
        assert not any(event.HasField("preview") for event in lab.engine.generate(quick(steps=8, **asked)).events())


def test_a_newer_job_takes_an_older_ones_place(lab):
    older = begun(lab, supersede_key="live")
    assert lab.result(quick(supersede_key="live")).images
    assert older.wait(PATIENCE) and isinstance(older.error, errors.Cancelled)


def test_somebody_who_looks_goes_before_somebody_who_does_not(lab):
    running = begun(lab)
    patient = lab.engine.submit(quick(batch=True, seed=41))
    eager = lab.engine.submit(quick(seed=42))
    running.cancel()
    eager.result(PATIENCE)
    patient.result(PATIENCE)
    ends = [lab.engine.get_job(job.id).end_time.ToNanoseconds() for job in (eager, patient)]
    assert ends[0] < ends[1]


def test_a_full_queue_says_so(lab):
    running = begun(lab)
    waiting = []
    try:
        with pytest.raises(errors.Busy) as caught:
            for _ in range(100):
                waiting.append(lab.engine.create_job(quick()))
        assert caught.value.remedy
    finally:
        for job in waiting:
            lab.engine.cancel_job(job.id)
        running.cancel()
    lab.until(running=0, queued=0)


def test_an_unknown_job_is_not_found(lab):
    with pytest.raises(errors.NotFound):
        lab.engine.get_job("0" * 24)


def test_a_killed_worker_costs_its_job_and_nothing_else(fresh_lab):
    before = array(fresh_lab.paint(seed=51))
    front = fresh_lab.pid
    job = begun(fresh_lab)
    os.kill(fresh_lab.worker_pid(), signal.SIGKILL)
    assert job.wait(PATIENCE)
    assert isinstance(job.error, errors.Broken) and job.error.reason == "WORKER_LOST" and job.error.remedy
    after = array(fresh_lab.paint(seed=51))
    assert (before == after).all()
    # One that waits while the worker dies is painted by the next.
    job, waiting = begun(fresh_lab), fresh_lab.engine.submit(quick(seed=51))
    os.kill(fresh_lab.worker_pid(), signal.SIGKILL)
    assert (array(waiting.result(PATIENCE).images[0].data) == before).all()
    assert job.wait(PATIENCE) and job.error.reason == "WORKER_LOST"
    assert fresh_lab.status().worker_restarts == 2
    assert fresh_lab.pid == front and running(front)


def test_a_wrong_token_is_told_apart_from_no_engine(lab):
    wrong = Endpoint(address=lab.endpoint.address, token="x" * 20)
    with pytest.raises(errors.Unauthenticated):
        Engine.connect(wrong)


def test_standard_health_checks_work(lab):
    with grpc.insecure_channel(lab.endpoint.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        token = (("authorization", f"Bearer {lab.endpoint.token}"),)
        for service in ("", "velatura.v1.JobService", "velatura.v1.BlobService", "velatura.v1.EngineService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), metadata=token, timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_large_content_travels_as_blobs(lab):
    content = os.urandom(9 * 2**20)
    blob_id = lab.engine.put_blob(content)
    assert lab.engine.has_blobs([blob_id, "0" * 64]) == {blob_id}
    assert lab.engine.get_blob(blob_id) == content


def test_secrets_are_for_their_owner_alone(lab):
    for name in ("token", "engine.json"):
        assert (lab.home / name).stat().st_mode & 0o077 == 0
