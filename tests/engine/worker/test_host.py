"""The worker's host: whatever happens to the process, each job ends with a typed event and the next one runs."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from velatura_engine.errors import Broken, Cancelled, TimedOut, WorkerLost
from velatura_engine.events import Done, Failed
from velatura_engine.worker.host import WorkerHost

FACTORY = "engine_fakes.scripted:Scripted"


@pytest.fixture(autouse=True)
def scripted(tmp_path, monkeypatch):
    """A runner of ten lines that the worker process can import: the plan says what it does."""
    package = tmp_path / "engine_fakes"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "scripted.py").write_text(
        "import time\n"
        "from velatura_engine.events import Done, Progress\n"
        "class Scripted:\n"
        "    device, resident = 'script', ''\n"
        "    def __init__(self, *, slow_start=0.0):\n"
        "        time.sleep(slow_start)\n"
        "    def run(self, plan, check, emit):\n"
        "        if plan.error:\n"
        "            raise RuntimeError(plan.error)\n"
        "        for number in range(plan.steps):\n"
        "            time.sleep(plan.delay)\n"
        "            if not plan.deaf:\n"
        "                check()\n"
        "            emit(Progress(stage='s', step=number + 1, steps=plan.steps, fraction=0.5))\n"
        "        emit(Done(timings={}))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def plan(**fields) -> SimpleNamespace:
    return SimpleNamespace(**({"steps": 2, "delay": 0.01, "deaf": False, "error": "", "time_limit": None} | fields))


@pytest.fixture
async def start():
    hosts = []

    async def make(ready: bool = True, options: dict | None = None, **patience) -> WorkerHost:
        hosts.append(WorkerHost(options or {}, factory=FACTORY, **patience))
        hosts[-1].start()
        while ready and hosts[-1].state != "ready":
            await asyncio.sleep(0.01)
        return hosts[-1]

    yield make
    for host in hosts:
        await host.close()


async def last(host: WorkerHost, what: SimpleNamespace, job_id: str = "job"):
    """The event a job ends with."""
    return [event async for event in host.run(job_id, what)][-1]


async def cancelled(host: WorkerHost, what: SimpleNamespace, after: float):
    """The event a job ends with that is cancelled `after` seconds, and the seconds that this took."""
    running = asyncio.create_task(last(host, what))
    await asyncio.sleep(after)
    asked = time.monotonic()
    host.cancel("job")
    return await running, time.monotonic() - asked


async def test_a_job_stops_within_a_step(start):
    event, seconds = await cancelled(await start(), plan(steps=100, delay=0.1), after=0.3)
    assert isinstance(event.error, Cancelled) and seconds < 1.0


async def test_a_job_is_cancelled_at_once_while_it_is_still_packed(start):
    event, seconds = await cancelled(await start(), plan(steps=1000, delay=0.1), after=0.0)
    assert isinstance(event.error, Cancelled) and seconds < 1.0


async def test_a_job_is_cancelled_at_once_while_the_worker_is_still_starting(start):
    host = await start(ready=False, options={"slow_start": 30.0})
    event, seconds = await cancelled(host, plan(), after=0.1)
    assert isinstance(event.error, Cancelled) and seconds < 1.0


async def test_a_job_that_does_not_stop_when_asked_costs_the_worker_and_counts_as_cancelled(start):
    host = await start(cancel_seconds=0.3)
    event, seconds = await cancelled(host, plan(steps=1, delay=60), after=0.1)
    assert isinstance(event.error, Cancelled) and seconds < 5
    assert isinstance(await last(host, plan()), Done) and host.restarts == 1


async def test_a_job_that_passes_its_time_unheeding_costs_the_worker(start):
    host = await start(cancel_seconds=0.2)
    event = await last(host, plan(steps=1, delay=60, time_limit=0.2))
    assert isinstance(event.error, TimedOut)
    assert isinstance(await last(host, plan()), Done)


@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
async def test_a_stopped_worker_is_replaced_though_it_takes_no_job_and_the_front_goes_on(start):
    host = await start(stall_seconds=1.0)
    os.kill(host.pid, signal.SIGSTOP)
    heavy = plan(picture=np.zeros(2**24, np.uint8))
    running = asyncio.create_task(last(host, heavy))
    longest, before = 0.0, time.monotonic()
    while not running.done():
        await asyncio.sleep(0.01)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    assert isinstance(running.result().error, WorkerLost) and longest < 0.9
    assert isinstance(await last(host, plan()), Done)


async def test_a_worker_whose_device_is_beyond_repair_is_replaced_before_the_next_job(start):
    host = await start()
    event = await last(host, plan(error="CUDA error: device-side assert triggered"))
    assert type(event.error) is Broken
    assert isinstance(await last(host, plan()), Done) and host.restarts == 1


async def test_an_ordinary_surprise_leaves_the_worker_alone(start):
    host = await start()
    assert type((await last(host, plan(error="a bug"))).error) is Broken
    assert isinstance(await last(host, plan()), Done) and host.restarts == 0


async def test_a_worker_that_dies_between_jobs_costs_no_job(start):
    host = await start()
    for _ in range(3):
        os.kill(host.pid, signal.SIGKILL)
        while host.state == "ready":
            await asyncio.sleep(0.001)
        assert isinstance(await last(host, plan()), Done)


async def test_a_job_that_is_handed_to_a_worker_just_dead_is_lost_alone(start):
    host = await start()
    os.kill(host.pid, signal.SIGKILL)
    ends = [await last(host, plan(), job_id=str(number)) for number in range(2)]
    assert isinstance(ends[0], Failed | Done) and isinstance(ends[1], Done) and host.restarts == 1


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for the process in /proc")
def test_a_worker_ends_with_its_front_however_that_ended(tmp_path):
    script = (
        "import asyncio, sys\n"
        "from velatura_engine.worker.host import WorkerHost\n"
        "async def main():\n"
        f"    host = WorkerHost({{}}, factory={FACTORY!r})\n"
        "    host.start()\n"
        "    while host.state != 'ready': await asyncio.sleep(0.01)\n"
        "    print(host.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "if __name__ == '__main__': asyncio.run(main())\n"
    )
    file = tmp_path / "front.py"
    file.write_text(script)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen(
        [sys.executable, file], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as front:
        worker = int(front.stdout.readline())
        front.kill()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{worker}")


async def test_a_run_that_is_given_up_ends_even_where_an_event_comes_at_that_moment(start):
    host = await start()
    running = asyncio.create_task(last(host, plan(steps=1000)))
    await asyncio.sleep(0.2)  # by now it waits for the worker's events
    host.cancel("job")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
