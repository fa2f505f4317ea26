"""Tags in prompts that name networks: <lora:name:0.7>, <lyco:...>, <hypernet:...>, as AUTOMATIC1111 reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from ..errors import Invalid
from .numerals import weight
from .prompt import Adapter

_KINDS: dict[str, Literal["lora", "hypernet"]] = {"lora": "lora", "lyco": "lora", "hypernet": "hypernet"}
# An escape is passed over with what it escapes. A name cannot hold < or >, so that no part is looked at twice.
_TAG = re.compile(r"\\.|<(lora|lyco|hypernet):([^<>]*+)>", re.IGNORECASE | re.DOTALL)


def take_out(text: str, *, field: str) -> tuple[str, tuple[Adapter, ...]]:
    """The text without its tags, and what they name, in order. Tags that are not known stay text.

    Raises Invalid where a known tag has no name, or a weight that is not a number within ±100.
    """
    found: list[Adapter] = []

    def remember(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        found.append(_adapter(match[0], match[1], match[2], field))
        return ""

    return _TAG.sub(remember, text), tuple(found)


def naming(words: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the words where it stands alone, in any case; the longest first."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in longest), re.IGNORECASE)


def _adapter(tag: str, kind: str, inside: str, field: str) -> Adapter:
    """`name[:text[:unet]]`, where `te=` and `unet=` may name the weights. Without its own, the U-Net takes the text
    encoder's weight.
    """
    name, *rest = (part.strip() for part in inside.split(":"))
    if not name:
        raise Invalid(field, f"{tag[:80]!r} has no name", remedy=f"write <{kind}:name:0.7>")
    places = iter(("te", "unet"))
    by_place: dict[str, float] = {}
    by_name: dict[str, float] = {}
    for part in rest:
        before, named, after = part.partition("=")
        key = before.strip().lower() if named else next(places, "")
        number = weight(after if named else part)
        if key not in ("te", "unet") or number is None:
            raise Invalid(
                field,
                f"{part[:80]!r} is no weight in {tag[:80]!r}",
                remedy=f"write <{kind}:name:0.7> or <{kind}:name:te=0.5:unet=1>, with numbers from -100 to 100",
            )
        (by_name if named else by_place)[key] = number
    weights = by_place | by_name
    text_weight = weights.get("te", 1.0)
    unet_weight = weights.get("unet", text_weight)
    return Adapter(kind=_KINDS[kind.lower()], name=name, text_weight=text_weight, unet_weight=unet_weight)
