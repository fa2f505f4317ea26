"""How long a whole object takes: eight views of a ball painted so that they agree, and the views blended again.

The ball's depth is calculated, so no host takes part. Views are `--size` pixels a side, the texture is 2048 texels.
"""

from __future__ import annotations

import statistics

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


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=3, size=128)
    raw = pixels_pb2.PIXEL_FORMAT_RGBA8
    with _lab.engine() as endpoint, Engine.connect(endpoint) as talk:
        _lab.settle(talk)
        views = [view(way, options.size) for way in WAYS]
        shown = [view(way, options.size, pixels.from_step("views", number)) for number, way in enumerate(WAYS)]
        paint = spec.diffuse(_lab.PROMPT, views=views, seed=_lab.SEED, steps=options.steps, id="views")
        lay = spec.project([ball()], shown, fill=True)
        whole = spec.job(paint, lay, output=raw)
        made: list[jobs_pb2.Artifact] = list(talk.generate(whole).result().artifacts)  # the first one loads the model
        again = [view(way, options.size, artifact.image) for way, artifact in zip(WAYS, made, strict=False)]
        blend = spec.job(spec.project([ball()], again, fill=True, exponent=6.0), output=raw)
        rounds = _lab.interleaved(
            options.rounds, lambda: talk.generate(whole).result(), lambda: talk.generate(blend).result()
        )
    figures = [
        _lab.Figure(name="eight views and their texture", value=statistics.median(rounds[0]), target=40.0),
        _lab.Figure(name="blended again", value=statistics.median(rounds[1]), target=1.0),
    ]
    _lab.report("A whole object", figures, options)


if __name__ == "__main__":
    main()
