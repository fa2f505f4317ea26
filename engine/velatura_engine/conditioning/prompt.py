"""What a prompt says at every step: weighted words in chunks. `grammar.parse` makes it; nothing of torch is here.

A prompt is kept as a tree whose leaves are words, so that prompt editing and alternation cost one walk a step.
Steps are counted from 0: step 0 is the first, as in diffusers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import Invalid

MAX_ENCODED = 512
"""Different chunks that a schedule may ask the text encoder for, over all steps and branches."""
MAX_VISITS = 500_000
"""Parts of the prompt times the steps at which it may change: bounds the time of `Prompt.schedule`."""


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one weight. `weight` is 1 for ordinary words, within ±100."""

    text: str
    weight: float


Chunk = tuple[Span, ...]
"""What stands between two BREAKs and is encoded by itself; empty where nothing stands there."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One sub-prompt (between two ANDs) at a step; `weight` is its share of the guidance.

    With `blend`, which then holds at least one part, `chunks` is empty: the embedding is the sum of the parts'
    embeddings, each times the part's own `weight` (these sum to 1, unless the prompt says no_normalize).
    """

    chunks: tuple[Chunk, ...]
    weight: float = 1.0
    blend: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A network named in the prompt, for all of its steps. Weights are factors, 1 = as trained, within ±100."""

    kind: Literal["lora", "hypernet"]
    name: str
    text_weight: float
    unet_weight: float


@dataclass(frozen=True, slots=True)
class Switch:
    """When an edit takes place: after `number` steps, or after that share of them."""

    number: float
    share: bool

    def first(self, steps: int) -> int:
        """The first of `steps` steps after the edit, 0 to `steps`; the fraction of a step is cut off."""
        return int(max(0, min(steps, self.number * steps if self.share else self.number)))


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a chunk."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """A bracket: all in it counts `weight` times."""

    inside: Nodes
    weight: float


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing before the switch, another from there on."""

    before: Nodes
    after: Nodes
    when: Switch


@dataclass(frozen=True, slots=True)
class Alternation:
    """One option a step, in turn."""

    options: tuple[Nodes, ...]


Node = str | Break | Weighted | Edit | Alternation
Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A sub-prompt before it is resolved; with `blend`, `nodes` is empty. See Branch."""

    nodes: Nodes
    weight: float = 1.0
    blend: tuple[Tree, ...] = ()

    def at(self, step: int, steps: int) -> Branch:
        """The sub-prompt at a step."""
        if self.blend:
            return Branch((), self.weight, tuple(part.at(step, steps) for part in self.blend))
        chunks = _Chunks()
        _gather(self.nodes, 1.0, step, steps, chunks)
        return Branch(chunks.closed(), self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt that has been read. `field` is where it came from, for messages."""

    trees: tuple[Tree, ...]
    adapters: tuple[Adapter, ...]
    field: str
    size: int
    """Parts that `at` visits, at most."""
    switches: frozenset[Switch]
    alternates: bool
    literal: bool = False
    """Nothing in it has a meaning of its own, names of embeddings neither."""

    def at(self, step: int, steps: int) -> tuple[Branch, ...]:
        """Branches at `step` (0 to steps - 1) of `steps`."""
        return tuple(tree.at(step, steps) for tree in self.trees)

    def schedule(self, steps: int) -> tuple[tuple[int, tuple[Branch, ...]], ...]:
        """Runs of equal conditioning as (first step, branches), in order; the first begins at 0.

        Raises Invalid where it changes too often for its length, or needs too many embeddings.
        """
        firsts = range(steps) if self.alternates else {switch.first(steps) for switch in self.switches}
        starts = sorted({0, *firsts} - {steps})
        if self.size * len(starts) > MAX_VISITS:
            why = f"has {self.size} parts and {len(starts)} changes; their product may be {MAX_VISITS} at most"
            raise Invalid(self.field, why, remedy="shorten the prompt, change it less often, or ask for fewer steps")
        runs: list[tuple[int, tuple[Branch, ...]]] = []
        encoded: set[Chunk] = set()
        for start in starts:
            branches = self.at(start, steps)
            if runs and runs[-1][1] == branches:
                continue
            runs.append((start, branches))
            encoded.update(chunk for branch in _leaves(branches) for chunk in branch.chunks)
            if len(encoded) > MAX_ENCODED:
                why = f"says more than {MAX_ENCODED} different things over {steps} steps"
                raise Invalid(self.field, why, remedy="use fewer options, edits or sub-prompts, or fewer steps")
        return tuple(runs)

    @property
    def plain(self) -> bool:
        """True where this is one text for all steps, with no weights: what any pipeline can read by itself."""
        first, *others = self.trees
        if self.switches or self.alternates or others or first.blend:
            return False
        branch = first.at(0, 1)
        return branch.weight == 1 and len(branch.chunks) == 1 and all(span.weight == 1 for span in branch.chunks[0])

    @property
    def words(self) -> str:
        """All that is said at any step, in the order it is written, without weights."""
        parts = [part for tree in self.trees for part in (tree.blend or (tree,))]
        return " ".join(" ".join(_words(part.nodes)) for part in parts)

    @property
    def text(self) -> str:
        """The words alone, at the first step, chunks and branches put together with spaces.

        Where the prompt is plain nothing is lost: it is the text as it was written, but for tags taken out and the
        backslashes of escapes.
        """
        leaves = _leaves(self.at(0, 1))
        return " ".join("".join(span.text for span in chunk) for branch in leaves for chunk in branch.chunks)


