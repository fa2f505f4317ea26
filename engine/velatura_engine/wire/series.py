"""Paintings whose pictures say different things, as they travel: read from a job, and written into jobs and recipes."""

from __future__ import annotations

from velatura.v1 import catalog_pb2, diffuse_pb2, jobs_pb2

from .. import events
from ..errors import Invalid
from ..plan import Plan, SeriesPlan
from ..wildcards.folder import FOLDER, Wildcards
from .checks import between, given, known, text

MAX_SHOWN = 2000
"""Wildcards that the catalog names."""

Said = diffuse_pb2.Prompt | diffuse_pb2.PromptSpan | diffuse_pb2.PromptRegion
"""What has a text, and may have one for each picture."""


def places(ask: diffuse_pb2.Diffuse) -> list[tuple[str, Said]]:
    """All that is said, by the names of the fields, in the order of `SeriesPlan.texts`."""
    found: list[tuple[str, Said]] = [("prompt", ask.prompt), ("negative", ask.negative)]
    for name, prompt in (("prompt", ask.prompt), ("negative", ask.negative)):
        found += [(f"{name}.spans[{number}]", span) for number, span in enumerate(prompt.spans)]
        found += [(f"{name}.regions[{number}]", region) for number, region in enumerate(prompt.regions)]
    return found


def read_count(ask: diffuse_pb2.Diffuse, field: str, most: int) -> int:
    """How many pictures are asked for, at most `most`; 0 for as many as the prompt stands for. Raises Invalid."""
    for name in ("prompt", "negative"):
        known(f"{field}.{name}.draw", getattr(ask, name).draw, diffuse_pb2.PromptDraw)
    if ask.negative.draw == diffuse_pb2.PROMPT_DRAW_EVERY:
        why = "a negative prompt is drawn at random only"
        raise Invalid(f"{field}.negative.draw", why, remedy="leave it out, or write one negative prompt")
    given_texts = [(name, said.texts) for name, said in places(ask) if said.texts]
    default = len(given_texts[0][1]) if given_texts else 1
    count = int(between(given(ask, "count", default), f"{field}.count", 1, most))
    for name, texts in given_texts:
        if len(texts) != count:
            why = f"has {len(texts)} texts for {count} pictures"
            raise Invalid(f"{field}.{name}.texts", why, remedy="send one for each picture")
    return 0 if wants_every(ask) and not ask.HasField("count") else count


def wants_every(ask: diffuse_pb2.Diffuse) -> bool:
    """Whether each picture is to have another of the prompts that the prompt stands for."""
    return ask.prompt.draw == diffuse_pb2.PROMPT_DRAW_EVERY and not ask.prompt.texts


def read_texts(message: Said, field: str, limit: int, *, empty: bool) -> tuple[str, ...]:
    """The texts of each picture. Raises Invalid, naming the one."""
    found = tuple(text(one, f"{field}.texts[{number}]", limit) for number, one in enumerate(message.texts))
    for number, one in enumerate(found):
        if not empty and not one.strip():
            raise Invalid(f"{field}.texts[{number}]", "is empty", remedy="say what to paint")
    return found


def resolve(message: diffuse_pb2.Diffuse, plan: SeriesPlan) -> None:
    """Write down what was drawn: the texts of every picture, or of the only one."""
    message.count = len(plan.texts)
    for place, (name, said) in enumerate(places(message)):
        texts = [each[place] for each in plan.texts]
        if place and not any(texts):
            continue
        said.text = texts[0]
        said.ClearField("texts")
        # The prompt's are always given: that pictures are painted one by one shows in their last bits.
        if len(texts) > 1 and (name == "prompt" or len(set(texts)) > 1):
            said.texts.extend(texts)
    message.prompt.ClearField("draw")
    if message.HasField("negative"):
        message.negative.ClearField("draw")


def narrow(recipe: jobs_pb2.Recipe, plan: Plan, made: events.Artifact) -> None:
    """Leave in a recipe what concerns its own picture: what that says and, where nothing else needs the others, no
    other picture."""
    for message, step in zip(recipe.spec.steps, plan.steps, strict=True):
        if not isinstance(step, SeriesPlan) or step.step_id != made.step_id:
            continue
        task, alone = message.diffuse, len(plan.steps) == 1
        for place, (_, said) in enumerate(places(task)):
            if said.texts:
                said.text = step.texts[made.index][place]
                if alone:
                    said.ClearField("texts")
        if alone:
            task.seed, task.count, recipe.index = made.seed, 1, 0


def shelf(wildcards: Wildcards) -> catalog_pb2.Shelf:
    """The wildcards that prompts may call."""
    return catalog_pb2.Shelf(
        name="wildcards",
        parts=[
            catalog_pb2.Part(
                id=name, title=f"__{name}__", description=f"A line of {FOLDER}/{name}.txt.", available=True
            )
            for name in wildcards.names()[:MAX_SHOWN]
        ],
    )
