"""How long a whole object takes: eight views of a ball painted so that they agree, and the views blended again.

The ball's depth is calculated, so no host takes part. Views are `--size` pixels a side, the texture is 2048 texels.
Each round has balls of its own, which the engine does not know yet.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import _lab
import numpy as np
from velatura import Engine, pixels, spec
from velatura.v1 import geometry_pb2, jobs_pb2, pixels_pb2

TEXTURE = 2048
WAYS = [(0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0), (0.6, -0.6, 0.5), (-0.6, 0.6, 0.5), (0, 0.1, 1), (0, 0.1, -1)]


def view(way: tuple[float, float, float], size: int, color: pixels_pb2.Image | None = None) -> geometry_pb2.View:
    """A parallel look at the ball from 3 m away."""
    back = np.array(way, float) / np.linalg.norm(way)
    right = np.cross((0, 0, 1), back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back])
    pose[2, 3] = -3
    clip = np.diag([1 / 1.1, 1 / 1.1, -2 / 5.9, 1.0])
    clip[2, 3] = -6.1 / 5.9
    middle = (np.arange(size) + 0.5) / size * 2.2 - 1.1
    bulge = 1 - middle[None] ** 2 - middle[::-1, None] ** 2
    depth = np.where(bulge > 0, 3 - np.sqrt(np.maximum(bulge, 0)), np.inf).astype(np.float32)
    lens = spec.camera(pose.ravel().tolist(), clip.ravel().tolist(), orthographic=True)
    return geometry_pb2.View(camera=lens, depth=pixels.depth_map(depth), color=color)


def ball(around: int = 128, down: int = 64) -> geometry_pb2.ProjectionTarget:
    """A ball of 1 m whose UVs are a grid."""
    u, v = np.meshgrid(np.linspace(0, 1, around + 1), np.linspace(0.01, 0.99, down + 1))
    across, along = u * 2 * np.pi, v * np.pi
    places = np.stack([np.sin(along) * np.cos(across), np.sin(along) * np.sin(across), -np.cos(along)], -1)
    row, column = (each.ravel() for each in np.mgrid[:down, :around])
    first = row * (around + 1) + column
    quads = np.stack([first, first + 1, first + around + 2, first + around + 1], 1)
    triangles = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    uvs = np.stack([u, v], -1).reshape(-1, 2)[triangles]
    mesh = spec.mesh(places.reshape(-1, 3).astype("<f4"), triangles.astype("<u4"), uvs.astype("<f4"))
    return geometry_pb2.ProjectionTarget(id="ball", mesh=mesh, width=TEXTURE, height=TEXTURE)


def spent(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a call takes, and seconds of processors that this and the engine's processes take for it."""
    before = _lab.processor_seconds()
    return _lab.timed(run), _lab.processor_seconds() - before


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=3, size=128)
    raw = pixels_pb2.PIXEL_FORMAT_RGBA8
    with _lab.engine() as endpoint, Engine.connect(endpoint) as talk:
        _lab.settle(talk)
        views = [view(way, options.size) for way in WAYS]
        shown = [view(way, options.size, pixels.from_step("views", number)) for number, way in enumerate(WAYS)]
        paint = spec.diffuse(_lab.PROMPT, views=views, seed=_lab.SEED, steps=options.steps, id="views")
        made: list[jobs_pb2.Artifact] = list(talk.generate(spec.job(paint, output=raw)).result().artifacts)  # warms
        again = [view(way, options.size, artifact.image) for way, artifact in zip(WAYS, made, strict=True)]

        def whole(number: int) -> Callable[[], object]:
            lay = spec.project([ball(down=40 + number)], shown, fill=True)
            return lambda: talk.generate(spec.job(paint, lay, output=raw)).result()

        def blend(number: int, exponent: float) -> Callable[[], object]:
            lay = spec.project([ball(down=64 + number)], again, fill=True, exponent=exponent)
            return lambda: talk.generate(spec.job(lay, output=raw)).result()

        rounds = []
        for number in range(options.rounds):
            rounds.append([spent(run) for run in (whole(number), blend(number, 4.0), blend(number, 6.0))])
    names = ("eight views and their texture", "laid for the first time", "blended again")
    targets = (40.0, None, 1.0)
    figures = []
    for index, (name, target) in enumerate(zip(names, targets, strict=True)):
        seconds, busy = (statistics.median(each[index][kind] for each in rounds) for kind in (0, 1))
        figures.append(_lab.Figure(name=name, value=seconds, target=target))
        figures.append(_lab.Figure(name="  in processor time", value=busy))
    share = statistics.median(again[1] / first[1] for _, first, again in rounds)
    figures.append(_lab.Figure(name="blended again / first, processor time", value=share, unit=""))
    _lab.report("A whole object", figures, options)


if __name__ == "__main__":
    main()
