"""Writes what the worker tells into a job's log, as it travels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from velatura.v1 import jobs_pb2

from .. import events, wire
from .job import Job


async def write(job: Job, event: events.Event, put_blob: Callable[[bytes], str]) -> None:
    """Write one event; pictures are encoded in a thread. How a job ended is the office's to say."""
    match event:
        case events.Started():
            stages = [jobs_pb2.Stage(name=stage.name, weight=stage.weight) for stage in event.stages]
            job.log.add(started=jobs_pb2.Started(stages=stages, device=event.device))
        case events.Progress():
            job.log.add(progress=_progress(event))
        case events.Warning():
            job.log.add(warning=jobs_pb2.Warning(reason=event.reason, message=event.message, field=event.field))
        case events.Preview():
            job.log.add(preview=await asyncio.to_thread(wire.preview, event))
        case events.Artifact(hidden=False):
            job.log.add(artifact=await asyncio.to_thread(_artifact, job, event, put_blob))


def _progress(event: events.Progress) -> jobs_pb2.Progress:
    message = jobs_pb2.Progress(stage=event.stage, step=event.step, steps=event.steps, fraction=event.fraction)
    if event.remaining is not None:
        message.remaining = event.remaining
    return message


def _artifact(job: Job, event: events.Artifact, put_blob: Callable[[bytes], str]) -> jobs_pb2.Artifact:
    recipe = wire.recipe(job.spec, job.plan, event)
    return wire.artifact(event, output=job.spec.output, recipe=recipe, put_blob=put_blob)
