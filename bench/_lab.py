"""What the measurements share: an engine of their own, repeated timing, and the form in which figures are shown.

Nothing here is asserted. A figure stands beside its target, and whoever reads it judges.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from velatura import Engine, discovery
from velatura.endpoint import Endpoint

SIZE, STEPS = 256, 20
"""What is painted unless the command line says otherwise: pixels a side, denoising steps."""
PROMPT, SEED = "red brick wall", 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured number. `target` is the most it should be; None for numbers that only explain the others."""

    name: str
    value: float
    unit: str = "s"
    target: float | None = None

    def line(self, width: int) -> str:
        """The figure as a row of the table."""
        row = f"  {self.name:{width}}  {_number(self.value, self.unit):>9}"
        if self.target is None:
            return row
        word = "holds" if self.value <= self.target else "does NOT hold"
        return f"{row}  target <= {_number(self.target, self.unit)}  {word}"


def _number(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit in ("ms", "levels") else f"{value:.2f} {unit}".rstrip()


def options(
    description: str | None, *, rounds: int, steps: int = STEPS, size: int = SIZE, argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """The command line of a measurement."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"times to measure (default {rounds})")
    parser.add_argument("--size", type=int, default=size, help=f"pixels a side (default {size})")
    parser.add_argument("--steps", type=int, default=steps, help=f"denoising steps (default {steps})")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    return parser.parse_args(argv)


def report(title: str, figures: Sequence[Figure], options: argparse.Namespace) -> None:
    """Print the figures as a table or as JSON."""
    setting = {"processor": processor(), "size": options.size, "steps": options.steps, "rounds": options.rounds}
    if options.json:
        facts = {"title": title, **setting, "figures": [asdict(figure) for figure in figures]}
        json.dump(facts, sys.stdout, indent=2)
        print()
        return
    width = max(len(figure.name) for figure in figures)
    print(f"{title}  ({', '.join(f'{name} {value}' for name, value in setting.items())})")
    print("\n".join(figure.line(width) for figure in figures), flush=True)


def processor() -> str:
    """What the figures depend on most: "2 cores, AVX2"."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {torch.backends.cpu.get_cpu_capability()}"


def hush() -> None:
    """Let diffusers and transformers say nothing but errors."""
    import diffusers
    import transformers

    for log in (diffusers.logging, transformers.logging):
        log.disable_progress_bar()
        log.set_verbosity_error()


def bare(pipeline: Any, size: int, steps: int, guidance: float) -> Callable[[], np.ndarray]:
    """A painter with nothing but a pipeline of diffusers; it returns (H, W, 3) uint8."""
    import torch

    pipeline.set_progress_bar_config(disable=True)

    def paint() -> np.ndarray:
        made = pipeline(
            PROMPT, width=size, height=size, num_inference_steps=steps, guidance_scale=guidance,
            generator=torch.Generator("cpu").manual_seed(SEED),
        )  # fmt: skip
        return np.asarray(made.images[0])

    return paint


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    since = time.perf_counter()
    function()
    return time.perf_counter() - since


def processor_seconds() -> float:
    """Processor time so far of the processes that this one started, and theirs: what a busy machine changes least.

    NaN where the system has no /proc.
    """
    found: dict[int, tuple[int, float]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = file.read_text("utf-8").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        found[int(file.parent.name)] = int(facts[1]), (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")

    def ours(process: int) -> bool:
        while process in found and process != os.getpid():
            process = found[process][0]
        return process == os.getpid()

    return sum(spent for process, (_, spent) in found.items() if ours(process)) if found else float("nan")


def interleaved(rounds: int, *runs: Callable[[], object]) -> list[list[float]]:
    """Seconds of each run in each round. Every other round goes backwards, so that a drift hits all alike."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds):
        order = range(len(runs)) if number % 2 == 0 else reversed(range(len(runs)))
        for index in order:
            seconds[index].append(timed(runs[index]))
    return seconds


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Median of the rounds' own ratios: what slows the whole machine down for a while cancels out."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


@contextmanager
def engine(models: Path | None = None) -> Iterator[Endpoint]:
    """An engine of its own on the CPU with the starter and what lies in `models`, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="velatura-bench-") as folder:
        home = Path(folder)
        flags = ["--port", "0", "--device", "cpu", "--models", str(models or home / "models")]
        endpoint = discovery.start([sys.executable, "-m", "velatura_engine", "serve", *flags], wait=120, folder=home)
        try:
            yield endpoint
        finally:
            stop(home)


def stop(home: Path) -> None:
    """End the engine whose state is in a folder, and wait until it has put everything away."""
    note = home / discovery.ENDPOINT_FILE
    os.kill(json.loads(note.read_text("utf-8"))["pid"], signal.SIGTERM)
    until = time.monotonic() + 15
    while note.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)  # its last files


def settle(talk: Engine) -> None:
    """Wait until the worker is up and has nothing to do."""
    feed = talk.watch_engine()
    for status in feed.events():
        if status.worker == "ready" and not (status.running or status.queued):
            break
    feed.cancel()
