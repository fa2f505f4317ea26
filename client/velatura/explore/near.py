"""Names that are like one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> list[str]:
    """The three most alike, best first; none where nothing is alike."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
