"""What leads a painting besides its words: control models that fit, and how their hints are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import Invalid, NotFound, Unsupported
from ..families import Family
from ..models.annotators import WANTED
from ..models.controls import canonical
from ..models.entry import ModelEntry
from ..plan import ControlPlan, Preparation, PreprocessPlan
from ..preprocessors import preprocessor
from ..request import Control, Depth, Diffuse, Preprocess, Source
from .sizes import Size, Sizes, check_depth, size_of

if TYPE_CHECKING:
    from ..models.index import ModelIndex
    from ..shelf import Part


def plan_controls(
    ask: Diffuse, model: ModelEntry, family: Family, task: str, index: ModelIndex, done: Sizes, field: str
) -> tuple[ControlPlan, ...]:
    """Control models and hints of a painting, depth first. Raises Invalid, NotFound or Unsupported."""
    chooser = _Chooser(model, family, task, index)
    found = []
    for number, control in enumerate(ask.controls):
        where = f"{field}.controls[{number}]"
        if control.mask is not None:
            size_of(control.mask, done, f"{where}.mask.image")
        found.append(
            ControlPlan(
                model=chooser.choose(canonical(control.kind), control.model, where),
                kind=control.kind,
                image=_hint(control, ask, index, done, where),
                strength=control.strength,
                start=control.start,
                end=control.end,
                mask=control.mask,
                resize=control.resize,
            )
        )
    depth = ask.depth
    if depth is not None:
        check_depth(depth, done, f"{field}.depth")
    if depth is not None and not family.depth_channel:
        reader = chooser.choose("depth", depth.model, f"{field}.depth")
        strength = 1.0 if depth.strength is None else depth.strength
        found.insert(0, ControlPlan(model=reader, kind="depth", image=depth, strength=strength, start=0.0, end=1.0))
    if family.hint_channel:
        _check_own(found, model, field)
    return tuple(found)


def plan_preprocess(
    ask: Preprocess, index: ModelIndex, done: Sizes, field: str, step_id: str, hidden: bool
) -> PreprocessPlan:
    """What the machine will do. Raises Invalid, NotFound or Unsupported, naming the field."""
    part = preprocessor(ask.preprocessor, field=f"{field}.preprocessor")
    if part.reads == "masked":
        raise Unsupported(
            f"{part.title} is made within a painting that has a mask, not on its own",
            field=f"{field}.preprocessor", remedy="name it in a control of that painting",
        )  # fmt: skip
    preparation, size = _prepare(part, ask.knobs, ask.image, ask.depth, index, done, field)
    return PreprocessPlan(step_id=step_id, hidden=hidden, preparation=preparation, tiling=ask.tiling, outputs=(size,))


def _check_own(found: Sequence[ControlPlan], model: ModelEntry, field: str) -> None:
    """Raises Unsupported where a model that reads a hint by itself is not given just one, whole and at all times."""
    if len(found) != 1:
        kind = model.control_kind or "one kind"
        raise Unsupported(
            f"{model.title} paints over just one hint, of {kind}, got {len(found)}", field=f"{field}.controls",
            remedy="send one control, or choose another model",
        )  # fmt: skip
    only = found[0]
    if only.strength != 1 or only.start > 0 or only.end < 1 or only.mask is not None:
        raise Unsupported(
            f"{model.title} reads its hint by itself: always, everywhere and at full strength",
            field=f"{field}.controls[0]", remedy="leave strength, start, end and mask out, or use a ControlNet",
        )  # fmt: skip


def _hint(control: Control, ask: Diffuse, index: ModelIndex, done: Sizes, field: str) -> Source | Preparation:
    """The hint as it is, or how it is made; what it is made of may be the painting's own picture and depth."""
    if control.preprocessor is None:
        if control.image is None:
            raise Invalid(f"{field}.image", "is missing", remedy="send the hint, or a preprocessor to make it")
        size_of(control.image, done, f"{field}.image")
        return control.image
    part = preprocessor(control.preprocessor, field=f"{field}.preprocessor")
    if part.reads == "masked" and ask.mask is None:
        raise Invalid(
            f"{field}.preprocessor", f"{part.title} reads the painting's mask, and there is none",
            remedy="send init and mask",
        )  # fmt: skip
    image, depth = control.image, control.depth
    if part.reads == "depth":
        depth = depth or ask.depth
    elif image is None:
        image = ask.init
    return _prepare(part, control.knobs, image, depth, index, done, field)[0]


