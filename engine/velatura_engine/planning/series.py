"""What each picture of a painting says: where its prompt has choices, every picture gets its own.

Pictures that say different things are painted each by itself, as if they had been asked for alone: so each can be
painted again alone, to the bit, from a recipe that holds no choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Invalid
from ..plan import DiffusePlan, SeriesPlan
from ..request import Diffuse, Passage
from ..wildcards import marks
from ..wildcards.drawing import Drawing
from .painting import Painting
from .sizes import Sizes

if TYPE_CHECKING:
    from ..models.index import ModelIndex


def plan(
    ask: Diffuse,
    index: ModelIndex,
    done: Sizes,
    field: str,
    step_id: str,
    hidden: bool,
    draw_seed: Callable[[], int],
    max_pixels: int | None = None,
) -> DiffusePlan | SeriesPlan:
    """One painting where all its pictures say the same, else one for each. Raises Invalid, NotFound or Unsupported."""
    first = draw_seed() if ask.seed is None else ask.seed
    texts = _texts(ask, index, field, first)
    if texts is None:
        count = ask.count or 1
        alone = replace(_saying(ask, [text for text, *_ in _places(ask, field)]), seed=first, count=count)
        return Painting(alone, index, done, field, max_pixels).plan(step_id, hidden, draw_seed)
    if ask.variation is not None and ask.variation.subseed is None:
        ask = replace(ask, variation=replace(ask.variation, subseed=draw_seed()))
    parts = tuple(
        Painting(_alone(_saying(ask, said), first, number), index, done, field, max_pixels).plan(
            step_id, hidden, draw_seed
        )
        for number, said in enumerate(texts)
    )
    return SeriesPlan(step_id=step_id, hidden=hidden, parts=parts, texts=texts)


def settled(ask: Diffuse, index: ModelIndex, field: str, first: int) -> Diffuse:
    """The same painting without choices: what seed `first` draws. Raises Invalid or NotFound."""
    texts = _texts(replace(ask, count=1, every=0), index, field, first)
    said = [text for text, *_ in _places(ask, field)] if texts is None else texts[0]
    return replace(_saying(ask, said), texts=(), negative_texts=())


def _alone(ask: Diffuse, first: int, number: int) -> Diffuse:
    """The picture of that number alone: seeds count on from the first's."""
    variation = ask.variation
    if variation is not None and variation.subseed is not None:
        variation = replace(variation, subseed=(variation.subseed + number) % 2**64)
    return replace(ask, seed=(first + number) % 2**64, count=1, variation=variation)


def _texts(ask: Diffuse, index: ModelIndex, field: str, first: int) -> tuple[tuple[str, ...], ...] | None:
    """What each picture says, as in `SeriesPlan.texts`; None where no choice is asked for and none was given."""
    sources = [_source(*place, index) for place in _places(ask, field)]
    if all(isinstance(source, str) for source in sources):
        return None
    prompts, *others = sources
    if ask.every and isinstance(prompts, Drawing):
        said = prompts.every((ask.count or ask.every) + 1)
        if not ask.count and len(said) > ask.every:
            raise Invalid(
                f"{field}.prompt.draw", f"the prompt stands for more than {ask.every} others",
                remedy="say with count how many of them to paint, or give it fewer choices",
            )  # fmt: skip
        said = said[: ask.count or ask.every]
        seeds = [(first + number) % 2**64 for number in range(len(said))]
    else:
        seeds = [(first + number) % 2**64 for number in range(ask.count or 1)]
        said = _each(prompts, seeds)
    return tuple(zip(said, *(_each(source, seeds) for source in others), strict=True))


def _places(ask: Diffuse, field: str) -> list[tuple[str, tuple[str, ...], bool, str, str]]:
    """All that is said: its text, its texts for each picture, whether it is literal, its field, and the name of its
    dice. Passages have dice of their own, so that two alike may say different things; prompt and negative share some.
    """
    found = [
        (ask.prompt, ask.texts, ask.prompt_literal, f"{field}.prompt", ""),
        (ask.negative, ask.negative_texts, ask.negative_literal, f"{field}.negative", ""),
    ]
    for name, passages in (("prompt", ask.passages), ("negative", ask.negative_passages)):
        spans = sum(passage.mask is None for passage in passages)
        for number, passage in enumerate(passages):
            kind, place = ("spans", number) if number < spans else ("regions", number - spans)
            where = f"{name}.{kind}[{place}]"
            found.append((passage.text, passage.texts, passage.literal, f"{field}.{where}.text", where))
    return found


def _source(
    text: str, texts: tuple[str, ...], literal: bool, field: str, dice: str, index: ModelIndex
) -> str | tuple[str, ...] | Drawing:
    """A text that all pictures have, one for each, or what they are to be drawn from."""
    if texts:
        return texts
    if not literal and marks.has_choices(text, field=field):
        return Drawing(text, index.wildcards, field, dice)
    return text


def _each(source: str | tuple[str, ...] | Drawing, seeds: list[int]) -> list[str]:
    if isinstance(source, Drawing):
        return [source.one(seed) for seed in seeds]
    return [source] * len(seeds) if isinstance(source, str) else list(source)


def _saying(ask: Diffuse, said: Sequence[str]) -> Diffuse:
    """The same painting of these words, their backslashes before braces and underscores taken as what they mean."""
    prompt, negative, *passages = said
    own = len(ask.passages)
    return replace(
        ask,
        prompt=_meant(prompt, ask.prompt_literal),
        negative=_meant(negative, ask.negative_literal),
        passages=_passages(ask.passages, passages[:own]),
        negative_passages=_passages(ask.negative_passages, passages[own:]),
    )


def _passages(passages: Sequence[Passage], said: Sequence[str]) -> tuple[Passage, ...]:
    return tuple(
        replace(passage, text=_meant(text, passage.literal), texts=())
        for passage, text in zip(passages, said, strict=True)
    )


def _meant(text: str, literal: bool) -> str:
    return text if literal else marks.plain(text)
