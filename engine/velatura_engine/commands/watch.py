"""A job from the first event to its files, with a progress bar on the way."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from google.protobuf import json_format
from velatura import Engine, Job, Result, pixels, recipe
from velatura.v1 import jobs_pb2

from . import files

WIDTH = 28


class Bar:
    """Progress on one line of a terminal; elsewhere a line for each quarter."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet
        self._live = stream.isatty()
        self._quarter = 0
        self._since = time.monotonic()

    def show(self, event: jobs_pb2.JobEvent) -> None:
        """Draw what an event says, where it says something."""
        if self._quiet:
            return
        if event.HasField("queued") and event.queued.position:
            self._line(f"Waiting; {event.queued.position} before this one")
        elif event.HasField("progress"):
            self._progress(event.progress)

    def _progress(self, progress: jobs_pb2.Progress) -> None:
        stage = progress.stage.rpartition(":")[2]
        words = f"{stage} {progress.step}/{progress.steps}"
        if progress.HasField("remaining") and progress.remaining >= 1:
            words += f", {progress.remaining:.0f} s left"
        self.part(progress.fraction, words)

    def part(self, fraction: float, words: str) -> None:
        """Draw that `fraction` (0..1) is done, and what is going on in words."""
        if self._quiet:
            return
        words = f"{fraction:4.0%} {words}"
        if self._live:
            done = round(fraction * WIDTH)
            self._line(f"[{'#' * done}{'.' * (WIDTH - done)}] {words}")
        elif int(fraction * 4) > self._quarter:
            self._quarter = int(fraction * 4)
            self._line(words.strip())

    def close(self) -> None:
        """End the line."""
        if self._live and not self._quiet:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def say(self, words: str) -> None:
        """A line beside the bar."""
        self.close()
        self._stream.write(f"{words}\n")

    def _line(self, words: str) -> None:
        self._stream.write(f"\r{words}\x1b[K" if self._live else f"{words}\n")
        self._stream.flush()


def follow(engine: Engine, spec: jobs_pb2.JobSpec, options: argparse.Namespace) -> Result:
    """Run a job to its end. Ctrl-C cancels it. Raises what it failed with."""
    bar = Bar(sys.stderr, quiet=options.quiet)
    job = engine.generate(spec)
    try:
        _draw(job, bar)
    except KeyboardInterrupt:
        job.cancel()
        job.wait(2.0)
        raise
    finally:
        bar.close()
    result = job.result()
    for warning in result.warnings:
        bar.say(f"Note: {warning.message}")
    return result


def _draw(job: Job, bar: Bar) -> None:
    # Looking at it in turns lets Ctrl-C through on every system.
    while not job.done:
        for event in job.poll():
            bar.show(event)
        job.wait(0.05)
    for event in job.poll():
        bar.show(event)


def save(
    result: Result, options: argparse.Namespace, *, name: str, tile: str = "", seeded: bool = True
) -> list[dict[str, Any]]:
    """Write each picture with its recipe, and a sheet where it tiles; returns what was written where.

    Names end in seeds, unless nothing was painted by one.
    """
    written = []
    for artifact in result.artifacts:
        if not artifact.HasField("image"):
            continue
        content = pixels.to_png(artifact.image)
        parts = [".png", ".json", *(["-3x3.png"] if tile else [])]
        paths = files.place(options.out, f"{name}-{artifact.seed}" if seeded else name, *parts)
        files.write(paths[0], content)
        files.write(paths[1], (recipe.dumps(artifact.recipe) + "\n").encode())
        facts: dict[str, Any] = {"picture": str(paths[0]), "recipe": str(paths[1]), "seed": artifact.seed}
        if tile:
            files.write(paths[2], files.sheet(content, tile))
            facts["preview"] = str(paths[2])
        written.append(facts)
    return written


def report(result: Result, written: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Say what came out, for people or for scripts."""
    if options.json:
        document = {
            "job_id": result.job_id,
            "pictures": written,
            "warnings": [{"reason": warning.reason, "message": warning.message} for warning in result.warnings],
            "timings": dict(result.finished.timings),
            "resolved": json_format.MessageToDict(result.resolved, preserving_proto_field_name=True),
        }
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    for facts in written:
        also = ", ".join(Path(facts[kind]).name for kind in ("preview", "recipe") if kind in facts)
        sys.stdout.write(f"{facts['picture']}  (seed {facts['seed']}; also {also})\n")
