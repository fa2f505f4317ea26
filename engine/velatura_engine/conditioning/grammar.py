r"""The prompt language: AUTOMATIC1111's, and what compel and InvokeAI add to it.

From AUTOMATIC1111 (its wiki's page "Features", and what version 1.10 does):
- `(a:1.2)` counts 1.2 times, `(a)` 1.1 times, `[a]` 1/1.1 times; they nest and multiply.
- `[a:b:0.3]` is a, then b from there on; `[b:0.3]` adds b, `[a::0.3]` removes a. A number with a dot is a share of
  the steps, one without is a number of steps. `[a|b|]` takes turns, step by step; an option may be empty.
- `AND` divides into sub-prompts, before brackets are looked at; each may end in its weight, `:0.7`. `BREAK` begins a
  new chunk, inside brackets too.
- `<lora:name:0.7>` and its like name networks; see tags.py. They are taken out first, wherever they stand.

From compel:
- `word+`, `(words)++` count 1.1 times for each +; `word-`, `(words)--` 0.9 times for each -; `(words)1.3` 1.3 times.
- A sub-prompt that is nothing but `("a", "b").and(1, 0.5)` is chunks a and b, each with a weight on all of it; one
  that is `("a", "b").blend(0.7, 0.3)` is a weighted mean of embeddings, or their sum after `no_normalize`.

Which language it is, is decided at each place, and AUTOMATIC1111 has it wherever this rule does not give it away.
Compel has a run of signs, or a number with a dot, only where it touches a closing round bracket, or signs where they
touch a word with a letter in it; and only where it ends at a space, the end, or closing punctuation (`. , ; : ! ? " )
] |`). So `well-lit`, `c++11`, `18+`, `(old)-style`, `(a) - b`, `(part)2` and the + of `(a:1.2)+` are AUTOMATIC1111's.

A backslash before one of `( ) [ ] \ : | < > " + -` makes that an ordinary character. Whatever does not fit, such as a
bracket without its partner, is ordinary text, never an error; and text is kept character for character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, pairwise

from ..errors import Invalid
from . import tags
from .numerals import MAX_WEIGHT, decimal, scientific
from .prompt import Alternation, Break, Edit, Node, Nodes, Prompt, Switch, Tree, Weighted

MAX_TEXT = 32_768
"""Characters of a prompt."""
MAX_DEPTH = 64
"""Brackets within brackets; those without a partner do not count."""
MAX_BRANCHES = 16
"""Sub-prompts between ANDs, each a run of the denoiser at every step; also parts of one blend."""
MAX_CHUNKS = 32
"""Chunks of one sub-prompt."""

ROUND, SQUARE, UP, DOWN = 1.1, 1 / 1.1, 1.1, 0.9

# None of these can look at a character twice: what repeats is possessive, or cannot match what follows it.
_AND = re.compile(r"\bAND\b")
_BREAK = re.compile(r"\bBREAK\b")
_TOKEN = re.compile(r"""\\[()\[\]\\:|<>"+-]|[()\[\]:|\\]|[^()\[\]:|\\]++""")
_WORD = re.compile(r"""[^\s,;!?"]++""")
_END = r"""(?=\.*+(?:[\s,;:!?")\]|]|\Z))"""
_SUFFIX = re.compile(rf"(\++|-+|[0-9]*+\.[0-9]++){_END}")
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_CALL = re.compile(
    rf"\s*+\(\s*+({_STRING}(?:\s*+,\s*+{_STRING})*+)\s*+\)\.(and|blend)\(([^()]*+)\)\s*+",
    re.DOTALL,
)


def parse(text: str, *, field: str = "prompt") -> Prompt:
    """Read a prompt, in time linear in its length.

    Raises Invalid, naming `field`, where it is longer, deeper or wider than the limits above, a weight is not within
    ±100, a tag or a call of and() or blend() has the wrong numbers.
    """
    if len(text) > MAX_TEXT:
        raise Invalid(field, f"has {len(text)} characters, {MAX_TEXT} at most", remedy="shorten it")
    text, adapters = tags.take_out(text, field=field)
    parts = _AND.split(text)
    _check_count(len(parts), MAX_BRANCHES, "sub-prompts between ANDs", field)
    trees = (_tree(text, 1.0, field),) if len(parts) == 1 else tuple(_weighted_tree(part, field) for part in parts)
    survey = _Survey(field)
    for tree in trees:
        survey.take(tree)
    return Prompt(
        trees=trees,
        adapters=adapters,
        field=field,
        size=survey.size,
        switches=frozenset(survey.switches),
        alternates=survey.alternates,
    )


def _weighted_tree(text: str, field: str) -> Tree:
    """A sub-prompt among others, with the weight at its end."""
    head, colon, tail = text.rpartition(":")
    number = decimal(tail)
    escaped = (len(head) - len(head.rstrip("\\"))) % 2
    if not colon or number is None or escaped:
        return _tree(text.strip(), 1.0, field)
    return _tree(head.strip(), number, field)


