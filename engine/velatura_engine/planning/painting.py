"""One painting: what was asked, with every gap filled from the model, the sampler and the pictures at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..conditioning.grammar import parse
from ..conditioning.prompt import Prompt, verbatim
from ..errors import Invalid, Unsupported
from ..families import family
from ..models.entry import ModelEntry
from ..pixels.picture import Picture, as_single
from ..plan import DiffusePlan, PassagePlan
from ..request import Diffuse, Inpaint, Passage, Tiling
from ..samplers import sampler
from . import latents, pairing, strange
from .controls import plan_controls
from .directions import plan_directions
from .frame import Frame, Rules, frame, grown, unsettled
from .references import plan_references
from .sizes import Size, Sizes, size_of
from .wearing import Dresser

if TYPE_CHECKING:
    from ..models.index import ModelIndex
    from ..shelf import Part

HEARD = 1.5
"""Guidance at which a negative prompt is heard by a model whose own guidance is none, having learned it."""


class Painting:
    """Fills the gaps of one Diffuse."""

    def __init__(self, ask: Diffuse, index: ModelIndex, done: Sizes, field: str, max_pixels: int | None = None) -> None:
        self.ask, self.index, self.done, self.field = latents.mended(ask, done, field), index, done, field
        self.max_pixels = max_pixels
        where = f"{field}.model"
        self.model = index.get(ask.model, field=where) if ask.model else index.default(field=where)
        self.family = strange.led(family(self.model.family), self.model)

    def plan(self, step_id: str, hidden: bool, draw_seed: Callable[[], int]) -> DiffusePlan:
        """What the machine will do. Raises Invalid, NotFound or Unsupported, naming the field."""
        ask, model = self.ask, self.model
        size = self._size()
        repaints = ask.mask is not None or bool(ask.outpaint)
        task = "inpaint" if repaints else self.family.start if ask.init is not None else "txt2img"
        part_of = self._frame(size) if repaints else None
        native_depth = self.family.depth_channel
        controls = plan_controls(ask, model, self.family, task, self.index, self.done, self.field)
        controlled = any(control.model.kind == "controlnet" for control in controls)
        pairing.check(ask, model, self.family, task, controlled=controlled, field=self.field)
        strange.check(ask, model, task, field=self.field)
        sampling = ask.sampling
        steps = sampling.steps or model.steps
        part, schedule = self._sampler()
        canvas = part_of.canvas if part_of else self._canvas(size)
        pairing.check_side(canvas, model, field=self.field)
        prompt = _words(ask.prompt, ask.prompt_literal, steps, f"{self.field}.prompt")
        negative = _words(ask.negative, ask.negative_literal, steps, f"{self.field}.negative")
        dresser = Dresser(self.index, model, self.field)
        passages = self._passages(ask.passages, steps, f"{self.field}.prompt")
        negative_passages = self._passages(ask.negative_passages, steps, f"{self.field}.negative")
        pairing.check_words(model, (prompt, negative, *(one.prompt for one in (*passages, *negative_passages))))
        others = [negative, *(passage.prompt for passage in (*passages, *negative_passages))]
        embeddings, warnings = dresser.embeddings(prompt, *others)
        first = draw_seed() if ask.seed is None else ask.seed
        return DiffusePlan(
            step_id=step_id,
            hidden=hidden,
            prompt=prompt,
            negative=negative,
            passages=passages,
            negative_passages=negative_passages,
            model=model,
            vae=self._vae(),
            task=task,
            size=size,
            canvas=canvas,
            seeds=tuple((first + number) % 2**64 for number in range(ask.count)),
            sampler=part.id,
            schedule=schedule,
            steps=steps,
            guidance=self._guidance(),
            guidance_rescale=sampling.guidance_rescale,
            image_guidance=model.image_guidance if sampling.image_guidance is None else sampling.image_guidance,
            eta=sampling.eta,
            clip_skip=sampling.clip_skip,
            cache_interval=self._cache(part),
            knobs=self._knobs(part),
            init=ask.init,
            strength=self._strength(task),
            invert=ask.invert,
            mask=ask.mask,
            inpaint=self._inpaint(task),
            depth=ask.depth if native_depth else None,
            controls=controls,
            adapters=dresser.worn(ask.adapters, prompt, others),
            embeddings=embeddings,
            tiling=ask.tiling,
            frame=part_of,
            references=plan_references(
                ask.references, model, self.family, self.index, self.done, size, f"{self.field}.references"
            ),
            directions=plan_directions(ask.directions, self.family, f"{self.field}.directions"),
            warnings=warnings,
            variation=latents.plan_variation(ask.variation, canvas, ask.count, draw_seed),
            windows=latents.plan_windows(ask, model, self.field),
            vae_tile=latents.plan_vae_tile(ask.vae_tile, canvas, model),
        )

    def _guidance(self) -> float:
        """Asked for, else the model's own; but where that is none, as much as a negative prompt needs to be heard."""
        asked = self.ask.sampling.guidance
        if asked is not None:
            return asked
        if not self.model.negative:
            return self.model.guidance
        said = self.ask.negative.strip() or any(passage.text.strip() for passage in self.ask.negative_passages)
        return max(self.model.guidance, HEARD) if said else self.model.guidance

    def _passages(self, asks: Sequence[Passage], steps: int, field: str) -> tuple[PassagePlan, ...]:
        """Texts for parts of the run or the picture, in the order that they are sent in: spans, then regions."""
        for ask in asks:
            if ask.mask is not None:
                size_of(ask.mask, self.done, f"{field}.regions")
        return tuple(
            PassagePlan(
                prompt=_words(ask.text, ask.literal, steps, field),
                start=ask.start,
                end=ask.end,
                weight=ask.weight,
                mask=ask.mask,
            )
            for ask in asks
        )

    def _vae(self) -> ModelEntry | None:
        """The VAE to wear instead of the model's own. Raises Unsupported for one whose latents are others."""
        if self.ask.vae is None:
            return None
        field, model = f"{self.field}.vae", self.model
        vae = self.index.get(self.ask.vae, kind="vae", field=field)
        pairing.check_vae(vae, model, field=field)
        return vae

    def _size(self) -> Size:
        """Asked for, else the init's, the depth's, the model's own."""
        ask = self.ask
        for source, name in ((ask.init, "init.image"), (ask.depth and ask.depth.image, "depth.image")):
            if source is not None:
                given = size_of(source, self.done, f"{self.field}.{name}")
                break
        else:
            given = (self.model.native_size, self.model.native_size)
        size = (ask.width or given[0], ask.height or given[1])
        if ask.init is not None and (ask.mask is not None or ask.outpaint):
            whole = grown(given, ask.outpaint)
            self._check_repainted(given, whole)
            return whole
        return size

    def _check_repainted(self, init: Size, whole: Size) -> None:
        """Raises Invalid where the mask is not as large as the init, or another size is asked than comes out."""
        ask = self.ask
        if ask.mask is not None:
            mask = size_of(ask.mask, self.done, f"{self.field}.mask.image")
            if mask != init:
                raise Invalid(
                    f"{self.field}.mask",
                    f"is {mask[0]} x {mask[1]} pixels, the init picture {init[0]} x {init[1]}",
                    remedy="send a mask of the same size as the init picture",
                )
        if (ask.width or whole[0], ask.height or whole[1]) != whole:
            raise Invalid(
                f"{self.field}.width",
                f"{self.field}.outpaint makes it {whole[0]} x {whole[1]}"
                if ask.outpaint
                else "repainting keeps the picture's size",
                remedy="leave width and height out, or resize init and mask before",
            )

    def _frame(self, whole: Size) -> Frame:
        """Which part is painted; that of a mask still to be made is found when it is there."""
        ask, model = self.ask, self.model
        margins = ask.outpaint
        init = whole[0] - margins.left - margins.right, whole[1] - margins.top - margins.bottom
        if ask.tiling:
            self._canvas(whole)
        pixels = None if self.max_pixels is None else self.max_pixels // ask.count
        rules = Rules(multiple=model.size_multiple, native=model.native_size, pixels=pixels, wrap=_axes(ask.tiling))
        if ask.mask is not None and not isinstance(ask.mask, Picture):
            return unsettled(init, margins, ask.inpaint, rules)
        mask = None if ask.mask is None else as_single(ask.mask)
        return frame(init, mask, margins, ask.inpaint, rules)

    def _canvas(self, size: Size) -> Size:
        """The model's multiple that holds the picture; with tiling only exact multiples can meet."""
        multiple = self.model.size_multiple
        canvas = tuple(-(-side // multiple) * multiple for side in size)
        for side, asked, whole, tiled in zip(("width", "height"), size, canvas, _axes(self.ask.tiling), strict=True):
            if tiled and asked != whole:
                below = asked // multiple * multiple
                choice = f"{below} or {whole}" if below else f"{whole}"
                raise Invalid(
                    f"{self.field}.{side}",
                    f"{asked} pixels cannot tile: {self.model.title} needs a multiple of {multiple}",
                    remedy=f"ask for {choice}",
                )
        return canvas  # type: ignore[return-value]

    def _sampler(self) -> tuple[Part, str]:
        """The sampler and the name of its schedule, from the shelf."""
        ask, field = self.ask.sampling, f"{self.field}.sampling"
        if self.model.pipeline:
            return strange.sampler(ask, self.model, field=field), "normal"
        part = sampler(ask.sampler or self.model.sampler, field=f"{field}.sampler")
        pairing.check_sampler(part, self.model, field=f"{field}.sampler")
        own = self.model.schedule if self.model.schedule in part.schedules else part.schedules[0]
        schedule = ask.schedule or own
        if schedule not in part.schedules:
            raise Unsupported(
                f"{part.title} does not know the schedule {schedule!r}",
                field=f"{field}.schedule",
                remedy=f"choose one of: {', '.join(part.schedules)}",
            )
        if part.alone and self.ask.count > 1:
            raise Unsupported(
                f"{part.title} chooses its steps for one picture, and cannot paint {self.ask.count} at once",
                field=f"{self.field}.count",
                remedy="ask for one picture at a time, or choose another sampler",
            )
        return part, schedule

    def _cache(self, part: Part) -> int:
        """In every so many steps coarse rows are computed; always where a sampler chooses its steps by what is said, or
        works out a step from several answers."""
        whole = part.alone or part.looks > 1
        asked, own = self.ask.sampling.cache_interval, 1 if whole else self.model.cache_interval
        return own if asked is None else asked

    def _knobs(self, part: Part) -> Mapping[str, object]:
        """Of the sampler; the share of fresh noise may be said in either of two places."""
        sampling, field = self.ask.sampling, f"{self.field}.sampling"
        asked = dict(sampling.knobs)
        known = any(knob.name == "eta" for knob in part.knobs)
        if known and sampling.eta is not None and asked.setdefault("eta", sampling.eta) != sampling.eta:
            raise Invalid(
                f"{field}.eta", f"is {sampling.eta:g}, and {field}.knobs says {asked['eta']}",
                remedy="leave one of them out",
            )  # fmt: skip
        return part.checked(asked, field=f"{field}.knobs")

    def _strength(self, task: str) -> float:
        if task == "txt2img" or self.family.edits:
            return 1.0
        default = 1.0 if task == "inpaint" else 0.75
        return default if self.ask.strength is None else self.ask.strength

    def _inpaint(self, task: str) -> Inpaint:
        if task != "inpaint":
            return self.ask.inpaint
        anew = self._strength(task) >= 1 and not self.family.edits
        fill = self.ask.inpaint.fill or ("surroundings" if anew else "original")
        match = self.ask.inpaint.color_match
        return replace(self.ask.inpaint, fill=fill, color_match=bool(self.ask.outpaint) if match is None else match)


def _words(text: str, literal: bool, steps: int, field: str) -> Prompt:
    """A prompt, read. Raises Invalid where it says too much for so many steps."""
    if literal:
        return verbatim(text, field=field)
    prompt = parse(text, field=field)
    prompt.schedule(steps)
    return prompt


def _axes(tiling: Tiling) -> tuple[bool, bool]:
    return tiling.x, tiling.y
