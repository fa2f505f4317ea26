"""How long the worker goes on after nobody wants the picture any more.

Three ways to stop: CancelJob, dropping the call, and a client that is killed. Each is tried at moments spread evenly
over two steps. Idle means that the front can give the worker its next job.

Where coarse rows are remembered, as by the starter, every second step is several times shorter than the other. A worker
that is asked to stop ends the step that it is in, so what the waits are held to is the longer kind.
"""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable

import _lab
from velatura import Engine, spec
from velatura.endpoint import Endpoint
from velatura.v1 import catalog_pb2, jobs_pb2

ENDLESS = 1000
GRACE = 0.05


class Watch:
    """Knows whether the worker is busy, and since when it is not."""

    def __init__(self, talk: Engine) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._since = time.perf_counter()
        self._feed = talk.watch_engine(self._hear)

    def _hear(self, status: catalog_pb2.EngineStatus) -> None:
        with self._changed:
            if status.running != self._running:
                self._running, self._since = status.running, time.perf_counter()
            self._changed.notify_all()

    def until(self, running: int) -> float:
        """Wait until so many jobs run; returns the moment since when it is so."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._running == running, 120):
                raise TimeoutError(f"not {running} jobs run")
            return self._since

    def close(self) -> None:
        """Look no longer."""
        self._feed.cancel()


def endless(size: int) -> jobs_pb2.JobSpec:
    """A job that ends only because it is stopped."""
    return spec.texture(_lab.PROMPT, size, _lab.SEED, "", steps=ENDLESS)


def step_seconds(talk: Engine, watch: Watch, size: int, count: int) -> float:
    """Median time of the longer steps, seen from outside: of those that are computed whole."""
    moments: list[float] = []

    def hear(event: jobs_pb2.JobEvent) -> None:
        if event.HasField("progress") and event.progress.stage.endswith("diffuse"):
            moments.append(time.perf_counter())

    job = talk.generate(endless(size), hear)
    while len(moments) < count + 3:
        time.sleep(0.01)
    job.cancel()
    watch.until(0)
    steps = moments[2:]  # the first ones warm up
    lengths = sorted(after - before for before, after in itertools.pairwise(steps))
    return statistics.median(lengths[len(lengths) // 2 :])


def stopped(start: Callable[[], Callable[[], object]], watch: Watch, delay: float) -> float:
    """Seconds from stopping a job, `delay` seconds into its painting, until the worker is idle."""
    stop = start()
    watch.until(1)
    time.sleep(delay)
    since = time.perf_counter()
    stop()
    return watch.until(0) - since


def forsaken(endpoint: Endpoint, size: int) -> None:
    """What the client does that will be killed."""
    with Engine.connect(endpoint) as talk:
        talk.generate(endless(size)).wait()


def killed(endpoint: Endpoint, size: int) -> Callable[[], object]:
    """Start a client in a process of its own; returns what kills it."""
    process = multiprocessing.get_context("spawn").Process(target=forsaken, args=(endpoint, size), daemon=True)
    process.start()
    return process.kill


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=12)
    with _lab.engine() as endpoint, Engine.connect(endpoint) as talk:
        _lab.settle(talk)
        watch = Watch(talk)
        step = step_seconds(talk, watch, options.size, options.steps)
        ways: dict[str, Callable[[], Callable[[], object]]] = {
            "CancelJob": lambda: talk.submit(endless(options.size)).cancel,
            "dropped call": lambda: talk.generate(endless(options.size)).cancel,
            "killed client": lambda: killed(endpoint, options.size),
        }
        figures = [_lab.Figure(name="a whole step", value=step * 1000, unit="ms")]
        for name, way in ways.items():
            waits = [
                stopped(way, watch, step * (2 + 2 * number / options.rounds)) * 1000 for number in range(options.rounds)
            ]
            figures.append(_lab.Figure(name=f"{name}, median", value=statistics.median(waits), unit="ms"))
            figures.append(
                _lab.Figure(name=f"{name}, longest", value=max(waits), unit="ms", target=(step + GRACE) * 1000)
            )
        watch.close()
    _lab.report("From stopping a job to an idle worker", figures, options)


if __name__ == "__main__":
    main()
