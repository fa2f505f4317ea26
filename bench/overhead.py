"""What the engine adds to plain diffusers, what seamless tiling adds to the engine, and what remembered rows save.

The same weights, sampler, seed and words, on the same threads: once through diffusers' own pipeline in this process,
once through a warm engine (front, worker, gRPC, a PNG with its recipe). The runs alternate. In all but the last figure
every step is computed whole; the last is how textures are painted unless asked otherwise.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import _lab
import diffusers
import numpy as np
import velatura_starter
from velatura import Engine, pixels, spec
from velatura_starter.sampling import vocabulary

GUIDANCE = float(vocabulary()["guidance_scale"])


def plain(size: int, steps: int) -> Callable[[], np.ndarray]:
    """A painter with nothing but diffusers; it returns (H, W, 3) uint8."""
    _lab.hush()
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(velatura_starter.model_path())
    return _lab.bare(pipeline, size, steps, GUIDANCE)


def through(talk: Engine, size: int, steps: int, tile: str, interval: int | None) -> Callable[[], np.ndarray]:
    """A painter that asks the engine; it returns (H, W, 3) uint8. `interval` None: as often as the model says."""
    job = spec.texture(
        _lab.PROMPT, size, _lab.SEED, tile, steps=steps, guidance=GUIDANCE, sampler="ddim", cache_interval=interval
    )

    def paint() -> np.ndarray:
        return pixels.to_array(talk.generate(job).result().images[0])

    return paint


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=11)
    with _lab.engine() as endpoint, Engine.connect(endpoint) as talk:
        _lab.settle(talk)
        bare = plain(options.size, options.steps)
        asked = (("", 1), ("xy", 1), ("xy", None))
        edged, tiled, usual = (through(talk, options.size, options.steps, *how) for how in asked)
        difference = np.abs(bare().astype(int) - edged().astype(int)).max()  # also warms both up
        tiled(), usual()
        alone, engine, seamless, own = _lab.interleaved(options.rounds, bare, edged, tiled, usual)
    judged = (options.size, options.steps) == (_lab.SIZE, _lab.STEPS)
    figures = [
        _lab.Figure(name="plain diffusers", value=statistics.median(alone)),
        _lab.Figure(name="through the engine", value=statistics.median(engine)),
        _lab.Figure(name="engine / plain", value=_lab.ratio(engine, alone), unit="", target=1.05),
        _lab.Figure(name="largest difference of the two pictures", value=float(difference), unit="levels"),
        _lab.Figure(name="seamless", value=statistics.median(seamless)),
        _lab.Figure(name="seamless / not", value=_lab.ratio(seamless, engine), unit="", target=1.10),
        _lab.Figure(name="seamless, rows remembered", value=statistics.median(own), target=3.0 if judged else None),
    ]
    _lab.report("Overhead", figures, options)


if __name__ == "__main__":
    main()
