"""An animation, restyled frame by frame with the same noise and written to disk, so that it can stop and go on.

Each frame is rendered at its own time and the scene put back to the artist's before it is painted. A picture is
written whole, after its passes; so whatever ends a run, the frames that are there are done.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import bpy
import numpy as np

from . import asking, asking_restyle, frames, hints, passes, preferences, shots, takes, unseen
from .client import jobs_pb2
from .errands import errands
from .pace import Pieces, beside
from .session import PATIENCE, session

TITLE = "Restyle Animation"


def steps(
    wanted: takes.Wanted, folder: Path, numbers: Sequence[int], *, anew: bool = False
) -> Generator[None, None, str]:
    """Paint the frames that are not there yet, with `anew` all; says what was done."""
    painted, aside, lacks = 0, 0, ""
    wanted = yield from takes.settled(wanted)
    for count, number in enumerate(numbers):
        tell(f"Frame {number}: rendering, {count + 1} of {len(numbers)}", count / len(numbers))
        spec = yield from prepare(wanted, folder, number, anew=anew)
        if spec is None:
            tell(f"Frame {number} is there already", (count + 1) / len(numbers))
            yield
            continue
        lacks, aside = lacks or spec[0].labels.get(unseen.LABEL, ""), aside + spec[2]
        artifact, alpha = (yield from paint(spec[0], number, count, len(numbers))), spec[1]
        yield from beside([partial(keep, artifact, alpha, frames.path_of(folder, frames.PICTURE, number))])
        painted += 1
    show(folder, numbers)
    kept = len(numbers) - painted
    notes = [f"{TITLE}: {painted} frame{'s' * (painted != 1)} painted, {kept} there already, in {folder}"]
    notes += [f"{aside} files that others took the place of are in {folder / frames.EARLIER}"] * bool(aside)
    notes += [f"depth does not show everything: {lacks}"] * bool(lacks)
    return "; ".join(notes)


def prepare(
    wanted: takes.Wanted, folder: Path, number: int, *, anew: bool
) -> Pieces[tuple[jobs_pb2.JobSpec, np.ndarray | None, int] | None]:
    """A frame's job, its alpha where it has any, and how many files were set aside for it; None where it is there
    already. Its passes are written."""
    scene, layer = wanted.place()
    with shots.at_frame(scene, number):
        wish, before = hinted(wanted), takes.read(wanted, layer)
    wish = yield from hints.settled(wish)
    made_of = yield from takes.print_of(wanted, wish, before)
    there, aside = frames.print_of(frames.path_of(folder, frames.PICTURE, number)), 0
    if there != made_of:
        kinds = (frames.PICTURE, *(frames.PASSES if wanted.passes else ()))
        aside = frames.set_aside(folder, number, kinds)
    elif not anew:
        yield from complete(wanted, before, folder, number)
        return None
    seen = yield from takes.look(wanted, before)
    yield
    with shots.at_frame(scene, number):
        wish, now = hinted(wanted), takes.read(wanted, layer)
        left_out = hints.left_out(bpy.context, wanted.wish.size)
        color = yield from takes.picture(wanted)
    wish = yield from hints.settled(wish)
    made_of = yield from takes.print_of(wanted, wish, now)
    seen = yield from takes.looked_again(wanted, before, seen, now)
    if wanted.passes:
        yield from write_passes(wanted, seen, folder, number, frames.PASSES)
    notes = asking_restyle.labels(
        {**now.notes, **unseen.labels(left_out | now.left_out), asking_restyle.PRINT: made_of}
    )
    shot = takes.shot_of(wanted, seen, color)
    (spec,) = yield from beside([lambda: asking_restyle.restyle(wish, shot, wanted.strength, notes, batch=True)])
    return spec, np.ascontiguousarray(color[..., 3]) if (color[..., 3] < 255).any() else None, aside


def hinted(wanted: takes.Wanted) -> asking.Wish:
    """What is wished, with the hints as they are in the frame that is shown now."""
    return replace(wanted.wish, controls=(), hints=hints.read(bpy.context, wanted.wish.size))


def complete(wanted: takes.Wanted, sight: takes.Sight, folder: Path, number: int) -> Pieces[None]:
    """Write those passes that are not there of a frame whose picture is."""
    lack = [kind for kind in frames.PASSES if not frames.path_of(folder, kind, number).exists()]
    if wanted.passes and lack:
        seen = yield from takes.look(wanted, sight)
        yield from write_passes(wanted, seen, folder, number, lack)


def write_passes(
    wanted: takes.Wanted, seen: passes.Passes, folder: Path, number: int, kinds: Sequence[str]
) -> Pieces[None]:
    """Those of depth in metres, normals in the world's axes and the mask that are named."""
    depth = np.where(np.isfinite(seen.frame.depth), seen.frame.depth, np.float32(passes.NOTHING))
    made = {"depth": depth, "normal": seen.world_normal(), "mask": takes.mask_of(wanted, seen).astype(np.float32)}
    for kind in kinds:
        yield
        passes.write_exr(frames.path_of(folder, kind, number), made[kind])


def paint(spec: jobs_pb2.JobSpec, number: int, count: int, total: int) -> Generator[None, None, jobs_pb2.Artifact]:
    """Send a frame and wait for its picture; whoever closes this stops the job."""
    engine = session.connect(preferences.endpoint(bpy.context))
    job = engine.hand_in(spec, patience=PATIENCE[engine.endpoint.is_local])
    try:
        while not job.done:
            job.poll()
            tell(f"Frame {number}, {count + 1} of {total}", (count + job.fraction) / total)
            yield
    finally:
        if not job.done:
            job.cancel()
    return job.result(0).artifacts[0]


def keep(artifact: jobs_pb2.Artifact, alpha: np.ndarray | None, file: Path) -> None:
    """Write a frame's picture. Raises ValueError where it cannot be. Touches no Blender data."""
    pixels = asking.picture(artifact)[..., :3]
    pixels = pixels if alpha is None else np.concatenate([pixels, alpha[..., None]], 2)
    frames.write(file, pixels, asking.recipe_of(artifact))


def tell(words: str, fraction: float) -> None:
    """How far it is, for the panel."""
    errand = errands.find(TITLE)
    if errand is not None:
        errand.message, errand.fraction = words, fraction


def show(folder: Path, numbers: Sequence[int]) -> None:
    """The frames as one image of the file, a sequence that compositor and editors can use."""
    first = frames.path_of(folder, frames.PICTURE, numbers[0])
    known = next((each for each in bpy.data.images if bpy.path.abspath(each.filepath) == str(first)), None)
    if known is None:
        known = bpy.data.images.load(str(first))
        known.name, known.source = "restyle", "SEQUENCE"
    known.reload()
