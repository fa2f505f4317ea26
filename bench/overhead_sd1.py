"""What the engine adds to plain diffusers on a model of Stable Diffusion 1.5's shapes.

Random weights in the true sizes (860 million numbers in the UNet), guidance 7.5, the same seed and words on the same
threads: once through diffusers' own pipeline in this process, once through a warm engine. The runs alternate. Needs
some 10 GB of memory and 4 GB of disk; one step of 256 x 256 pixels takes seconds on two cores.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import _lab
import diffusers
import numpy as np
import torch
import transformers
from velatura import Engine, pixels, spec
from velatura_engine.runtime.load import CONFIGS

STEPS, GUIDANCE = 4, 7.5
PARTS = {
    "unet": diffusers.UNet2DConditionModel,
    "vae": diffusers.AutoencoderKL,
    "text_encoder": transformers.CLIPTextModel,
}


def write(folder: Path) -> Path:
    """A diffusers folder with random weights, in the layout and the sizes of the real model."""
    torch.manual_seed(0)
    shutil.copytree(CONFIGS / "sd1", folder)
    for packed in folder.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    for name, kind in PARTS.items():
        if name == "text_encoder":
            model = kind(transformers.CLIPTextConfig.from_pretrained(folder / name))
        else:
            model = kind.from_config(kind.load_config(folder / name))
        model.save_pretrained(folder / name, max_shard_size="20GB")
        del model
    return folder


def plain(folder: Path, size: int, steps: int) -> Callable[[], np.ndarray]:
    """A painter with nothing but diffusers; it returns (H, W, 3) uint8."""
    _lab.hush()
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
    return _lab.bare(pipeline, size, steps, GUIDANCE)


def through(talk: Engine, size: int, steps: int) -> Callable[[], np.ndarray]:
    """A painter that asks the engine; it returns (H, W, 3) uint8."""
    job = spec.diffuse(
        _lab.PROMPT, model="sd15", width=size, height=size, seed=_lab.SEED, steps=steps, guidance=GUIDANCE,
        sampler="ddim",
    )  # fmt: skip

    def paint() -> np.ndarray:
        return pixels.to_array(talk.generate(job).result().images[0])

    return paint


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=5, steps=STEPS)
    with tempfile.TemporaryDirectory(prefix="velatura-sd15-") as models:
        folder = write(Path(models) / "sd15")
        with _lab.engine(Path(models)) as endpoint, Engine.connect(endpoint) as talk:
            _lab.settle(talk)
            bare, engine = plain(folder, options.size, options.steps), through(talk, options.size, options.steps)
            difference = np.abs(bare().astype(int) - engine().astype(int)).max()  # also warms both up
            alone, whole = _lab.interleaved(options.rounds, bare, engine)
    figures = [
        _lab.Figure(name="plain diffusers", value=statistics.median(alone)),
        _lab.Figure(name="through the engine", value=statistics.median(whole)),
        _lab.Figure(name="engine / plain", value=_lab.ratio(whole, alone), unit="", target=1.02),
        _lab.Figure(name="largest difference of the two pictures", value=float(difference), unit="levels"),
    ]
    _lab.report("Overhead on SD 1.5's shapes", figures, options)


if __name__ == "__main__":
    main()
