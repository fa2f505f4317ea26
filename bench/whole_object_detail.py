"""How much fine detail a whole object keeps: of views painted together, and of the texture made of them.

1 is what the model paints in the same views alone, with the same noise, where a view faces the ball (mean square of the
Laplacian). More is better; 0.8 is the aim.
"""

from __future__ import annotations

import _lab
import numpy as np
import whole_object
from velatura import Engine, pixels, spec
from velatura.v1 import jobs_pb2, pixels_pb2
from whole_object import WAYS, ball, view

RAW = pixels_pb2.PIXEL_FORMAT_RGBA8
SIDE = 512
"""Texels a side."""


def detail(picture: np.ndarray, inside: np.ndarray) -> float:
    """Mean square of the Laplacian of a picture (H, W, 3) where a pixel and its four neighbours are inside."""
    whole = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    bend = picture[:-2, 1:-1] + picture[2:, 1:-1] + picture[1:-1, :-2] + picture[1:-1, 2:] - 4 * picture[1:-1, 1:-1]
    return float((bend[whole] ** 2).mean())


def numbers(artifact: jobs_pb2.Artifact) -> np.ndarray:
    """Colours (H, W, 3) 0..1."""
    return pixels.to_array(artifact.image)[..., :3].astype(float) / 255


def facing(way: tuple[float, float, float]) -> np.ndarray:
    """Texels (H, W) of the ball that face a view by a cosine of 0.85 and more."""
    middle = (np.arange(SIDE) + 0.5) / SIDE
    along, across = (0.01 + 0.98 * (1 - middle))[:, None] * np.pi, middle[None] * 2 * np.pi
    up = np.broadcast_to(-np.cos(along), (SIDE, SIDE))
    normal = np.stack([np.sin(along) * np.cos(across), np.sin(along) * np.sin(across), up], -1)
    return normal @ (np.array(way) / np.linalg.norm(way)) > 0.85


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=1, size=192, steps=12)
    whole_object.TEXTURE = SIDE
    middle = (np.arange(options.size) + 0.5) / options.size * 2.2 - 1.1
    disk = middle[None] ** 2 + middle[::-1, None] ** 2 < 0.8
    with _lab.engine() as endpoint, Engine.connect(endpoint) as talk:

        def paint(ways: list[tuple[float, float, float]], seed: int, method: str) -> list[jobs_pb2.Artifact]:
            views = [view(way, options.size) for way in ways]
            job = spec.job(spec.diffuse(_lab.PROMPT, views=views, seed=seed, steps=options.steps), output=RAW)
            job.steps[0].diffuse.agreement.method = method
            return list(talk.generate(job).result().artifacts)

        def laid(ways: list[tuple[float, float, float]], made: list[jobs_pb2.Artifact]) -> np.ndarray:
            shown = [view(way, options.size, artifact.image) for way, artifact in zip(ways, made, strict=True)]
            job = spec.job(spec.project([ball()], shown), output=RAW)
            return numbers(talk.generate(job).result().artifacts[0])

        alone = [paint([way], _lab.SEED + number, "sequence")[0] for number, way in enumerate(WAYS)]
        sheets = [laid([way], [artifact]) for way, artifact in zip(WAYS, alone, strict=True)]
        figures = []
        for method, words in (("together", "together"), ("sequence", "in turn")):
            made = paint(WAYS, _lab.SEED, method)
            texture = laid(WAYS, made)
            views = [detail(numbers(a), disk) / detail(numbers(b), disk) for a, b in zip(made, alone, strict=True)]
            texels = [detail(texture, facing(way)) / detail(sheet, facing(way))
                      for way, sheet in zip(WAYS, sheets, strict=True)]  # fmt: skip
            figures += [_lab.Figure(name=f"views painted {words}", value=float(np.mean(views)), unit=""),
                        _lab.Figure(name=f"their texture, {words}", value=float(np.mean(texels)), unit="")]  # fmt: skip
    _lab.report("Detail of a whole object", figures, options)


if __name__ == "__main__":
    main()
