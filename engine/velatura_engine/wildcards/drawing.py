"""Drawing what a prompt with choices says: `marks` reads it, dynamicprompts samples it.

The library gets its commands ready made and never sees a prompt as text: its own language has comments, variables and
wrappers, which prompts hold by accident, and no way to write a brace (docs/decisions/020-wildcards.md). Files are read
here, and only the lines that are drawn; and every command that is sampled is counted, so that files that name
themselves or each other end in an error, not in a long wait.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from ..errors import Invalid, VelaturaError
from . import marks
from .folder import Value, Wildcards

if TYPE_CHECKING:
    from dynamicprompts.types import ResultGen

MAX_DRAWN = 100
"""Lines drawn for one picture's prompt, those within other lines among them."""
MAX_SAMPLED = 20_000
"""Parts of the prompt sampled for one picture; where every combination is wanted, for all pictures together."""
MAX_BYTES = 8192
"""Of what comes out, as of any prompt."""


@dataclass(slots=True)
class Budget:
    """What may still be done before it is too much. `field` is where the prompt came from."""

    field: str
    drawn: int
    sampled: int

    def sample(self) -> None:
        """Count a part of the prompt. Raises Invalid."""
        self.sampled -= 1
        if self.sampled < 0:
            raise self.trouble("stands for too many combinations")

    def draw(self) -> None:
        """Count a line of a file. Raises Invalid."""
        self.drawn -= 1
        if self.drawn < 0:
            raise self.trouble("draws too many wildcards: perhaps a file names itself, or two name each other")

    def trouble(self, why: str) -> Invalid:
        """The error that says so."""
        return Invalid(self.field, why, reason="TOO_MANY_CHOICES", remedy="use fewer choices within choices")


@dataclass(slots=True)
class Drawing:
    """A prompt with choices, to draw from. `field` is where it came from, for messages; by other `dice` the same seed
    draws other things.

    What is drawn has no choices any more, and is written such that it is read as it stands: drawing from it changes
    nothing. Raises Invalid or NotFound, naming `field`.
    """

    text: str
    wildcards: Wildcards
    field: str
    dice: str = ""
    _values: dict[str, tuple[Value, ...]] = dataclasses.field(default_factory=dict)

    def one(self, seed: int) -> str:
        """The prompt of the picture with this seed: always the same for the same files."""
        # A text as a seed is hashed, so that seeds that follow each other draw what is not alike.
        dice = Random(" ".join(filter(None, ("velatura", self.dice, str(seed)))))
        return self._sample(Budget(self.field, MAX_DRAWN, MAX_SAMPLED), dice, every=False, most=1)[0]

    def every(self, most: int) -> list[str]:
        """The different prompts in order, at most `most`: the last choice changes first."""
        budget = Budget(self.field, MAX_SAMPLED, MAX_SAMPLED)
        return self._sample(budget, Random(0), every=True, most=most)

    def lines(self, name: str) -> tuple[Value, ...]:
        """The lines of a wildcard, read once for a drawing."""
        if name not in self._values:
            self._values[name] = self.wildcards.values(name, field=self.field)
        return self._values[name]

    def command(self, text: str) -> Any:
        """A prompt, or a line of a file, as the library's command."""
        return _sequence(marks.read(text, field=self.field))

    def _sample(self, budget: Budget, dice: Random, *, every: bool, most: int) -> list[str]:
        from dynamicprompts.enums import SamplingMethod
        from dynamicprompts.sampling_context import SamplingContext
        from dynamicprompts.wildcards import WildcardManager

        method = SamplingMethod.COMBINATORIAL if every else SamplingMethod.RANDOM
        context = SamplingContext(
            default_sampling_method=method,
            wildcard_manager=WildcardManager(),  # asked for nothing: our samplers read our files
            samplers={method: _samplers()[every](self, budget)},
            rand=dice,
        )
        found: dict[str, None] = {}
        try:
            for result in context.sample_prompts(self.command(self.text)):
                if len(result.text.encode("utf-8", "replace")) > MAX_BYTES:
                    why = f"becomes longer than {MAX_BYTES} bytes"
                    raise Invalid(self.field, why, remedy="draw less, or shorter lines")
                found[result.text] = None
                if len(found) == most:
                    break
        except VelaturaError:
            raise
        except (RecursionError, RuntimeError, LookupError, ValueError, ArithmeticError):
            raise budget.trouble("has choices that cannot be drawn") from None
        return list(found)


