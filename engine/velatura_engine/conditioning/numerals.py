"""Numbers as prompts write them: 1, 1.2, .5, -1; neither words such as nan nor digits of other scripts."""

from __future__ import annotations

import re

MAX_WEIGHT = 100.0
"""What a weight, and a product of nested weights, may be at most; as much below zero."""
_DECIMAL = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)")
_SCIENTIFIC = re.compile(_DECIMAL.pattern + r"(?:[eE][+-]?[0-9]++)?")


def decimal(text: str) -> float | None:
    """The number that the text is, but for space around it; None where it is none. May be infinite if very long."""
    text = text.strip()
    return float(text) if _DECIMAL.fullmatch(text) else None


def scientific(text: str) -> float | None:
    """As `decimal`, or with an exponent."""
    text = text.strip()
    return float(text) if _SCIENTIFIC.fullmatch(text) else None


def weight(text: str) -> float | None:
    """The number that the text is, if it is one within ±100."""
    number = decimal(text)
    return None if number is None or abs(number) > MAX_WEIGHT else number
