"""What is said of a painting: its prompts with what holds in places or for a time, and what of them is not heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ..conditioning.prompt import Prompt
from ..conditioning.voices import Voice
from ..events import Warning
from ..plan import DiffusePlan, PassagePlan
from ..runtime.models import Loaded


def voices(prompt: Prompt, passages: Sequence[PassagePlan], regions: Sequence[torch.Tensor | None]) -> list[Voice]:
    """The whole picture's prompt, and after it what holds in places or for a time."""
    asides = zip(passages, regions, strict=True)
    return [Voice(prompt=prompt)] + [
        Voice(prompt=passage.prompt, start=passage.start, end=passage.end, weight=passage.weight, mask=mask)
        for passage, mask in asides
    ]


def untold(plan: DiffusePlan, model: Loaded) -> Iterator[Warning]:
    """What of the prompts the model cannot hear: words it never learned, and unguided ones."""
    said = plan.negative.text or plan.negative_passages
    if said and not plan.model.negative:
        heard = f"{plan.model.title} has its guidance within, and hears no negative prompt"
        yield Warning(reason="NEGATIVE_UNHEARD", field="negative", message=heard)
    elif said and plan.guidance <= 1:
        heard = f"at a guidance of {plan.guidance:g} a negative prompt is not heard; for that it must be above 1"
        yield Warning(reason="NEGATIVE_UNHEARD", field="negative", message=heard)
    phrases = [phrase for one in plan.directions for phrase in (*one.source, *one.target)]
    passages = [passage.prompt for passage in plan.passages]
    said = " ".join(prompt.words for prompt in (plan.prompt, *passages, *phrases))
    # What it wears may have taught it words; nobody knows which.
    learned = plan.adapters or plan.embeddings
    unknown = model.unknown_words(said) if plan.model.vocabulary and not learned else []
    if unknown:
        words = ", ".join(map(repr, unknown))
        yield Warning(
            reason="UNKNOWN_WORDS",
            field="prompt",
            message=f"{plan.model.title} does not know {words} and paints the nearest it knows; "
            "for other subjects install a full model",
        )
