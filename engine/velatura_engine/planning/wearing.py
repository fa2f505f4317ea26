"""What a painting's model wears: LoRAs and hypernetworks from the list and the prompt's tags, embeddings by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..conditioning.prompt import Prompt
from ..conditioning.tags import naming
from ..errors import Invalid, Unsupported
from ..events import Warning
from ..models.adapters import misfit
from ..models.entry import ADAPTERS, Kind, ModelEntry
from ..plan import AdapterPlan
from ..request import Adapter

if TYPE_CHECKING:
    from ..models.index import ModelIndex

MAX_WORN = 32
"""Adapters of one painting, those of the list and those of the prompt together."""
MAX_FACTOR = 4.0
"""Largest weight either way, for tags as for the list."""

_TAGS: dict[str, Kind] = {"lora": "lora", "hypernet": "hypernetwork"}


@dataclass(frozen=True, slots=True)
class Dresser:
    """Chooses for one painting with `model`; `field` is the painting's."""

    index: ModelIndex
    model: ModelEntry
    field: str

    def worn(self, asked: Iterable[Adapter], prompt: Prompt, others: Iterable[Prompt]) -> tuple[AdapterPlan, ...]:
        """Everything of the list, then of the prompt's tags, in order; `others` are the rest of what is said.

        Raises Invalid, NotFound, Unsupported.
        """
        listed = [self._listed(ask, f"{self.field}.adapters[{number}]") for number, ask in enumerate(asked)]
        for other in others:
            if other.adapters:
                named = other.adapters[0]
                raise Invalid(
                    other.field, f"names {named.kind} {named.name[:80]!r}, and a model wears it for all that is said",
                    remedy="put the tag into the prompt; a negative weight turns it around",
                )  # fmt: skip
        worn = (*listed, *self._tagged(prompt))
        if len(worn) > MAX_WORN:
            raise Invalid(f"{self.field}.adapters", f"are {len(worn)} with the prompt's, {MAX_WORN} at most",
                          remedy="use fewer")  # fmt: skip
        return worn

    def embeddings(self, *prompts: Prompt) -> tuple[tuple[ModelEntry, ...], tuple[Warning, ...]]:
        """Embeddings whose names stand in the prompts, and warnings for those that the model cannot hear."""
        found: list[ModelEntry] = []
        warnings: list[Warning] = []
        for entry in self.index.adapters("embedding"):
            where = next((prompt.field for prompt in prompts if _says(prompt, entry)), None)
            if where is None:
                continue
            why = misfit(entry, self.model)
            if why:
                message = f"the embedding {entry.name} does not fit {self.model.title}: {why}; it is read as words"
                warnings.append(Warning(reason="WRONG_BASE", message=message, field=where))
            else:
                found.append(self.index.named(entry.id, "embedding", field=where))
        return tuple(found), tuple(warnings)

    def _listed(self, ask: Adapter, field: str) -> AdapterPlan:
        kinds: dict[str, Kind] = {entry.id: entry.kind for entry in self.index.entries() if entry.kind in ADAPTERS}
        kind = kinds.get(ask.model, "lora")
        if kind == "embedding":
            raise Invalid(
                f"{field}.model", f"{ask.model!r} is an embedding", remedy="write its name into the prompt instead"
            )
        if kind == "hypernetwork" and ask.block_weights:
            raise Unsupported(
                f"{ask.model!r} is a hypernetwork, which has no blocks", field=f"{field}.block_weights",
                remedy="leave them out",
            )  # fmt: skip
        entry = self._fitting(ask.model, kind, f"{field}.model", forced=ask.force)
        text_weight = ask.weight if ask.text_weight is None else ask.text_weight
        return AdapterPlan(
            model=entry, weight=ask.weight, text_weight=text_weight, block_weights=dict(ask.block_weights),
            force=ask.force, field=f"{field}.model",
        )  # fmt: skip

    def _tagged(self, prompt: Prompt) -> Iterable[AdapterPlan]:
        for tag in prompt.adapters:
            for weight in (tag.unet_weight, tag.text_weight):
                if abs(weight) > MAX_FACTOR:
                    raise Invalid(
                        prompt.field, f"gives {tag.name[:80]!r} the weight {weight:g}",
                        remedy=f"choose one from {-MAX_FACTOR:g} to {MAX_FACTOR:g}",
                    )  # fmt: skip
            entry = self._fitting(tag.name, _TAGS[tag.kind], prompt.field, forced=False)
            # A hypernetwork changes no text encoder: AUTOMATIC1111 takes a tag's first number for it.
            weight = tag.text_weight if tag.kind == "hypernet" else tag.unet_weight
            yield AdapterPlan(
                model=entry, weight=weight, text_weight=tag.text_weight, block_weights={}, force=False,
                field=prompt.field,
            )  # fmt: skip

    def _fitting(self, name: str, kind: Kind, field: str, *, forced: bool) -> ModelEntry:
        entry = self.index.named(name, kind, field=field)
        why = "" if forced else misfit(entry, self.model)
        if why:
            fits = [other.id for other in self.index.adapters(kind) if not misfit(other, self.model)]
            raise Unsupported(
                f"{entry.title} does not fit {self.model.title}: {why}", field=field, reason="WRONG_BASE",
                remedy=f"use one that fits ({', '.join(fits[:8]) or 'none is installed'}), or another model; "
                "listed in adapters it can be forced",
                suggestions=fits[:8],
            )  # fmt: skip
        return entry


def _says(prompt: Prompt, entry: ModelEntry) -> bool:
    return not prompt.literal and naming(entry.words).search(prompt.words) is not None
