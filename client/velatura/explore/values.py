"""The values of an axis, as an artist writes them: `euler, ddim`, `1..4`, `5..50+5`, `0.2..0.8[4]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from ..errors import Invalid

MAX_VALUES = 512
"""Values of one axis."""
MAX_CHARACTERS = 65_536
"""Of what an artist writes for one axis."""

_NUMBER = r"-?(?:[0-9]{1,20}(?:\.[0-9]{1,20})?|\.[0-9]{1,20})"
_RANGE = re.compile(
    rf"({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(?:([+-])\s*([0-9]*\.?[0-9]+)|\[\s*([0-9]{{1,9}})\s*\])?", re.ASCII
)
_REMEDY = "Write values with commas between them, or a range: 1..4, 5..50+5 (in fives), 0.2..0.8[4] (four of them)."


def values(words: str, *, field: str = "axis") -> list[str]:
    """The single values in `words`, in order; ranges among them are written out.

    Commas divide; a value in double quotes may hold commas (and `""` for a quote), and is never a range. `1..4` counts
    by one, `5..50+5` by five (and stops before what would be too far), `4..1` and `9..1-2` count down, and
    `0.2..0.8[4]` is four values at even distances, both ends among them. Numbers are exact: 0.1 is 0.1. Raises Invalid
    naming `field`, where nothing is there, a range leads nowhere, or there are too many.
    """
    if len(words) > MAX_CHARACTERS:
        raise Invalid(f"has {len(words)} characters, {MAX_CHARACTERS} at most", field=field, remedy="Shorten it.")
    found: list[str] = []
    for word, quoted in _split(words, field):
        found += [word] if quoted else _written_out(word, field)
        if len(found) > MAX_VALUES:
            raise Invalid(f"has more than {MAX_VALUES} values", field=field, remedy="Take larger steps.")
    return found


def quoted(value: str) -> str:
    """A value as `values` reads it back."""
    return '"' + value.replace('"', '""') + '"'


def _split(words: str, field: str) -> Iterator[tuple[str, bool]]:
    """Values with whether they were in quotes."""
    place = 0
    while True:
        while words[place : place + 1].isspace():
            place += 1
        if words[place : place + 1] == '"':
            word, place = _quoted(words, place + 1, field)
            yield word, True
        else:
            end = words.find(",", place)
            end = len(words) if end < 0 else end
            word, place = words[place:end].strip(), end
            if not word:
                raise Invalid("a value is missing", field=field, remedy=f'{_REMEDY} An empty one is "".')
            yield word, False
        if place == len(words):
            return
        place += 1


def _quoted(words: str, place: int, field: str) -> tuple[str, int]:
    """What stands in quotes from `place` on, and the place of the comma or end behind it."""
    parts = []
    while True:
        end = words.find('"', place)
        if end < 0:
            raise Invalid("a quote has no partner", field=field, remedy=_REMEDY)
        parts.append(words[place:end])
        place = end + 1
        if words[place : place + 1] != '"':
            break
        parts.append('"')
        place += 1
    while words[place : place + 1].isspace():
        place += 1
    if place < len(words) and words[place] != ",":
        raise Invalid("something follows a closing quote", field=field, remedy=_REMEDY)
    return "".join(parts), place


def _written_out(word: str, field: str) -> list[str]:
    found = _RANGE.fullmatch(word)
    if found is None:
        return [word]
    first, last = Decimal(found[1]), Decimal(found[2])
    if found[5] is not None:
        return _spread(first, last, int(found[5]), word, field)
    down = last < first
    step = Decimal(found[4] or 1)
    if step == 0:
        raise Invalid(f"{word}: a step of nothing leads nowhere", field=field, remedy=_REMEDY)
    if found[3] and down != (found[3] == "-") and first != last:
        raise Invalid(f"{word} goes away from its end", field=field, remedy=_REMEDY)
    count = int(abs(last - first) // step) + 1
    _check_count(count, word, field)
    return [_plain(first + (-step if down else step) * number) for number in range(count)]


def _spread(first: Decimal, last: Decimal, count: int, word: str, field: str) -> list[str]:
    if count < 1 or (count == 1 and first != last):
        raise Invalid(f"{word}: there must be at least its two ends", field=field, remedy=_REMEDY)
    _check_count(count, word, field)
    found = [first + (last - first) * number / max(count - 1, 1) for number in range(count)]
    return [_plain(round(value, 6)) for value in found]


def _check_count(count: int, word: str, field: str) -> None:
    if count > MAX_VALUES:
        raise Invalid(f"{word} has {count} values, {MAX_VALUES} at most", field=field, remedy="Take larger steps.")


def _plain(value: Decimal) -> str:
    """The shortest way to write it, without an exponent."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
