"""Models of pipelines that no family knows: what of a painting their own arguments cannot take is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..conditioning.grammar import parse
from ..conditioning.prompt import verbatim
from ..errors import Unsupported
from ..families import Family
from ..models.entry import ModelEntry
from ..models.generic import OWN
from ..request import Diffuse, Sampling
from ..shelf import Part


def led(family: Family, model: ModelEntry) -> Family:
    """The family as it is for this model: one that no family knows does what its own pipeline's arguments allow."""
    if not model.pipeline:
        return family
    start = "edit" if "edit" in model.tasks else "img2img"
    return replace(family, title=model.title, start=start, pipelines=dict.fromkeys(model.tasks, model.pipeline))


def sampler(ask: Sampling, model: ModelEntry, *, field: str) -> Part:
    """The model's own scheduler. Raises Unsupported where another is asked for."""
    for name, value, own in (("sampler", ask.sampler, OWN), ("schedule", ask.schedule, "normal")):
        if value not in (None, own):
            raise Unsupported(
                f"{model.title} is led by {model.pipeline} as it is, with its own scheduler",
                field=f"{field}.{name}", remedy=f"leave it out, or say {own!r}", suggestions=[own],
            )  # fmt: skip
    return Part(id=OWN, title="The model's own", description="The model's own scheduler.", build=_nothing)


def check(ask: Diffuse, model: ModelEntry, task: str, *, field: str) -> None:
    """Raises Unsupported naming the first field that the model's pipeline has no argument for."""
    if not model.pipeline:
        return
    where = next((name for name in _beyond(ask, model, task)), "")
    if where:
        able = ", ".join(model.takes)
        raise Unsupported(
            f"{model.pipeline} of {model.title} has no argument for it", field=f"{field}.{where}",
            remedy=f"leave it out, or choose a model of another family; this one takes: {able}",
        )  # fmt: skip


def _beyond(ask: Diffuse, model: ModelEntry, task: str) -> Iterator[str]:
    """Fields that cannot be heard."""
    given = {
        "negative": ("negative_prompt", bool(ask.negative.strip())),
        "sampling.steps": ("num_inference_steps", ask.sampling.steps is not None),
        "sampling.guidance": ("guidance_scale", ask.sampling.guidance is not None),
        "init.strength": ("strength", ask.strength is not None and task != "edit"),
        "width": ("width", ask.width is not None),
        "height": ("height", ask.height is not None),
    }
    yield from (name for name, (argument, asked) in given.items() if asked and argument not in model.takes)
    asked = {
        "tiling": bool(ask.tiling), "windows": ask.windows is not None, "variation": ask.variation is not None,
        "vae": ask.vae is not None, "vae_tile": bool(ask.vae_tile),
        "adapters": bool(ask.adapters), "references": bool(ask.references),
        "directions": bool(ask.directions), "controls": bool(ask.controls), "depth": ask.depth is not None,
        "prompt": bool(ask.passages) or _more(ask.prompt, ask.prompt_literal),
        "negative": bool(ask.negative_passages) or _more(ask.negative, ask.negative_literal),
        "sampling.clip_skip": ask.sampling.clip_skip is not None, "sampling.eta": ask.sampling.eta is not None,
        "sampling.guidance_rescale": bool(ask.sampling.guidance_rescale),
        "sampling.cache_interval": ask.sampling.cache_interval is not None,
    }  # fmt: skip
    yield from (name for name, there in asked.items() if there)


def _more(text: str, literal: bool) -> bool:
    """Whether a prompt says more than one thing: what changes, is composed, or names adapters."""
    read = verbatim(text, field="") if literal else parse(text, field="")
    return bool(read.switches or read.alternates or len(read.trees) > 1 or read.adapters)


def _nothing() -> None:
    """Stands for what is built on no shelf."""