def _words(nodes: Nodes) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Weighted):
            yield from _words(node.inside)
        elif isinstance(node, Edit):
            yield from _words(node.before + node.after)
        elif isinstance(node, Alternation):
            for option in node.options:
                yield from _words(option)


def verbatim(text: str, *, field: str) -> Prompt:
    """A prompt whose every character is taken as it stands."""
    return Prompt(
        trees=(Tree((text,)),), adapters=(), field=field, size=1, switches=frozenset(), alternates=False, literal=True
    )


def _leaves(branches: Iterable[Branch]) -> list[Branch]:
    return [leaf for branch in branches for leaf in (branch.blend or (branch,))]


def _gather(nodes: Nodes, weight: float, step: int, steps: int, chunks: _Chunks) -> None:
    """Say the nodes into `chunks` as they stand at a step. The grammar bounds the depth of the recursion."""
    for node in nodes:
        if isinstance(node, str):
            chunks.say(node, weight)
        elif isinstance(node, Weighted):
            _gather(node.inside, weight * node.weight, step, steps, chunks)
        elif isinstance(node, Edit):
            _gather(node.before if step < node.when.first(steps) else node.after, weight, step, steps, chunks)
        elif isinstance(node, Alternation):
            _gather(node.options[step % len(node.options)], weight, step, steps, chunks)
        else:
            chunks.end()


class _Chunks:
    """Chunks as they grow. Whitespace beside a BREAK belongs to the BREAK."""

    def __init__(self) -> None:
        self.done: list[Chunk] = []
        self.spans: list[tuple[list[str], float]] = []

    def say(self, text: str, weight: float) -> None:
        """Add words; they join the last span where their weights agree."""
        if self.done and not self.spans:
            text = text.lstrip()
        if not text:
            return
        if self.spans and self.spans[-1][1] == weight:
            self.spans[-1][0].append(text)
        else:
            self.spans.append(([text], weight))

    def end(self) -> None:
        """End the chunk."""
        spans = self._spans()
        while spans and not spans[-1].text.strip():
            spans.pop()
        if spans:
            spans[-1] = Span(spans[-1].text.rstrip(), spans[-1].weight)
        self.done.append(tuple(spans))
        self.spans = []

    def closed(self) -> tuple[Chunk, ...]:
        """All chunks, the last of them as it stands."""
        return (*self.done, tuple(self._spans()))

    def _spans(self) -> list[Span]:
        return [Span("".join(texts), weight) for texts, weight in self.spans]