def _sequence(template: marks.Template) -> Any:
    """A template as the library's commands, its text such that nothing in it can be read as a choice later."""
    from dynamicprompts.commands import LiteralCommand, SequenceCommand, WildcardCommand

    found: list[Any] = []
    for node in template:
        if isinstance(node, str):
            found.append(LiteralCommand(marks.armoured(node)))
        elif isinstance(node, marks.Wildcard):
            found.append(WildcardCommand(node.name))
        else:
            found.append(_choice(node))
    return found[0] if len(found) == 1 else SequenceCommand(found) if found else LiteralCommand("")


def _choice(node: marks.Choice) -> Any:
    from dynamicprompts.commands import LiteralCommand, VariantCommand, VariantOption, WildcardCommand

    options = [VariantOption(_sequence(option.inside), option.weight) for option in node.options if option.weight]
    if node.most == 0:
        return LiteralCommand("")
    if len(options) == 1 and node.least == 0 and not isinstance(options[0].value, WildcardCommand):
        # Of a single option the library takes one, whatever the bounds say.
        return VariantCommand([VariantOption(LiteralCommand("")), *options])
    return VariantCommand(options, node.least, node.most, marks.armoured(node.between))


@cache
def _samplers() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The library's samplers, which count what they do and draw lines of our files: one at random, one for all."""
    from dynamicprompts.commands import VariantCommand, VariantOption, WildcardCommand
    from dynamicprompts.samplers import CombinatorialSampler, RandomSampler, Sampler

    class Counting(Sampler):
        def __init__(self, drawing: Drawing, budget: Budget) -> None:
            self._drawing, self._budget = drawing, budget

        def generator_from_command(self, command: Any, context: Any) -> Any:
            self._budget.sample()
            return super().generator_from_command(self._spread(command, context), context)

        def _spread(self, command: Any, context: Any) -> Any:
            """{2$$__name__} is a choice among the lines of the file; any other command is as it was."""
            if not isinstance(command, VariantCommand) or len(command.variants) != 1:
                return command
            inner = command.values[0]
            if not isinstance(inner, WildcardCommand):
                return command
            lines = [text for weight, text in self._drawing.lines(str(inner.wildcard)) if weight]
            if len(lines) > marks.MAX_OPTIONS:
                lines = self._some(lines, context)
            options = [VariantOption(self._line(text)) for text in lines]
            return VariantCommand(options, command.min_bound, command.max_bound, command.separator)

        def _some(self, lines: list[str], context: Any) -> list[str]:
            raise self._budget.trouble(f"has a choice of more than {marks.MAX_OPTIONS} lines")

        def _line(self, text: str) -> Any:
            return self._drawing.command(text)

    class AtRandom(Counting, RandomSampler):
        def _some(self, lines: list[str], context: Any) -> list[str]:
            return context.rand.sample(lines, marks.MAX_OPTIONS)

        def _get_wildcard(self, command: Any, context: Any) -> ResultGen:
            lines = self._drawing.lines(command.wildcard)
            while True:
                self._budget.draw()
                (drawn,) = context.rand.choices([text for _, text in lines], [weight for weight, _ in lines])
                yield from context.sample_prompts(self._line(drawn), 1)

    class Every(Counting, CombinatorialSampler):
        def _get_wildcard(self, command: Any, context: Any) -> ResultGen:
            for weight, text in self._drawing.lines(command.wildcard):
                if weight:
                    self._budget.draw()
                    yield from context.sample_prompts(self._line(text))

    return AtRandom, Every
