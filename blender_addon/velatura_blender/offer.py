"""What the engine offers, asked of its catalog: choices, knobs and words. No bpy here."""

from __future__ import annotations

from collections.abc import Iterable

from .client import catalog_pb2, knobs_pb2

Choice = tuple[str, str, str]
"""Id, title and what it is."""

ADAPTERS = ("lora", "hypernetwork")
MOST = 40  # suggestions shown at once
BREAKS = " ,(){}|[]\n"  # after one of these a new word may begin


def parts(catalog: catalog_pb2.Catalog, shelf: str) -> tuple[catalog_pb2.Part, ...]:
    """What is on a shelf and can be used now; nothing where the engine has no such shelf."""
    return tuple(part for each in catalog.shelves if each.name == shelf for part in each.parts if part.available)


def choices(catalog: catalog_pb2.Catalog, shelf: str) -> tuple[Choice, ...]:
    """The parts of a shelf to choose from."""
    return tuple((part.id, part.title or part.id, part.description) for part in parts(catalog, shelf))


def knobs(catalog: catalog_pb2.Catalog, shelf: str, name: str) -> tuple[knobs_pb2.KnobSpec, ...]:
    """The parameters of a part by its id; none where it is not there."""
    return tuple(knob for part in parts(catalog, shelf) if part.id == name for knob in part.knobs)


def models(catalog: catalog_pb2.Catalog, *kinds: str) -> tuple[Choice, ...]:
    """The installed models of some kinds: id, title, and what it is."""
    return tuple(
        (model.id, model.title or model.id, model.description or f"A model of the family {model.family}")
        for model in catalog.models
        if model.kind in kinds
    )


def terms(catalog: catalog_pb2.Catalog, model: str) -> tuple[str, ...]:
    """What may stand in a prompt for a model ("" is the default): its own words, adapters, embeddings, wildcards."""
    found: list[str] = []
    for known in catalog.models:
        if known.id == model if model else known.is_default:
            found += known.vocabulary
    found += [f"<lora:{name}:1>" for name, _, _ in models(catalog, "lora")]
    found += [name for name, _, _ in models(catalog, "embedding")]
    found += [f"__{name}__" for name, _, _ in choices(catalog, "wildcards")]
    return tuple(dict.fromkeys(found))


def complete(known: Iterable[str], text: str) -> list[str]:
    """Whole texts that `text` may become: its last words completed to what is known, best first.

    What begins as far left as possible comes first, so that "old br" becomes "old bronze" rather than "old brick".
    """
    known = tuple(known)
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter in BREAKS)]
    found: dict[str, None] = {}
    for start in starts:
        begun = text[start:].lower()
        for term in known if begun or start == len(text) else ():
            if term.lower().startswith(begun) and term.lower() != begun:
                found[text[:start] + term] = None
    return list(found)[:MOST]
