r"""Where a prompt has choices: `{a|b}`, `{2$$a|b|c}` and `__name__`; everything else is text.

After the language of sd-dynamic-prompts, an extension of AUTOMATIC1111's web UI:
- `{a|b|c}` is one of them, `{3::a|b}` a three times as often; an option may be empty, and hold further choices.
- `{2$$a|b|c}` is two different ones with ", " between them, `{1-2$$ and $$a|b|c}` one or two with " and ".
- `__name__` is a line of the file `name.txt`; `__folder/name__` and `__colour*__` name files too.

A backslash before `{`, `}` or `_` makes that an ordinary character. So are braces without a partner, braces with
neither `|` nor `$$` in them, and two underscores that enclose no name. A `|` within square brackets belongs to them: it
is the web UI's alternation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import Invalid

MAX_DEPTH = 16
"""Choices within choices."""
MAX_OPTIONS = 512
"""Options of one choice."""

_TOKEN = re.compile(r"\\.|[{}\[\]|]|__(?:[^\W_]|_(?!_)|[.*/:~-])+__", re.DOTALL)
_HEAD = re.compile(r"\s*([0-9]{1,4})?(-)?([0-9]{1,4})?\s*\$\$(?:([^|{}$]{0,64})\$\$)?", re.ASCII)
_WEIGHT = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)::", re.ASCII)
_ACTIVE = re.compile(r"\\.|[{}]|^_|_$|_(?=_)|(?<=_)_", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A line of a file, by the name that stands in the prompt."""

    name: str


@dataclass(frozen=True, slots=True)
class Option:
    """What may be chosen, and how often in comparison."""

    inside: Template
    weight: float


@dataclass(frozen=True, slots=True)
class Choice:
    """From `least` to `most` different options, with `between` between them."""

    options: tuple[Option, ...]
    least: int
    most: int
    between: str


Node = str | Wildcard | Choice
Template = tuple[Node, ...]


def read(text: str, *, field: str) -> Template:
    """A prompt as text and choices. Raises Invalid, naming `field`, where choices are too deep or too many."""
    return tuple(_nodes(text, 0, len(text), _pairs(text), field, 0))


def has_choices(text: str, *, field: str) -> bool:
    """Whether there is anything to draw. Raises Invalid as `read` does."""
    return ("{" in text or "__" in text) and any(not isinstance(node, str) for node in read(text, field=field))


def plain(text: str) -> str:
    """Text without choices as it is meant: the backslashes before `{`, `}` and `_` gone."""
    return _ESCAPE.sub(lambda found: found[1] if found[1] in "{}_" else found[0], text)


def armoured(text: str) -> str:
    """Text such that nothing in it, or where it meets other text, can be read as a choice; `plain` means the same."""
    text = _ACTIVE.sub(lambda found: found[0] if len(found[0]) == 2 else "\\" + found[0], text)
    tail = len(text) - len(text.rstrip("\\"))
    return text + "\\" * (tail % 2)


@dataclass(slots=True)
class _Open:
    """A bracket that may find its partner; `bars` are the places of `|` that belong to it."""

    place: int
    kind: str
    bars: list[int]


def _pairs(text: str) -> dict[int, tuple[int, list[int]]]:
    """For each brace with a partner: the partner's place, and the bars between its options. Linear in the length."""
    found: dict[int, tuple[int, list[int]]] = {}
    stack: list[_Open] = []
    braces = 0
    for token in _TOKEN.finditer(text):
        sign, place = token[0], token.start()
        if sign in "{[":
            stack.append(_Open(place, sign, []))
            braces += sign == "{"
        elif sign == "|" and stack:
            stack[-1].bars.append(place)
        elif sign == "]" and stack and stack[-1].kind == "[":
            stack.pop()
        elif sign == "}" and braces:
            bars: list[int] = []
            while (top := stack.pop()).kind == "[":  # without a partner: its bars are the brace's
                bars = top.bars + bars
            braces -= 1
            found[top.place] = place, top.bars + bars
    return found


def _nodes(
    text: str, start: int, end: int, pairs: dict[int, tuple[int, list[int]]], field: str, depth: int
) -> Iterator[Node]:
    if depth > MAX_DEPTH:
        raise Invalid(field, f"has choices within choices deeper than {MAX_DEPTH}", remedy="take some of them out")
    since = place = start
    while token := _TOKEN.search(text, place, end):
        place = token.end()
        node: Node | None = None
        if token[0] == "{" and token.start() in pairs:
            close, bars = pairs[token.start()]
            node = _choice(text, place, close, bars, pairs, field, depth)
            place = close + 1 if node is not None else place
        elif token[0].startswith("__") and token[0].strip("_"):
            node = Wildcard(token[0][2:-2])
        if node is not None:
            if since < token.start():
                yield text[since : token.start()]
            yield node
            since = place
    if since < end:
        yield text[since:end]


def _choice(
    text: str, start: int, end: int, bars: list[int], pairs: dict[int, tuple[int, list[int]]], field: str, depth: int
) -> Choice | None:
    """The choice between two braces; None where they are ordinary characters."""
    head = _HEAD.match(text, start, end)
    if head is not None and head[1] is None and head[3] is None:
        head = None
    if head is None and not bars:
        return None
    if len(bars) >= MAX_OPTIONS:
        raise Invalid(field, f"has a choice of more than {MAX_OPTIONS} options", remedy="put them into a wildcard file")
    first = start if head is None else head.end()
    edges = [first, *(bar for bar in bars if bar >= first), end]
    options = []
    for number, stop in enumerate(edges[1:]):
        begin = edges[number] + (number > 0)
        weight = _WEIGHT.match(text, begin, stop)
        begin = weight.end() if weight else begin
        while begin < stop and text[begin].isspace():
            begin += 1
        while begin < stop and text[stop - 1].isspace() and text[stop - 2] != "\\":
            stop -= 1
        inside = tuple(_nodes(text, begin, stop, pairs, field, depth + 1))
        options.append(Option(inside, float(weight[1]) if weight else 1.0))
    if not any(option.weight for option in options):
        raise Invalid(field, "has a choice whose options all count nothing", remedy="give one a weight above 0")
    least, most = _bounds(head)
    between = ", " if head is None or head[4] is None else head[4]
    return Choice(tuple(options), least, most, between)


def _bounds(head: re.Match[str] | None) -> tuple[int, int]:
    if head is None:
        return 1, 1
    low, dash, high = head[1], head[2], head[3]
    if not dash:
        # Without a dash the digits may have gone to either group.
        exact = int((low or "") + (high or ""))
        return exact, exact
    return int(low or 1), int(high) if high else MAX_OPTIONS