def _prepare(
    part: Part,
    knobs: Mapping[str, object],
    image: Source | None,
    depth: Depth | None,
    index: ModelIndex,
    done: Sizes,
    field: str,
) -> tuple[Preparation, Size]:
    """How a hint is made, and the size of what it is made of."""
    wanted, other, extra = ("depth", "image", image) if part.reads == "depth" else ("image", "depth", depth)
    if extra is not None:
        raise Invalid(f"{field}.{other}", f"{part.title} does not read it", remedy=f"leave it out and send {wanted}")
    annotator = _annotator(part, index, f"{field}.preprocessor")
    source = image if depth is None else depth.image
    if source is None:
        raise Invalid(f"{field}.{wanted}", f"is missing: {part.title} is made of it", remedy="send it too")
    if depth is not None:
        check_depth(depth, done, f"{field}.depth")
    size = size_of(source, done, f"{field}.{wanted}.image" if depth else f"{field}.image")
    checked = part.checked(knobs, field=f"{field}.knobs")
    helper = next(iter(index.annotators(part.helper)), None) if part.helper else None
    return (
        Preparation(
            preprocessor=part.id, knobs=checked, image=image, depth=depth, annotator=annotator, helper=helper
        ),
        size,
    )  # fmt: skip


def _annotator(part: Part, index: ModelIndex, field: str) -> ModelEntry | None:
    """The model that a preprocessor asks. Raises Unsupported where it is missing."""
    if part.available and not part.annotator:
        return None
    found = index.annotators(part.annotator) if part.available else []
    if not found:
        why = part.reason or "no model for it is installed"
        remedy = "send a hint that is ready, or choose another preprocessor"
        if part.annotator:
            remedy = f"put into the annotators folder of the models folder {WANTED[part.annotator]}; or {remedy}"
        raise Unsupported(f"{part.title} cannot be made: {why}", field=field, reason="NO_ANNOTATOR", remedy=remedy)
    return found[0]


class _Chooser:
    """Finds control models that were made for a checkpoint."""

    def __init__(self, model: ModelEntry, family: Family, task: str, index: ModelIndex) -> None:
        self.model, self.family, self.task, self.index = model, family, task, index

    def fits(self, kind: str) -> list[ModelEntry]:
        """Those that read a kind of hint."""
        model = self.model
        return self.index.controls(kind, model.family, model.cross_attention_dim, model.latent_factor, model.rows)

    def choose(self, kind: str, name: str | None, field: str) -> ModelEntry:
        """The one named, else the first that fits. Raises NotFound or Unsupported."""
        if self.family.hint_channel:
            return self._own(kind, name, field)
        fits = self.fits(kind)
        if name is None:
            if not fits:
                raise self._none(kind, field)
            return fits[0]
        entry = self._named(name, f"{field}.model")
        # A file whose name does not tell what it reads is taken at the word of whoever names it.
        if entry.id not in {fit.id for fit in [*fits, *([] if entry.control_kind else self.fits(""))]}:
            raise Unsupported(
                f"{entry.title} was not made for {self.model.title}, or does not read {kind}",
                field=f"{field}.model", reason="WRONG_BASE",
                remedy=f"use one of: {', '.join(fit.id for fit in fits) or 'none installed'}",
            )  # fmt: skip
        return entry

    def _own(self, kind: str, name: str | None, field: str) -> ModelEntry:
        """The model itself, where that reads such hints. Raises Unsupported."""
        model = self.model
        if name in (None, model.id) and kind == (model.control_kind or kind):
            return model
        raise Unsupported(
            f"{model.title} reads its hint by itself, which is {model.control_kind or 'of one kind'}",
            field=field if name in (None, model.id) else f"{field}.model", reason="WRONG_BASE",
            remedy="leave the ControlNet out, send a hint of that kind, or choose another model",
        )  # fmt: skip

    def _named(self, name: str, field: str) -> ModelEntry:
        try:
            return self.index.get(name, kind="t2i", field=field)
        except NotFound:
            return self.index.get(name, kind="controlnet", field=field)

    def _none(self, kind: str, field: str) -> NotFound:
        self.family.pipeline(self.task, True, field=f"{field.partition('.')[0]}.diffuse.model")
        fits = self.fits("*")
        readable = sorted({kind for entry in fits for kind in entry.reads or (entry.control_kind,) if kind})
        there = f"hints that can be read are: {', '.join(readable)}; or " if readable else ""
        trouble = NotFound(
            "kind of hint", kind, field=field, reason="NO_CONTROL_MODEL",
            remedy=f"{there}install a ControlNet for {kind} and this model's family into the models folder",
        )  # fmt: skip
        trouble.suggestions = tuple(readable)
        return trouble
