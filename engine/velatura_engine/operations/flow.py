"""Painting with models that flow: every task is their pipeline for text, begun where noise left enough of a picture.

The pipeline is first asked how it would plan its run, and stopped there: only it knows how far it shifts its levels.
Then it gets latents that are ready made: noise, or the start under as much noise as belongs to the first level.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor

from ..conditioning.guiding import Guidance, words
from ..conditioning.prompt import Prompt
from ..conditioning.voices import Voice
from ..events import Preview, Warning
from ..plan import DiffusePlan
from ..runtime import autoencoder
from ..runtime.models import Loaded
from ..runtime.seams import Moment, observe
from ..runtime.tokens import Tokens
from ..samplers import sampler
from ..textures.seamless import Axes
from .context import Context
from .flow_guides import FlowGuides
from .noise import Variation, generators
from .scene import Scene

MARGIN = 8
"""Latents that are laid around a picture for autoencoders whose layers cannot wrap."""


class _Planned(Exception):
    """Ends a pipeline's call as soon as it has planned its run."""


class FlowRun:
    """One call of a flow model's pipeline, observed."""

    def __init__(
        self, plan: DiffusePlan, context: Context, model: Loaded, scene: Scene, guides: FlowGuides
    ) -> None:  # fmt: skip
        assert model.family.flow is not None
        self.plan, self.context, self.model, self.scene, self.guides = plan, context, model, scene, guides
        self.flow = model.family.flow
        factor = plan.model.latent_factor
        width, height = (side // factor for side in plan.canvas)
        self.shape = (len(plan.seeds), plan.model.latent_channels, height, width)
        self.tokens = Tokens(self.flow.packing, width, height)
        self.scheduler = sampler(plan.sampler).build(model.scheduler_config, plan.schedule, **plan.knobs)
        self.scheduler.share = self._share
        self.scheduler.sources = self.sources = generators(plan.seeds)
        self.noise = self._noise()
        self.start = None if scene.init is None else self._start(scene.init)
        guides.see(self._encoded, scene)
        self.pipeline = model.pipeline(plan.task, self.scheduler, [])
        self.last_glimpse = time.monotonic()
        self.latents = self.noise

    def denoise(self, axes: Axes) -> torch.Tensor:
        """Latents (B, C, h, w) of the finished pictures."""
        plan = self.plan
        guidance = self._guidance()
        blend = None if self.scene.mask is None else self._blend(self.scene.mask)

        def after(moment: Moment) -> torch.Tensor | None:
            self.context.check()
            self.context.progress(moment.done, moment.total)
            self._glimpse(moment)
            part = moment.done / moment.total
            guidance.go_to(part)
            self.guides.go_to(moment.done, moment.total)
            self._tile(part, axes, guidance)
            latents = self.tokens.grid(moment.latents)
            self.latents = blend(moment, latents) if blend else latents
            return self.tokens.like(self.latents, moment.latents) if blend else None

        first = self._first_level(guidance)
        latents = self.noise if self.start is None else self.scheduler.noised(self.start, self.noise, first)
        self._tile(0.0, axes, guidance)
        observe(self.scheduler, after)
        with ExitStack() as stack:
            stack.enter_context(self.guides.leading())
            guidance.one_voice = self.guides.one_voice
            guidance.lead = self.guides.lead if self.guides.leads else None
            guidance.taste = self.guides.likeness.taste if self.guides.likeness else None
            stack.enter_context(guidance.leading(self.model.denoiser))
            self.pipeline(**self._arguments(guidance, latents.to(self.noise.dtype)))
        axes.x, axes.y = plan.tiling.x, plan.tiling.y
        return self.latents.to(self.noise.dtype)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (1, C, h, w) -> a picture (1, 3, H, W) in -1..1, its edges meeting where it tiles."""
        pad = self._pad()
        if not pad:
            return self.model.decode(latents)
        factor = self.plan.model.latent_factor
        across, down = pad
        whole = self.model.decode(F.pad(latents.float(), (across, across, down, down), mode="circular").to(latents))
        width, height = self.plan.canvas
        left, top = across * factor, down * factor
        return whole[..., top : top + height, left : left + width]

    def _pad(self) -> tuple[int, int] | None:
        """Latents to lay around, across and down, for an autoencoder whose layers do not wrap; None for others."""
        tiling = self.plan.tiling
        if not tiling or not autoencoder.of_films(self.model.vae):
            return None
        return tuple(min(MARGIN, side) * on for side, on in zip(self.shape[:1:-1], (tiling.x, tiling.y), strict=True))  # type: ignore[return-value]

    def _start(self, init: np.ndarray) -> torch.Tensor:
        """Latents (B, C, h, w) of the picture to start from."""
        return self._encoded(_tensor(init, self.model) * 2 - 1).repeat(self.shape[0], 1, 1, 1)

    def _encoded(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures (1, 3, H, W) in -1..1 -> latents (1, C, h, w), whose edges meet where they tile."""
        pad = self._pad()
        if pad:
            across, down = (side * self.plan.model.latent_factor for side in pad)
            pixels = F.pad(pixels, (across, across, down, down), mode="circular")
        encoded = self.model.encode(pixels)
        if pad:
            encoded = encoded[..., pad[1] : pad[1] + self.shape[2], pad[0] : pad[0] + self.shape[3]]
        return encoded

    def _noise(self) -> torch.Tensor:
        plan, model = self.plan, self.model
        if plan.variation is None:
            return randn_tensor(self.shape, generator=self.sources, device=model.device, dtype=model.dtype)
        variation = Variation(plan.variation, plan.seeds, plan.model.latent_factor)
        return variation.start(self.shape, self.sources, model)

    @property
    def _share(self) -> float:
        """The part of the run that is walked: the strength, but for one step at least."""
        if self.scene.init is None:
            return 1.0
        enough = int(self.plan.steps * self.plan.strength) >= 1
        return self.plan.strength if enough else min(1.0, 1.000001 / self.plan.steps)

    def _first_level(self, guidance: Guidance) -> Any:
        """The timestep at which the pipeline would begin."""
        plan = self.scheduler.set_timesteps

        def planned(*args: Any, **kwargs: Any) -> None:
            plan(*args, **kwargs)
            raise _Planned

        # Pipelines ask for its signature, to see whether it takes levels.
        planned.__signature__ = inspect.signature(plan)  # type: ignore[attr-defined]
        self.scheduler.set_timesteps = planned
        try:
            self.pipeline(**self._arguments(guidance, self.noise))
        except _Planned:
            pass
        finally:
            del self.scheduler.set_timesteps
        return self.scheduler.timesteps[0]

    def _arguments(self, guidance: Guidance, latents: torch.Tensor) -> dict[str, Any]:
        plan, flow = self.plan, self.flow
        width, height = plan.canvas
        call: dict[str, Any] = {
            "width": width, "height": height, "num_inference_steps": plan.steps, "generator": self.sources,
            "latents": self.tokens.start(latents), "output_type": "latent", **flow.unguided,
        }  # fmt: skip
        if self.model.denoiser.config.get("guidance_embeds"):
            call["guidance_scale"] = plan.guidance
        heard = guidance.first
        call |= {name: heard[said] for said, name in zip(flow.said, flow.given, strict=True) if said and name}
        if "prompt_embeds_mask" in call and call["prompt_embeds_mask"] is None:  # all counts, which must be said
            call["prompt_embeds_mask"] = torch.ones(call["prompt_embeds"].shape[:2], dtype=torch.long)
        return call

    def _guidance(self) -> Guidance:
        plan = self.plan
        steps = max(1, int(plan.steps * self._share))
        regions = [mask if mask is None else _tensor(mask[..., None], self.model) for mask in self.scene.regions]
        split = len(plan.passages)
        told = [Voice(prompt=plan.prompt)] + [
            Voice(prompt=one.prompt, start=one.start, end=one.end, weight=one.weight, mask=mask)
            for one, mask in zip(plan.passages, regions[:split], strict=True)
        ]
        plain = [Voice(prompt=plan.negative)] + [
            Voice(prompt=one.prompt, start=one.start, end=one.end, weight=one.weight, mask=mask)
            for one, mask in zip(plan.negative_passages, regions[split:], strict=True)
        ]
        embedded = bool(self.model.denoiser.config.get("guidance_embeds"))
        return Guidance(
            told, plain, self._read, self.tokens, steps=steps, scale=1.0 if embedded else plan.guidance,
            renormed=self.flow.renormed, check=self.context.check,
        )  # fmt: skip

    def _read(self, text: str) -> dict[str, Any]:
        """The denoiser's arguments for a text, a row for each picture."""
        encode = self.pipeline.encode_prompt
        offered = {
            "prompt": [text], "prompt_2": None, "prompt_3": None, "device": self.model.device,
            "num_images_per_prompt": 1, "do_classifier_free_guidance": False, "max_sequence_length": self.flow.tokens,
        }  # fmt: skip
        known = inspect.signature(encode).parameters
        said = encode(**{name: value for name, value in offered.items() if name in known})
        count = len(self.plan.seeds)
        return {name: _each(value, count) for name, value in zip(self.flow.said, said, strict=True) if name}

    def _tile(self, part: float, axes: Axes, guidance: Guidance) -> None:
        """Roll along what tiles at this part of the run, 0 to 1."""
        tiling = self.plan.tiling
        x, y = (on and tiling.start <= part <= tiling.end for on in (tiling.x, tiling.y))
        axes.x, axes.y = x, y
        rows, columns = (side // self.tokens.unit for side in self.shape[2:])
        dice = self._dice

        def roll() -> list[tuple[int, int]]:
            return [
                (int(torch.randint(rows, (), generator=one)) * y, int(torch.randint(columns, (), generator=one)) * x)
                for one in dice
            ]

        guidance.roll = roll if x or y else None

    @property
    def _dice(self) -> list[torch.Generator]:
        """What draws where pictures are rolled to: by their seeds, apart from their noise."""
        if not hasattr(self, "_rollers"):
            self._rollers = [torch.Generator("cpu").manual_seed((seed ^ 0x5EA3) % 2**63) for seed in self.plan.seeds]
        return self._rollers

    def _blend(self, values: np.ndarray) -> Callable[[Moment, torch.Tensor], torch.Tensor]:
        """Keeps the original where the mask has not been reached: value m is painted in the last share m of the run."""
        assert self.start is not None
        start = self.start
        mask = F.adaptive_max_pool2d(_tensor(values[..., None], self.model), self.shape[2:])
        first = 1.0 - self.plan.strength

        def keep(moment: Moment, latents: torch.Tensor) -> torch.Tensor:
            if moment.next_timestep is None:
                return torch.where(mask <= 0, start, latents)
            part = first + (1 - first) * moment.done / moment.total
            noisy = self.scheduler.noised(start, self.noise, moment.next_timestep)
            return torch.where(mask < (1 - part), noisy.to(latents), latents)

        return keep

    def _glimpse(self, moment: Moment) -> None:
        ask, now = self.context.preview, time.monotonic()
        if ask is None or moment.next_timestep is None or now - self.last_glimpse < ask.interval:
            return
        self.last_glimpse = now
        map_ = self.model.preview_map()
        for index, latents in enumerate(self.tokens.grid(moment.denoised)):
            pixels = map_.picture(latents, ask.size)
            self.context.emit(Preview(pixels=pixels, index=index, step=moment.done, step_id=self.plan.step_id))


def unheard(plan: DiffusePlan, model: Loaded) -> Iterator[Warning]:
    """What of the prompts a flow model does not hear: weights of words, and what is beyond its last token."""
    flow = model.family.flow
    if flow is None:
        return
    counter = model.parts.parts.get(flow.tokenizer)
    for prompt in (plan.prompt, plan.negative, *(one.prompt for one in (*plan.passages, *plan.negative_passages))):
        branches = prompt.at(0, 1)
        if any(span.weight != 1 for branch in branches for chunk in branch.chunks for span in chunk):
            yield Warning(
                reason="PROMPT_WEIGHTS_IGNORED", field=prompt.field,
                message=f"{plan.model.title} reads whole sentences and does not hear weights of single words; "
                "say it in words, or part the prompt by AND",
            )  # fmt: skip
        if counter is not None and _longest(prompt, counter) > flow.tokens:
            yield Warning(
                reason="PROMPT_TRUNCATED",
                field=prompt.field,
                message=f"{plan.model.title} hears {flow.tokens} tokens of a prompt, and not what comes after",
            )


def _longest(prompt: Prompt, counter: Any) -> int:
    texts = (words(branch) for branch in prompt.at(0, 1))
    return max(len(counter(text, truncation=False, verbose=False).input_ids) for text in texts)


def _each(value: Any, count: int) -> Any:
    """A row for each picture."""
    if isinstance(value, list | tuple):
        return [one for one in value for _ in range(count)]
    return value.repeat_interleave(count, 0) if isinstance(value, torch.Tensor) and len(value) == 1 else value


def _tensor(values: np.ndarray, model: Loaded) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None].to(model.device, model.dtype)
