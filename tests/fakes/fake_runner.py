"""A runner without torch, so that the front and the worker process can be tested in milliseconds.

The prompt says what it does: "die" kills the process at the second step, "hang" never goes on, "boom" raises,
"big" paints 2048 x 2048 pixels however few were asked for, anything else
paints one flat picture for each seed. Each step takes `delay` seconds.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from velatura_engine.events import Artifact, Done, Event, Preview, Progress, Started
from velatura_engine.pixels.picture import Picture
from velatura_engine.plan import DiffusePlan, Plan


class FakeRunner:
    """Same duties as `velatura_engine.run.Runner`."""

    def __init__(self, *, delay: float = 0.01, stillborn: bool = False) -> None:
        if stillborn:
            os._exit(1)
        self.delay = delay
        self.device = "fake"
        self.resident = ""

    def run(self, plan: Plan, check: Callable[[], None], emit: Callable[[Event], None]) -> None:
        emit(Started(stages=plan.stages, device=self.device))
        for step in plan.steps:
            assert isinstance(step, DiffusePlan)
            self.resident = step.model.id
            for number in range(step.steps):
                self._act(step.prompt.text, number)
                time.sleep(self.delay)
                check()
                stage, done = f"{step.step_id}:diffuse", number + 1
                emit(Progress(stage=stage, step=done, steps=step.steps, fraction=done / step.steps))
                if plan.preview is not None:
                    emit(Preview(pixels=np.zeros((8, 8, 3), np.uint8), index=0, step=done, step_id=step.step_id))
            for index, seed in enumerate(step.seeds):
                size = (2048, 2048) if step.prompt.text == "big" else step.size
                pixels = np.full((size[1], size[0], 3), seed % 256, np.uint8)
                emit(Artifact(step_id=step.step_id, index=index, kind="image", picture=Picture(pixels), seed=seed))
        emit(Done(timings={"diffuse": self.delay}))

    def _act(self, prompt: str, number: int) -> None:
        if prompt == "boom":
            raise RuntimeError("a secret path /somewhere")
        if prompt == "hang":
            time.sleep(1000)
        if prompt == "die" and number == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def make_hollow_model(folder: Path) -> Path:
    """A diffusers folder that has everything but weights worth loading: enough to be found and planned with."""
    configs = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "vae/config.json": {"block_out_channels": [8, 8, 8], "latent_channels": 4},
        "unet/config.json": {"block_out_channels": [8, 8, 8], "in_channels": 4, "sample_size": 16},
        "text_encoder/config.json": {"hidden_size": 8},
        "scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
    }
    for name, config in configs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(config))
    zeros = {"conv_in.weight": np.zeros((8, 4, 3, 3), np.float32), "a.attn2.to_k.weight": np.zeros((8, 8), np.float32)}
    save_file(zeros, folder / "unet" / "diffusion_pytorch_model.safetensors")
    for part in ("vae/diffusion_pytorch_model", "text_encoder/model"):
        save_file({"x": np.zeros(1, np.float32)}, folder / f"{part}.safetensors")
    return folder
