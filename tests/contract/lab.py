"""A running engine for tests, and short ways to ask it for things."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from velatura import Engine, discovery, pixels, spec
from velatura.endpoint import Endpoint
from velatura.v1 import catalog_pb2, jobs_pb2, pixels_pb2

SIDE = 64
"""Of the pictures that tests paint, pixels: small enough for a fraction of a second."""
PATIENCE = 250.0
"""Seconds after which what was waited for will not come, also on a machine that others keep busy."""
IDLE = "5400"
"""Seconds without work after which an engine that lost its test ends by itself: longer than any tests beside it."""


class Lab:
    """A running engine and what tests ask about it."""

    def __init__(self, home: Path, models: Path, *flags: str, starter: bool = False) -> None:
        self.home = home
        command = [sys.executable, "-m", "velatura_engine", "serve", "--port", "0", "--idle-exit", IDLE]
        command += ["--models", str(models), *([] if starter else ["--no-starter"]), *flags]
        self.endpoint: Endpoint = discovery.start(command, wait=120, folder=home)
        self.engine = Engine.connect(self.endpoint)

    @property
    def pid(self) -> int:
        """The front's process."""
        return json.loads((self.home / discovery.ENDPOINT_FILE).read_text())["pid"]

    def status(self) -> catalog_pb2.EngineStatus:
        """How the engine is now."""
        feed = self.engine.watch_engine()
        status = next(feed.events())
        feed.cancel()
        return status

    def until(self, seconds: float = PATIENCE, **wanted: object) -> catalog_pb2.EngineStatus:
        """Waits until the status has these values."""
        end = time.monotonic() + seconds
        while True:
            status = self.status()
            if all(getattr(status, name) == value for name, value in wanted.items()):
                return status
            assert time.monotonic() < end, f"still {status}, not {wanted}"
            time.sleep(0.05)

    def worker_pid(self) -> int:
        """The painting process: the front's child that spawned runs."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                words = (process / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == self.pid and b"spawn_main" in words:
                return int(process.name)
        raise AssertionError("no worker")

    def paint(self, prompt: str = "moss", **more: object) -> bytes:
        """One small picture, as the engine's file."""
        return self.result(quick(prompt, **more)).images[0].data

    def exact(self, **more: object) -> list[np.ndarray]:
        """Small pictures as floats (H, W, 3), before anything is rounded."""
        images = self.result(quick(output=pixels_pb2.PIXEL_FORMAT_RGB32F, **more)).images
        return [pixels.to_array(image) for image in images]

    def result(self, job: jobs_pb2.JobSpec, timeout: float = PATIENCE):
        """What a job makes."""
        return self.engine.generate(job).result(timeout)

    def close(self) -> None:
        """Ends it."""
        pid = self.pid
        self.engine.close()
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 15
        while running(pid) and time.monotonic() < end:
            time.sleep(0.05)


def running(pid: int) -> bool:
    """Whether a process is there, and not only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def quick(prompt: str = "moss", **more: object) -> jobs_pb2.JobSpec:
    """A small job of two steps."""
    return spec.diffuse(prompt, **({"width": SIDE, "height": SIDE, "steps": 2, "seed": 1} | more))  # type: ignore[arg-type]


def slow(**more: object) -> jobs_pb2.JobSpec:
    """A job that takes long unless it is stopped."""
    return quick(**({"width": 256, "height": 256, "steps": 1000} | more))


def array(file: bytes) -> np.ndarray:
    """The pixels of a PNG file, (H, W, C) uint8."""
    return pixels.to_array(pixels.from_file(file))


def noise(kind: type = np.uint8, width: int = SIDE, height: int = SIDE, channels: int = 3) -> np.ndarray:
    """Pixels (H, W, C) over the whole range of an integer type, or floats from 0 to 2; the same every time."""
    dice, shape = np.random.default_rng(1), (height, width, channels)
    if issubclass(kind, np.floating):
        return dice.random(shape, kind) * 2
    return dice.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


def flat(value: int = 128, width: int = SIDE, height: int = SIDE, channels: int = 3) -> pixels_pb2.Image:
    """A picture of one colour."""
    return pixels.from_array(np.full((height, width, channels), value, np.uint8))


def ramp(width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Depth in metres from 1 at the left to 5 at the right."""
    return np.tile(np.linspace(1, 5, width, dtype=np.float32), (height, 1))


LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
"""A mask of the left half."""
TASKS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.7},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT), "strength": 0.7},
}
"""What every sampler and family does, as `quick` is told it."""