def _tree(text: str, weight: float, field: str) -> Tree:
    """A sub-prompt: a call, or text."""
    call = _CALL.fullmatch(text)
    if call is None:
        return Tree(_Reader(text, field).nodes(), weight)
    parts = [_Reader(string[1:-1], field).nodes() for string in _STRINGS.findall(call[1])]
    _check_count(len(parts), MAX_BRANCHES, f"parts of {call[2]}()", field)
    weights = _call_weights(call[2], call[3], len(parts), field)
    if call[2] == "blend":
        return Tree((), weight, tuple(Tree(part, share) for part, share in zip(parts, weights, strict=True)))
    nodes: list[Node] = []
    for part, share in zip(parts, weights, strict=True):
        nodes += [Weighted(part, share), Break()]
    return Tree(tuple(nodes[:-1]), weight)


def _call_weights(verb: str, inside: str, count: int, field: str) -> list[float]:
    """Weights as a call gives them, 1 each where it gives none; a blend's sum to 1 unless it says no_normalize."""
    words = [word.strip() for word in inside.split(",")] if inside.strip() else []
    as_they_are = verb == "blend" and words[-1:] == ["no_normalize"]
    numbers = [decimal(word) for word in (words[:-1] if as_they_are else words)] or [1.0] * count
    weights = [number for number in numbers if number is not None]
    if not len(weights) == len(numbers) == count:
        why = f"{verb}({inside.strip()[:80]}) needs a number for each of its {count} parts, or none at all"
        raise Invalid(field, why, remedy=f"write {verb}({', '.join(['1'] * min(count, 4))})")
    if verb == "and" or as_they_are:
        return weights
    total = sum(weights)
    if abs(total) < 1e-6:
        remedy = "choose weights with another sum, or end them with no_normalize"
        raise Invalid(field, "the weights of blend() sum to zero, so that they have no mean", remedy=remedy)
    return [weight / total for weight in weights]


def _check_count(count: int, limit: int, what: str, field: str) -> None:
    if count > limit:
        raise Invalid(field, f"has {count} {what}, {limit} at most", remedy="use fewer")


class _Reader:
    """Reads text with brackets. Every token is looked at once to find the brackets' partners and at most twice after:
    for the separators of the bracket around it, and for what it says.
    """

    def __init__(self, text: str, field: str) -> None:
        self.text, self.field = text, field
        matches = list(_TOKEN.finditer(text))
        self.tokens = [match[0] for match in matches]
        self.starts = [match.start() for match in matches]
        self.partner = _partners(self.tokens)

    def nodes(self) -> Nodes:
        """All of the text."""
        return self.span(0, len(self.tokens), 0)

    def span(self, low: int, high: int, depth: int) -> Nodes:
        """Tokens `low` to `high` - 1, with neighbouring words put together."""
        if depth > MAX_DEPTH:
            why = f"has brackets {depth} deep, {MAX_DEPTH} at most"
            raise Invalid(self.field, why, remedy=r"nest less, or write \( and \[ for brackets that are text")
        return tuple(_joined(self.pieces(low, high, depth)))

    def pieces(self, low: int, high: int, depth: int) -> Iterator[Node]:
        at, skip = low, 0
        while at < high:
            token, close = self.tokens[at], self.partner.get(at)
            if close is None:
                yield from self.words(token[skip:], at)
                at, skip = at + 1, 0
            elif token == "[":
                yield self.square(at, close, depth + 1)
                at = close + 1
            else:
                weight, skip = self.suffix(close)
                yield self.round(at, close, weight, depth + 1)
                at = close + 1

    def words(self, token: str, at: int) -> Iterator[Node]:
        """A token that is text: what it escapes, or words with their signs and BREAKs."""
        if len(token) == 2 and token[0] == "\\":
            yield token[1]
            return
        closes = at + 1 == len(self.tokens) or self.tokens[at + 1] in (")", "]", ":", "|")
        for number, part in enumerate(_BREAK.split(token)):
            if number:
                yield Break()
            yield from _signed_words(part, closes)

    def round(self, at: int, close: int, weight: float | None, depth: int) -> Node:
        """`(a:1.2)`, else `(a)` with the weight that follows it, else `(a)`."""
        own = self.own_weight(close)
        if own is not None:
            return Weighted(self.span(at + 1, close - 2, depth), own)
        return Weighted(self.span(at + 1, close, depth), ROUND if weight is None else weight)

    def own_weight(self, close: int) -> float | None:
        """The weight that a round bracket ends with."""
        return decimal(self.tokens[close - 1]) if self.tokens[close - 2] == ":" else None

    def suffix(self, close: int) -> tuple[float | None, int]:
        """Compel's weight right behind a round bracket and the characters that it takes of the next token."""
        match = _SUFFIX.match(self.text, self.starts[close] + 1)
        if match is None or self.own_weight(close) is not None:
            return None, 0
        signs = match[1]
        weight = _sign_weight(signs) if signs[0] in "+-" else float(signs)
        return weight, len(signs)

    def square(self, at: int, close: int, depth: int) -> Node:
        """An edit, an alternation, or a weight below 1."""
        colons, bars = self.separators(at + 1, close)
        if bars and not colons:
            edges = [at, *bars, close]
            return Alternation(tuple(self.span(low + 1, high, depth) for low, high in pairwise(edges)))
        last = self.tokens[close - 1]
        when = scientific(last) if not bars and len(colons) in (1, 2) and colons[-1] == close - 2 else None
        if when is None:
            return Weighted(self.span(at + 1, close, depth), SQUARE)
        before = self.span(at + 1, colons[0], depth) if len(colons) == 2 else ()
        start = colons[0] if len(colons) == 2 else at
        return Edit(before, self.span(start + 1, colons[-1], depth), Switch(when, "." in last))

    def separators(self, low: int, high: int) -> tuple[list[int], list[int]]:
        """Where colons and bars stand, brackets within left out."""
        found: dict[str, list[int]] = {":": [], "|": []}
        at = low
        while at < high:
            if self.tokens[at] in found:
                found[self.tokens[at]].append(at)
            at = self.partner.get(at, at) + 1
        return found[":"], found["|"]


