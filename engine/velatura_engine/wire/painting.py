"""A Diffuse message from outside, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from velatura.v1 import diffuse_pb2

from ..errors import Invalid
from ..request import Diffuse, Fill, Inpaint, Outpaint, Passage, Sampling, Tiling
from . import latents, series
from .adapters import adapter
from .checks import between, catalog_name, how_many, known, optional, part_of_run, text
from .directions import read_directions
from .hints import control
from .references import read_references
from .sources import MIN_SIDE, Sources, knob
from .views import read_agreement, read_views

_FILLS: dict[int, Fill | None] = {
    diffuse_pb2.FILL_MODE_UNSPECIFIED: None,
    diffuse_pb2.FILL_MODE_ORIGINAL: "original",
    diffuse_pb2.FILL_MODE_SURROUNDINGS: "surroundings",
    diffuse_pb2.FILL_MODE_NEUTRAL: "neutral",
    diffuse_pb2.FILL_MODE_NOISE: "noise",
}

MAX_PASSAGES = 8
"""Spans, and regions, of a prompt: each is one more answer of the denoiser at every step."""


@dataclass(frozen=True, slots=True)
class PaintingReader:
    """Reads paintings; their pictures are read by `sources`."""

    sources: Sources

    def diffuse(self, ask: diffuse_pb2.Diffuse, field: str) -> Diffuse:
        """The painting that a message asks for. Raises Invalid, NotFound or Unsupported, naming the field."""
        prompt = self._prompt(ask.prompt, f"{field}.prompt")
        if not prompt.strip() and not ask.prompt.spans and not ask.prompt.regions and not ask.allow_empty_prompt:
            raise Invalid(f"{field}.prompt", "is empty", remedy="say what to paint, or set allow_empty_prompt")
        if ask.HasField("mask") and not ask.HasField("init"):
            raise Invalid(f"{field}.mask", f"needs {field}.init: there is nothing to repaint", remedy="send init too")
        if ask.HasField("outpaint") and not ask.HasField("init"):
            raise Invalid(f"{field}.outpaint", f"needs {field}.init: there is nothing to grow", remedy="send init too")
        outpaint = _outpaint(ask.outpaint, f"{field}.outpaint", self.sources.limits.max_side)
        bands = {name: latents.band(ask, name, field) for name in ("mend", "keep")}
        if ask.inpaint.ListFields() and not ask.HasField("mask") and not outpaint and not any(bands.values()):
            name = ask.inpaint.ListFields()[0][0].name
            raise Invalid(
                f"{field}.inpaint.{name}", f"is about repainting, and {field}.mask and {field}.outpaint are missing",
                remedy="send a mask, or margins for the canvas, too",
            )  # fmt: skip
        how_many(len(ask.controls), f"{field}.controls", 0, 8)
        how_many(len(ask.adapters), f"{field}.adapters", 0, 32)
        limits = self.sources.limits
        count = series.read_count(ask, field, limits.max_count)
        init = self.sources.source(ask.init.image, f"{field}.init.image") if ask.HasField("init") else None
        return Diffuse(
            prompt=prompt,
            negative=self._prompt(ask.negative, f"{field}.negative"),
            prompt_literal=ask.prompt.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN,
            negative_literal=ask.negative.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN,
            passages=self._passages(ask.prompt, f"{field}.prompt"),
            negative_passages=self._passages(ask.negative, f"{field}.negative"),
            texts=self._texts(
                ask.prompt, f"{field}.prompt", ask.allow_empty_prompt or bool(ask.prompt.spans or ask.prompt.regions)
            ),
            negative_texts=self._texts(ask.negative, f"{field}.negative", True),
            every=limits.max_count if series.wants_every(ask) else 0,
            model=catalog_name(ask.model, f"{field}.model"),
            vae=catalog_name(ask.vae, f"{field}.vae"),
            width=self._side(ask, "width", field),
            height=self._side(ask, "height", field),
            seed=ask.seed if ask.HasField("seed") else None,
            count=count,
            sampling=self._sampling(ask.sampling, f"{field}.sampling"),
            init=init,
            strength=optional(ask.init, "strength", f"{field}.init.strength", 0, 1),
            invert=ask.init.invert,
            mask=self.sources.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
            inpaint=_inpaint(ask.inpaint, f"{field}.inpaint"),
            outpaint=outpaint,
            depth=self.sources.depth(ask.depth, f"{field}.depth") if ask.HasField("depth") else None,
            controls=tuple(control(c, self.sources, f"{field}.controls[{n}]") for n, c in enumerate(ask.controls)),
            adapters=tuple(adapter(a, f"{field}.adapters[{n}]") for n, a in enumerate(ask.adapters)),
            references=read_references(ask.references, self.sources, f"{field}.references"),
            directions=read_directions(ask.directions, f"{field}.directions", limits.max_prompt_bytes),
            tiling=replace(_tiling(ask.tiling, f"{field}.tiling"), **bands),
            variation=latents.variation(ask, field),
            windows=latents.windows(ask, field),
            views=read_views(ask, self.sources, field),
            agreement=read_agreement(ask.agreement, f"{field}.agreement"),
            vae_tile=latents.vae_tile(ask, field),
        )

    def _side(self, ask: diffuse_pb2.Diffuse, name: str, field: str) -> int | None:
        value = optional(ask, name, f"{field}.{name}", MIN_SIDE, min(8192, self.sources.limits.max_side))
        return None if value is None else int(value)

    def _prompt(self, message: diffuse_pb2.Prompt, field: str) -> str:
        known(f"{field}.syntax", message.syntax, diffuse_pb2.PromptSyntax)
        return text(message.text, f"{field}.text", self.sources.limits.max_prompt_bytes)

    def _passages(self, message: diffuse_pb2.Prompt, field: str) -> tuple[Passage, ...]:
        """Spans, then regions."""
        literal = message.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN
        how_many(len(message.spans), f"{field}.spans", 0, MAX_PASSAGES)
        how_many(len(message.regions), f"{field}.regions", 0, MAX_PASSAGES)
        passages = []
        for number, span in enumerate(message.spans):
            where = f"{field}.spans[{number}]"
            start, end = part_of_run(span, where)
            passages.append(Passage(**self._said(span, where), literal=literal, start=start, end=end))
        for number, region in enumerate(message.regions):
            where = f"{field}.regions[{number}]"
            if not region.HasField("mask"):
                raise Invalid(f"{where}.mask", "is missing", remedy="say where the text holds, or put it into text")
            mask = self.sources.mask(region.mask, f"{where}.mask")
            passages.append(Passage(**self._said(region, where), literal=literal, mask=mask))
        return tuple(passages)

    def _said(self, message: diffuse_pb2.PromptSpan | diffuse_pb2.PromptRegion, field: str) -> dict[str, Any]:
        said = text(message.text, f"{field}.text", self.sources.limits.max_prompt_bytes)
        if not said.strip():
            raise Invalid(f"{field}.text", "is empty", remedy="say what holds there, or leave the entry out")
        weight = optional(message, "weight", f"{field}.weight", 0.01, 10)
        texts = self._texts(message, field, False)
        return {"text": said, "texts": texts, "weight": 1.0 if weight is None else weight}

    def _texts(self, message: series.Said, field: str, empty: bool) -> tuple[str, ...]:
        return series.read_texts(message, field, self.sources.limits.max_prompt_bytes, empty=empty)

    def _sampling(self, ask: diffuse_pb2.Sampling, field: str) -> Sampling:
        steps = optional(ask, "steps", f"{field}.steps", 1, self.sources.limits.max_steps)
        skip = optional(ask, "clip_skip", f"{field}.clip_skip", 0, 11)
        interval = optional(ask, "cache_interval", f"{field}.cache_interval", 1, 10)
        return Sampling(
            sampler=catalog_name(ask.sampler, f"{field}.sampler"),
            schedule=catalog_name(ask.schedule, f"{field}.schedule"),
            steps=None if steps is None else int(steps),
            guidance=optional(ask, "guidance", f"{field}.guidance", 0, 100),
            guidance_rescale=optional(ask, "guidance_rescale", f"{field}.guidance_rescale", 0, 1) or 0.0,
            image_guidance=optional(ask, "image_guidance", f"{field}.image_guidance", 1, 100),
            eta=optional(ask, "eta", f"{field}.eta", 0, 1),
            clip_skip=None if skip is None else int(skip),
            cache_interval=None if interval is None else int(interval),
            knobs={key: knob(key, value, f"{field}.knobs") for key, value in ask.knobs.items()},
        )


def _inpaint(ask: diffuse_pb2.InpaintSettings, field: str) -> Inpaint:
    known(f"{field}.fill", ask.fill, diffuse_pb2.FillMode)
    grow = optional(ask, "grow", f"{field}.grow", 0, 1024) or 0
    feather = optional(ask, "feather", f"{field}.feather", 0, 1024) or 0
    context = optional(ask, "context", f"{field}.context", 0, 8192)
    known(f"{field}.result", ask.result, diffuse_pb2.InpaintResult)
    return Inpaint(
        fill=_FILLS[ask.fill], grow=int(grow), feather=int(feather),
        context=None if context is None else int(context),
        color_match=ask.color_match if ask.HasField("color_match") else None,
        layer=ask.result == diffuse_pb2.INPAINT_RESULT_LAYER,
    )  # fmt: skip


def _outpaint(ask: diffuse_pb2.Outpaint, field: str, max_side: int) -> Outpaint:
    most = min(8192, max_side)
    sides = ("left", "top", "right", "bottom")
    return Outpaint(**{side: int(between(getattr(ask, side), f"{field}.{side}", 0, most)) for side in sides})


def _tiling(ask: diffuse_pb2.Tiling, field: str) -> Tiling:
    start = optional(ask, "start", f"{field}.start", 0, 1) or 0.0
    end = optional(ask, "end", f"{field}.end", 0, 1)
    end = 1.0 if end is None else end
    if start > end:
        raise Invalid(f"{field}.start", f"{start:g} is not before {field}.end {end:g}", remedy="swap them")
    return Tiling(x=ask.x, y=ask.y, start=start, end=end)
