"""Painting: one plan -> pictures, by driving a diffusers pipeline through the two seams.

Repainting is img2img whose scheduler blends the original back in after every step where the mask's value has not been
reached yet (differential diffusion, Levin and Fried, arXiv 2306.00950): one mechanism for every family, sampler and
ControlNet, and soft masks come with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor

from ..conditioning.adapters.names import components
from ..conditioning.adapters.wear import wearing
from ..conditioning.directions import Directed, turn
from ..conditioning.steering import Conditioning
from ..events import Artifact, Preview
from ..pixels.picture import Picture
from ..plan import DiffusePlan
from ..runtime.guesses import Change, amend
from ..runtime.models import Loaded
from ..runtime.reuse import Reuse, reusing
from ..runtime.seams import Moment, observe
from ..runtime.tiles import by_tiles
from ..runtime.windows import Windows, windowed
from ..samplers import sampler
from ..textures.seamless import Axes, seamless
from .canvas import settle
from .context import Context
from .flow import FlowRun, unheard
from .flow_guides import FlowGuides
from .generic import paint_generic
from .guides import Guides
from .inversion import invert
from .noise import Variation, generators, instead
from .references import Likeness
from .rows import together
from .scene import Scene, fetch, finish
from .words import untold, voices

Agree = Callable[[Loaded], Change]
"""Given the model, what its guesses are changed by."""


def paint(plan: DiffusePlan, context: Context, agree: Agree | None = None) -> list[Picture]:
    """Run one painting; emits progress, previews, warnings and artifacts, and returns the pictures for later steps.

    `agree` may change what the model guesses at all along.
    """
    context.stage("load")
    plan = settle(plan, context)
    if plan.model.pipeline:
        scene = fetch(plan, context)
        if scene.init is not None and plan.strength == 0:
            return _hand_over(plan, context, scene, [scene.init] * len(plan.seeds))
        return _hand_over(plan, context, scene, paint_generic(plan, context, scene))
    model = context.models.checkpoint(plan.model, plan.vae)
    flows = model.family.flow is not None
    guides = FlowGuides(plan, context, model) if flows else Guides(plan, context, model)
    for warning in (*untold(plan, model), *unheard(plan, model)):
        context.emit(warning)
    scene = fetch(plan, context)
    modules = [model.vae, model.denoiser, *guides.modules]
    if scene.init is not None and plan.strength == 0:
        painted = [scene.init] * len(plan.seeds)  # nothing is to move
    else:
        likeness = None if isinstance(guides, FlowGuides) else Likeness(plan, context, model)
        with (
            wearing(plan.adapters, components(model.parts), plan.model.title, check=context.check, warn=context.emit),
            torch.inference_mode(),
            seamless(modules, plan.tiling.x, plan.tiling.y) as axes,
            by_tiles(model.vae, plan.vae_tile, axes, context.check),
        ):
            if isinstance(guides, FlowGuides):  # which have the likeness with them
                run = FlowRun(plan, context, model, scene, guides)
            else:
                assert likeness is not None
                run = _Run(plan, context, model, scene, guides, likeness)
                if agree is not None:
                    amend(run.scheduler, agree(model))
            context.stage(f"{plan.step_id}:diffuse")
            with likeness or nullcontext():
                latents = run.denoise(axes)
            context.check()
            context.stage(f"{plan.step_id}:decode")
            axes.x, axes.y = plan.tiling.x, plan.tiling.y
            painted = _decode(run.decode, latents, context.check)
    return _hand_over(plan, context, scene, painted)


def _hand_over(plan: DiffusePlan, context: Context, scene: Scene, painted: Sequence[np.ndarray]) -> list[Picture]:
    """Emit what was painted as it belongs into the picture, and return it."""
    finished = [finish(plan, scene, picture) for picture in painted]
    for index, ((picture, offset), seed) in enumerate(zip(finished, plan.seeds, strict=True)):
        context.emit(
            Artifact(step_id=plan.step_id, index=index, kind="image", picture=picture, seed=seed, offset=offset,
                     hidden=plan.hidden)
        )  # fmt: skip
    return [picture for picture, _ in finished]


class _Run:
    """One call of the pipeline, observed."""

    def __init__(
        self, plan: DiffusePlan, context: Context, model: Loaded, scene: Scene, guides: Guides, likeness: Likeness
    ) -> None:
        self.plan, self.context, self.model, self.scene = plan, context, model, scene
        self.guides, self.likeness = guides, likeness
        self.scheduler = sampler(plan.sampler).build(model.scheduler_config, plan.schedule, **plan.knobs)
        self.variation = self._variation()
        self.conditioning = together(plan, self._conditioning)
        self.last_glimpse = time.monotonic()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (1, C, h, w) -> a picture (1, 3, H, W) in -1..1."""
        return self.model.decode(latents)

    def denoise(self, axes: Axes) -> torch.Tensor:
        """Latents (B, C, h, w) of the finished pictures."""
        windows = self.windows()
        before = self.invert(axes, windows) if self.plan.invert else 0
        blend = self.blend() if self.scene.mask is not None else None

        def after(moment: Moment, reuse: Reuse) -> torch.Tensor | None:
            self.context.check()
            reuse.next_step()
            self.context.progress(before + moment.done, before + moment.total)
            self.glimpse(moment)
            part = moment.done / moment.total
            if self.conditioning:
                self.conditioning.go_to(part)
            self.guides.go_to(moment.done, moment.total)
            self.likeness.go_to(moment.done, moment.total)
            self.tile(part, axes, windows)
            return blend(moment) if blend else None

        self.tile(0.0, axes, None)  # T2I-Adapters see the whole canvas beforehand
        nets, denoiser = self.guides.nets, self.model.denoiser
        pipeline = self.model.pipeline(self.plan.task, self.scheduler, nets)
        with ExitStack() as stack:
            # First, so that each window has its own memory.
            looks = getattr(self.scheduler, "order", 1)
            reuse = stack.enter_context(reusing(denoiser, self.plan.cache_interval, looks))
            observe(self.scheduler, partial(after, reuse=reuse))
            if windows:
                stack.enter_context(windowed(denoiser, nets, windows))
            if self.conditioning:
                stack.enter_context(self.conditioning.steering(denoiser, nets))
            # The guides come last: they must see the rows that the prompts have made.
            stack.enter_context(self.guides.steering(denoiser, windows))
            self.tile(0.0, axes, windows)
            return pipeline(**self.arguments()).images

    def invert(self, axes: Axes, windows: Windows | None) -> int:
        """Find the noise that the picture to start from would have been painted from, and let that be laid over it
        wherever noise is; the evaluations that it took."""
        plan, model = self.plan, self.model
        steps = max(1, int(plan.steps * self.strength))
        likely = 3 * steps  # two evaluations a step, and the painting

        def after(moment: Moment) -> None:
            self.context.check()
            self.context.progress(moment.done, max(likely, moment.total + 1))

        scheduler = sampler(plan.sampler).build(model.scheduler_config, plan.schedule, **plan.knobs)
        scheduler.set_timesteps(plan.steps)
        first = (plan.steps - steps) * getattr(scheduler, "order", 1)
        self.tile(0.0, axes, windows)
        with ExitStack() as stack:
            if windows:
                stack.enter_context(windowed(model.denoiser, [], windows))
            noise = invert(
                model, self.start, self._hearing(plan, directed=False), timestep=float(scheduler.timesteps[first]),
                steps=steps, factor=plan.model.latent_factor, after=after,
            )  # fmt: skip
        instead(self.scheduler, lambda drawn: noise.to(drawn))
        return 2 * steps

    def tile(self, part: float, axes: Axes, windows: Windows | None) -> None:
        """Wrap what tiles at this part of the run, 0 to 1: layers, or windows where those cut the canvas."""
        tiling = self.plan.tiling
        x, y = (on and tiling.start <= part <= tiling.end for on in (tiling.x, tiling.y))
        axes.x, axes.y = windows.wrap(x, y) if windows else (x, y)

    def windows(self) -> Windows | None:
        """What the canvas is looked at through; None is the whole of it at once."""
        plan = self.plan
        if plan.windows is None:
            return None
        factor = plan.model.latent_factor
        width, height, size, overlap = (
            side // factor for side in (*plan.canvas, plan.windows.size, plan.windows.overlap)
        )
        grain = plan.model.size_multiple // factor
        return Windows((width, height), size, overlap, grain=grain, check=self.context.check)

    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with."""
        plan = self.plan
        width, height = plan.canvas
        sources = generators(plan.seeds)
        call: dict[str, Any] = {
            "num_inference_steps": plan.steps,
            "guidance_scale": plan.guidance,
            "generator": sources,
            "output_type": "latent",
        }
        call |= self.conditioning.arguments if self.conditioning else self.texts()
        if plan.eta is not None:
            call["eta"] = plan.eta
        if plan.guidance_rescale:
            call["guidance_rescale"] = plan.guidance_rescale
        if plan.image_guidance is not None:
            call["image_guidance_scale"] = plan.image_guidance
        call |= self.guides.arguments()
        if self.model.family.depth_channel:
            call |= self.depth_arguments()
        elif plan.task == "txt2img":
            call |= {"width": width, "height": height}
        if plan.task != "txt2img":
            call |= self.start_arguments()
        if self.variation and self._starts_from_noise:
            channels, factor = plan.model.latent_channels, plan.model.latent_factor
            shape = (len(plan.seeds), channels, height // factor, width // factor)
            call["latents"] = self.variation.start(shape, sources, self.model)
        return call

    def _variation(self) -> Variation | None:
        """What the seeds' noise is changed into, and made so wherever the scheduler lays it over a picture."""
        plan = self.plan
        if plan.variation is None:
            return None
        # Pipelines that encode the picture themselves draw once before, for that.
        skip = int(self.model.family.pixels_first and not self._starts_from_noise)
        variation = Variation(plan.variation, plan.seeds, plan.model.latent_factor, skip)
        variation.take_part(self.scheduler)
        return variation

    @property
    def _starts_from_noise(self) -> bool:
        """Whether the pipeline begins with noise alone, and takes it ready made."""
        family = self.model.family
        if self.plan.task == "txt2img":
            return not family.depth_channel
        return family.edits or (family.mask_channel and self.strength >= 1)

    def texts(self) -> dict[str, Any]:
        """Prompts that the pipeline reads by itself."""
        plan, count = self.plan, len(self.plan.seeds)
        return {
            "prompt": [row.prompt.text for row in plan.beside] or [plan.prompt.text] * count,
            "negative_prompt": [plan.negative.text] * count,
            "clip_skip": plan.clip_skip,
        }

    def _conditioning(self, plan: DiffusePlan) -> Conditioning | None:
        """What weighted, changing, composed or long prompts mean; None where the pipeline can read them by itself."""
        model = self.model
        prompts = plan.prompt, plan.negative
        if (
            model.family.plain
            and not plan.embeddings
            and not plan.directions
            and not plan.passages
            and not plan.negative_passages
            and all(prompt.plain and model.count_tokens(prompt.text) <= model.window for prompt in prompts)
        ):
            return None
        return self._hearing(plan)

    def _hearing(self, plan: DiffusePlan, directed: bool = True) -> Conditioning:
        """What the prompts mean, whatever they say; without what directions change unless `directed`."""
        model = self.model
        steps = plan.steps if plan.task == "txt2img" else max(1, int(plan.steps * plan.strength))
        regions = [mask if mask is None else _tensor(mask[..., None], model) for mask in self.scene.regions]
        split = len(plan.passages)
        told = voices(plan.prompt, plan.passages, regions[:split])
        plain = voices(plan.negative, plan.negative_passages, regions[split:])
        embedder = model.embedder(plan.clip_skip, plan.embeddings)
        asked = plan.directions if directed else ()
        turns = [turn(one.source, one.target, one.strength, one.keep_layout, embedder) for one in asked]
        return Conditioning(
            told,
            plain,
            embedder,
            directed=Directed(embedder, turns) if turns else None,
            steps=steps,
            count=len(plan.seeds),
            guided=model.family.guided,
        )

    def depth_arguments(self) -> dict[str, Any]:
        """Five-channel models take depth at the latents' size; the pipeline stretches it to its span, so it needs one.

        It is brought to that size here, by area: the pipeline picks single pixels, and misses a small surface.
        """
        assert self.scene.depth is not None
        width, height = (side // self.plan.model.latent_factor for side in self.plan.canvas)
        depth = torch.from_numpy(self.scene.depth)[None, None].to(self.model.device, self.model.dtype)
        depth = F.interpolate(depth, size=(height, width), mode="bilinear", antialias=True)[0]  # (1, h, w)
        if float(depth.max() - depth.min()) < 1e-3:
            # Two corners give a flat map a span, and leave the rest in its middle.
            depth[..., 0, 0] += 0.5
            depth[..., -1, -1] -= 0.5
        width, height = self.plan.canvas
        shape = (len(self.plan.seeds), 3, height, width)
        grey = torch.full(shape, 0.5, dtype=self.model.dtype, device=self.model.device)
        return {"depth_map": depth.repeat(len(self.plan.seeds), 1, 1), "image": grey, "strength": 1.0}

    def start_arguments(self) -> dict[str, Any]:
        """Most pipelines take the start as latents; those that read it with eyes of their own want pixels."""
        if not self.model.family.pixels_first:
            return {"image": self.start, "strength": self.strength}
        assert self.scene.init is not None
        picture = _tensor(self.scene.init, self.model).repeat(len(self.plan.seeds), 1, 1, 1)
        start: dict[str, Any] = {"image": picture}
        if not self.model.family.edits:
            start["strength"] = self.strength
        if self.model.family.mask_channel:
            width, height = self.plan.canvas
            # Such models know no half masks: they see all that may change, and blending does the rest.
            start |= {"mask_image": (self.mask > 0).to(self.mask), "width": width, "height": height}
        return start

    @property
    def strength(self) -> float:
        """As planned, but for one step at least: pipelines round down, and fail where nothing is left."""
        enough = int(self.plan.steps * self.plan.strength) >= 1
        return self.plan.strength if enough else min(1.0, 1.000001 / self.plan.steps)

    @property
    def start(self) -> torch.Tensor:
        """Latents (B, C, h, w) of the picture to start from."""
        assert self.scene.init is not None
        encoded = self.model.encode(_tensor(self.scene.init, self.model) * 2 - 1)
        return encoded.repeat(len(self.plan.seeds), 1, 1, 1)

    @property
    def mask(self) -> torch.Tensor:
        """What is repainted, (1, 1, H, W)."""
        assert self.scene.mask is not None
        return _tensor(self.scene.mask[..., None], self.model)

    def blend(self) -> Callable[[Moment], torch.Tensor | None]:
        """Keeps the original where the mask has not been reached: value m is painted in the last share m of the run."""
        start = self.start
        sources = generators(self.plan.seeds)
        if self.model.family.pixels_first and not self._starts_from_noise:
            # Such a pipeline has drawn once before, to encode the picture.
            randn_tensor(start.shape, generator=sources, device=start.device, dtype=start.dtype)
        noise = randn_tensor(start.shape, generator=sources, device=start.device, dtype=start.dtype)
        mask = F.adaptive_max_pool2d(self.mask, start.shape[-2:])
        first = 1.0 - self.plan.strength

        def keep(moment: Moment) -> torch.Tensor:
            part = first + (1 - first) * moment.done / moment.total
            keeps = mask < (1 - part) if moment.next_timestep is not None else mask <= 0
            if moment.next_timestep is None:
                return torch.where(keeps, start, moment.latents)
            noisy = self.scheduler.add_noise(start, noise, moment.next_timestep[None])
            return torch.where(keeps, noisy.to(moment.latents.dtype), moment.latents)

        return keep

    def glimpse(self, moment: Moment) -> None:
        ask, now = self.context.preview, time.monotonic()
        if ask is None or moment.next_timestep is None or now - self.last_glimpse < ask.interval:
            return
        self.last_glimpse = now
        map_ = self.model.preview_map()
        for index, latents in enumerate(moment.denoised):
            pixels = map_.picture(latents, ask.size)
            self.context.emit(Preview(pixels=pixels, index=index, step=moment.done, step_id=self.plan.step_id))


def _tensor(values: np.ndarray, model: Loaded) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None].to(model.device, model.dtype)


def _decode(
    decode: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor, check: Callable[[], None]
) -> list[np.ndarray]:
    """Latents -> pictures (H, W, 3) float32 0..1, one at a time to bound the memory."""
    pictures = []
    for one in latents:
        check()
        pictures.append(((decode(one[None])[0].float() + 1) / 2).clamp(0, 1).permute(1, 2, 0).cpu().numpy())
    return pictures