def _partners(tokens: list[str]) -> dict[int, int]:
    """Opening bracket -> its closing one. A closing one skips open ones of the other shape, which stay alone."""
    partner: dict[int, int] = {}
    stack: list[int] = []
    waiting = {"(": 0, "[": 0}
    for at, token in enumerate(tokens):
        if token in waiting:
            waiting[token] += 1
            stack.append(at)
        elif token in (")", "]"):
            shape = "(" if token == ")" else "["
            while waiting[shape]:
                opened = stack.pop()
                waiting[tokens[opened]] -= 1
                if tokens[opened] == shape:
                    partner[opened] = at
                    break
    return partner


def _joined(nodes: Iterator[Node]) -> Iterator[Node]:
    for is_text, run in groupby(nodes, lambda node: isinstance(node, str)):
        if is_text:
            text = "".join(str(node) for node in run)
            if text:
                yield text
        else:
            yield from run


def _signed_words(text: str, closes: bool) -> Iterator[Node]:
    """Text with compel's signs taken off its words. `closes`: what follows the text ends a word."""
    done = 0
    if "+" in text or "-" in text:
        for match in _WORD.finditer(text):
            word = match[0].rstrip(".")
            stem = word.rstrip("+" if word.endswith("+") else "-")
            if match.end() == len(text) and not closes:
                break
            if stem != word and stem[-1:].isalnum() and any(letter.isalpha() for letter in stem):
                yield text[done : match.start()]
                yield Weighted((stem,), _sign_weight(word[len(stem) :]))
                done = match.start() + len(word)
    yield text[done:]


def _sign_weight(signs: str) -> float:
    # Far beyond MAX_WEIGHT already, but not yet beyond what a float can hold.
    return (UP if signs[0] == "+" else DOWN) ** min(len(signs), 1000)


class _Survey:
    """One look at everything that any step may say: is it within the limits, how much is it, when does it change?"""

    def __init__(self, field: str) -> None:
        self.field = field
        self.size = 0
        self.chunks = 0
        self.switches: set[Switch] = set()
        self.alternates = False

    def take(self, tree: Tree) -> None:
        """Look at a sub-prompt. Raises Invalid."""
        self.chunks = 1
        self.check(tree.weight)
        for part in tree.blend or (tree,):
            self.check(part.weight)
            self.size += self.look(part.nodes, 1.0)
        _check_count(self.chunks, MAX_CHUNKS, "chunks in one sub-prompt", self.field)

    def look(self, nodes: Nodes, weight: float) -> int:
        """Look at nodes whose brackets so far weigh `weight`. Returns how many of them one step may visit."""
        size = 1 + len(nodes)
        for node in nodes:
            if isinstance(node, Break):
                self.chunks += 1
            elif isinstance(node, Weighted):
                size += self.look(node.inside, self.check(weight * node.weight))
            elif isinstance(node, Edit):
                self.switches.add(node.when)
                size += max(self.look(node.before, weight), self.look(node.after, weight))
            elif isinstance(node, Alternation):
                self.alternates = True
                size += max([self.look(option, weight) for option in node.options])
        return size

    def check(self, weight: float) -> float:
        """The weight, if it is within bounds."""
        if not abs(weight) <= MAX_WEIGHT:  # nan too, which 0 times a number of 400 digits is
            why = f"has a weight of {weight:g}, which must be between {-MAX_WEIGHT:g} and {MAX_WEIGHT:g}"
            remedy = r"choose a smaller one, or write \( and \) for brackets that are text"
            raise Invalid(self.field, why, remedy=remedy)
        return weight
