"""The prompt language: worked by hand, by prompts whose meaning is made along with them, and by hostile ones."""

import random
import subprocess
import sys

import pytest
from velatura_engine.conditioning import grammar, prompt
from velatura_engine.conditioning.grammar import parse
from velatura_engine.conditioning.prompt import Adapter, Branch, Span
from velatura_engine.errors import Invalid

LANGUAGE = [
    *"()[]:|\\<>+-\",. \n1", "a", "bc", "é", "0.5", "AND", "BREAK", "<lora:", "<x:", '("', '", "', '")', ".and(",
    ".blend(", ":1.2)", ":0.3]", ":4]", "++ ",
]  # fmt: skip


def branches(text, step=0, steps=10):
    return parse(text).at(step, steps)


def spans(text, step=0, steps=10):
    """The only chunk of the only branch, as (text, rounded weight)."""
    (branch,) = branches(text, step, steps)
    (chunk,) = branch.chunks
    return [(span.text, round(span.weight, 6)) for span in chunk]


def said(text, steps):
    """The words of every step."""
    return ["".join(words for words, _ in spans(text, step, steps)) for step in range(steps)]


def runs(text, steps):
    return [(start, "".join(span.text for span in run[0].chunks[0])) for start, run in parse(text).schedule(steps)]


# Weights


@pytest.mark.parametrize("text, expected", {
    "(a)": [("a", 1.1)],
    "((a))": [("a", 1.21)],
    "[a]": [("a", 0.909091)],
    "[[a]]": [("a", 0.826446)],
    "([a])": [("a", 1.0)],
    "(a:1.2)": [("a", 1.2)],
    "(a: 1.2 )": [("a", 1.2)],
    "(a:.5)": [("a", 0.5)],
    "(a:-1)": [("a", -1.0)],
    "(a:0)": [("a", 0.0)],
    "((a:1.2), b:1.5)": [("a", 1.8), (", b", 1.5)],
    "(16:9:1.2)": [("16:9", 1.2)],
    "((masterpiece)), [dull]": [("masterpiece", 1.21), (", ", 1.0), ("dull", 0.909091)],
    "(a)(b)c": [("ab", 1.1), ("c", 1.0)],
    "[a:b]": [("a:b", 0.909091)],
    "[a:b:c:0.5]": [("a:b:c:0.5", 0.909091)],
    "[0.5]": [("0.5", 0.909091)],
    "(a|b)": [("a|b", 1.1)],
    "[a|b:0.5]": [("a|b:0.5", 0.909091)],
    "(a:1.2.3)": [("a:1.2.3", 1.1)],
    "(a:nan)": [("a:nan", 1.1)],
    "()[]": [],
}.items())  # fmt: skip
def test_brackets_weigh_what_is_in_them(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text, expected", {
    "flames+": [("flames", 1.1)],
    "big flames++, fire--.": [("big ", 1.0), ("flames", 1.21), (", ", 1.0), ("fire", 0.81), (".", 1.0)],
    "t-shirt+ hot": [("t-shirt", 1.1), (" hot", 1.0)],
    "(two words)++": [("two words", 1.21)],
    "(two words)-": [("two words", 0.9)],
    "(two words)1.3": [("two words", 1.3)],
    "(two words)0.8.": [("two words", 0.8), (".", 1.0)],
    "(a (b)1.5)2.0, c": [("a ", 2.0), ("b", 3.0), (", c", 1.0)],
    "(picking apricots+)++": [("picking ", 1.21), ("apricots", 1.331)],
    "(cat+:1.2)": [("cat", 1.32)],
}.items())  # fmt: skip
def test_compels_signs_and_numbers_weigh_what_they_touch(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text", [
    "a well-lit t-shirt", "c++11 and a+b", "18+", "a - b -- c + d", "+a --b", "--ar 16:9", ":-) ^_^-", "a+-", "a+_",
])  # fmt: skip
def test_signs_that_end_no_word_are_text(text):
    assert parse(text).plain and parse(text).text == text


@pytest.mark.parametrize("text, expected", {
    "(old)-style": [("old", 1.1), ("-style", 1.0)],
    "(red)-(blue)": [("red", 1.1), ("-", 1.0), ("blue", 1.1)],
    "(a) - b": [("a", 1.1), (" - b", 1.0)],
    "(part)2": [("part", 1.1), ("2", 1.0)],
    "(part)1.5x": [("part", 1.1), ("1.5x", 1.0)],
    "(a:1.2)+": [("a", 1.2), ("+", 1.0)],
    "(a:1.2)0.5": [("a", 1.2), ("0.5", 1.0)],
    "[a]+": [("a", 0.909091), ("+", 1.0)],
    "word+(a)": [("word+", 1.0), ("a", 1.1)],
    r"(a)\+": [("a", 1.1), ("+", 1.0)],
}.items())  # fmt: skip
def test_automatic1111_wins_where_both_languages_could_read_the_text(text, expected):
    assert spans(text) == expected


# Text that stays as it is


@pytest.mark.parametrize("text", [
    "", " ", "a brick wall, mossy,  4k\n", "16:9 | 4:3", "ratio: 1:0.5", "a < b > c", "<foo:bar>", "<lora>", 'a "b" c',
    "ANDROID and BREAKFAST", "Dalí, 東京, 🎨", "back\\slash", "(", ")", "[", "]", "a :( b", "a) b (c", "[a", "a]",
    '"a", "b".and', 'a.blend',
])  # fmt: skip
def test_text_without_meaning_in_the_language_is_returned_character_for_character(text):
    assert parse(text).plain and parse(text).text == text
    assert branches(text)[0].chunks == ((Span(text, 1.0),) if text else (),)


@pytest.mark.parametrize("text, expected", {
    r"\(a\)": "(a)", r"\[a:b:3\]": "[a:b:3]", r"a\\b": r"a\b", r"\\\(": r"\(", r"a\|b\:c": "a|b:c",
    r"\<lora:a:1>": "<lora:a:1>", r"word\+": "word+", r"\(a:1.2\)": "(a:1.2)",
}.items())  # fmt: skip
def test_a_backslash_makes_the_next_character_ordinary(text, expected):
    assert parse(text).plain and parse(text).text == expected


def test_brackets_without_a_partner_are_text_and_leave_others_alone():
    assert spans("([a) b] (c") == [("[a", 1.1), (" b] (c", 1.0)]
    assert spans("a (b) c)") == [("a ", 1.0), ("b", 1.1), (" c)", 1.0)]
    assert parse("(" * 5000).text == "(" * 5000


def test_an_escaped_bracket_does_not_close():
    assert spans(r"(a\) b:1.3)") == [("a) b", 1.3)]


def test_a_prompt_with_anything_else_than_words_is_not_plain():
    for text in ("(a)", "[a:b:3]", "[a|b]", "a AND b", "a BREAK b", "a+", '("a", "b").blend()', '("a").blend()'):
        assert not parse(text).plain, text


# Prompts that change


def test_the_words_of_a_prompt_are_all_that_it_says_at_any_step():
    said = parse('(old:1.2) [oak|[birch:ash:0.5]] AND ("moss", "ivy").blend(1, 1) BREAK <lora:x:1>')
    assert set(said.words.split()) >= {"old", "oak", "birch", "ash"} and "lora" not in said.words
    assert parse('("moss", "ivy").blend(1, 1)').words.split() == ["moss", "ivy"]


def test_a_whole_number_is_a_number_of_steps():
    assert runs("[fantasy:cyberpunk:16] city", 20) == [(0, "fantasy city"), (16, "cyberpunk city")]
    assert runs("[fantasy:cyberpunk:16] city", 16) == [(0, "fantasy city")]


@pytest.mark.parametrize("text, expected", {
    "a[ b:0.3]": [(0, "a"), (3, "a b")],
    "a[ b::0.3]": [(0, "a b"), (3, "a")],
    "[a:b:.25]": [(0, "a"), (2, "b")],
    "[a:b:1.0]": [(0, "a")],
    "[a:b:1]": [(0, "a"), (1, "b")],
    "[a:b:0]": [(0, "b")],
    "[a:b:-3]": [(0, "b")],
    "[a:b:1e999]": [(0, "a")],
    "[a:b: 5 ]": [(0, "a"), (5, "b")],
    "a [b : c : 1] d": [(0, "a b  d"), (1, "a  c  d")],
    "x[a:[b:c:4]:2]y": [(0, "xay"), (2, "xby"), (4, "xcy")],
    "[::5]a": [(0, "a")],
    "[a:b:3][c:d:3]": [(0, "ac"), (3, "bd")],
    "[[a|b]:c:2]": [(0, "a"), (1, "b"), (2, "c")],
}.items())  # fmt: skip
def test_an_edit_takes_place_at_its_step(text, expected):
    assert runs(text, 10) == expected


def test_alternation_takes_turns():
    assert said("a [blue|green] house", 3) == ["a blue house", "a green house", "a blue house"]
    assert said("[fe|]male", 4) == ["female", "male", "female", "male"]
    assert said("[a|[b|c]|]", 6) == ["a", "c", "", "a", "b", ""]


def test_weights_and_edits_hold_each_other():
    assert spans("([a:(b:2):3]:1.5)", 0) == [("a", 1.5)]
    assert spans("([a:(b:2):3]:1.5)", 3) == [("b", 3.0)]
    assert spans("[cat+|dog]") == [("cat", 1.1)]


# Sub-prompts and chunks


def test_and_divides_into_weighted_sub_prompts():
    assert branches("(a:1.2) AND (b:0.8) :0.5") == (
        Branch(((Span("a", 1.2),),), 1.0),
        Branch(((Span("b", 0.8),),), 0.5),
    )
    assert [branch.weight for branch in branches("a:-1 AND b : 2. AND c")] == [-1, 2, 1]


def test_and_counts_before_brackets_do():
    assert [branch.chunks for branch in branches("(a AND b)")] == [((Span("(a", 1.0),),), ((Span("b)", 1.0),),)]


def test_a_number_at_the_end_of_an_only_prompt_is_text():
    assert parse("wide, 16:9").plain


def test_an_escaped_colon_gives_no_weight():
    assert branches(r"a\:2 AND b")[0] == Branch(((Span("a:2", 1.0),),), 1.0)


def test_break_begins_a_chunk_and_takes_the_space_around_it():
    (branch,) = branches(" a (b BREAK c:1.5) BREAKBREAK BREAK [d BREAK |x]")
    texts = [[(span.text, span.weight) for span in chunk] for chunk in branch.chunks]
    assert texts == [[(" a ", 1), ("b", 1.5)], [("c", 1.5), (" BREAKBREAK", 1)], [("d", 1)], []]


def test_compels_and_makes_chunks_of_one_weight_each():
    (branch,) = branches('("a", "b (c)1.5, \\"d\\"").and(1, 0.5)')
    assert branch.chunks == ((Span("a", 1.0),), (Span("b ", 0.5), Span("c", 0.75), Span(', "d"', 0.5)))
    assert branches('("a","b").and()')[0].chunks == branches("a BREAK b")[0].chunks


def test_a_blend_is_a_weighted_mean_unless_it_says_otherwise():
    (branch,) = branches(' ("a", "[b|c]").blend(3, 1) ', step=1)
    assert branch == Branch((), 1.0, (Branch(((Span("a", 1.0),),), 0.75), Branch(((Span("c", 1.0),),), 0.25)))
    weights = {"": [0.5, 0.5], "1, -0.5": [2, -1], "1, 2, no_normalize": [1, 2], "no_normalize": [1, 1]}
    for inside, expected in weights.items():
        assert [part.weight for part in branches(f'("a", "b").blend({inside})')[0].blend] == expected
    assert [branch.weight for branch in branches('("a", "b").blend() AND c :0.5')] == [1, 0.5]


@pytest.mark.parametrize("call", [
    "and(1)", "and(1, 2, 3)", "and(x, 1)", "and(1, no_normalize)",
    "blend(1,)", "blend(1, -1)", "blend(1, nan)", "blend(0, 0)",
])  # fmt: skip
def test_a_call_with_wrong_numbers_says_what_is_wrong(call):
    with pytest.raises(Invalid, match=call.partition("(")[0]) as caught:
        parse(f'("a", "b").{call}', field="steps[0].prompt")
    assert caught.value.field == "steps[0].prompt" and caught.value.remedy


# Tags


@pytest.mark.parametrize("tag, expected", {
    "<lora:name>": ("lora", "name", 1, 1),
    "<lora:a name-v1.5:0.7>": ("lora", "a name-v1.5", 0.7, 0.7),
    "<lyco:n:0.5:1>": ("lora", "n", 0.5, 1),
    "<lora:n:te=0.5:unet=1>": ("lora", "n", 0.5, 1),
    "<lora:n:unet=-0.5>": ("lora", "n", 1, -0.5),
    "<lora:n:te=0.5>": ("lora", "n", 0.5, 0.5),
    "<lora:n:0.2:te=0.5>": ("lora", "n", 0.5, 0.5),
    "<LoRA: n : 1. >": ("lora", "n", 1, 1),
    "<hypernet:n:0.5>": ("hypernet", "n", 0.5, 0.5),
}.items())  # fmt: skip
def test_a_tag_names_a_network_and_its_weights(tag, expected):
    kind, name, text_weight, unet_weight = expected
    read = parse(f"a{tag} b")
    assert read.adapters == (Adapter(kind=kind, name=name, text_weight=text_weight, unet_weight=unet_weight),)
    assert read.plain and read.text == "a b"


def test_tags_are_taken_out_in_order_and_before_all_else():
    read = parse("[<lora:x AND y:1>a:b<hypernet:z>:3] <other:z:1> <lora:<lora:w>")
    assert [adapter.name for adapter in read.adapters] == ["x AND y", "z", "w"]
    assert said("[<lora:x:1>a:b:1]", 2) == ["a", "b"]


@pytest.mark.parametrize("tag", [
    "<lora:n:high>", "<lora:n:>", "<lora:n:te=x>", "<lora:n:1:2:3>", "<lora:n:dyn=4>", "<lora:n:101>", "<lora:n:nan>",
    "<lora::1>", "<lora:>",
])  # fmt: skip
def test_a_known_tag_that_cannot_be_read_says_so(tag):
    with pytest.raises(Invalid) as caught:
        parse(f"a {tag}", field="negative")
    assert caught.value.field == "negative" and tag in caught.value.message and "<lora:name" in caught.value.remedy


# Limits


@pytest.mark.parametrize("text, limit", [
    ("a" * (grammar.MAX_TEXT + 1), grammar.MAX_TEXT),
    ("(" * 65 + ")" * 65, grammar.MAX_DEPTH),
    ("[" * 65 + "|" + "]" * 65, grammar.MAX_DEPTH),
    ("a AND " * 16, grammar.MAX_BRANCHES),
    ("a BREAK " * 32, grammar.MAX_CHUNKS),
    ("(" + ", ".join(['"a"'] * 17) + ").blend()", grammar.MAX_BRANCHES),
    ("(born:1984)", 100), ("((a:11):11)", 100), ("a" + "+" * 30000, 100), ("((a:" + "9" * 400 + "):0)", 100),
    ("a:200 AND b", 100),
])  # fmt: skip
def test_a_limit_is_named_with_its_field(text, limit):
    with pytest.raises(Invalid, match=f"(?<!\\d){limit}(?!\\d)") as caught:
        parse(text, field="here")
    assert caught.value.field == "here" and caught.value.remedy


@pytest.mark.parametrize("text", [
    "x" * grammar.MAX_TEXT, "(" * 64 + "a" + ":1)" * 64, "a AND " * 15, "a BREAK " * 31, "(a:100)", "a" + "-" * 30000,
    "[a:" * 64 + "b" + ":1]" * 64,
])  # fmt: skip
def test_the_limit_itself_is_allowed(text):
    assert parse(text).schedule(20)


def test_a_schedule_that_asks_for_too_much_is_refused():
    many = parse("[" + "|".join(str(number) for number in range(600)) + "]", field="here")
    with pytest.raises(Invalid, match=str(prompt.MAX_ENCODED)) as caught:
        many.schedule(600)
    assert caught.value.field == "here" and len(many.schedule(500)) == 500
    with pytest.raises(Invalid, match=str(prompt.MAX_VISITS)):
        parse("[a|b]" + "(a)b" * 2000).schedule(1000)


# What holds for every prompt


def any_text(dice, pieces=LANGUAGE, length=40):
    return "".join(dice.choice(pieces) for _ in range(dice.randrange(length)))


def test_no_text_raises_anything_but_invalid_and_schedules_agree_with_their_steps():
    dice, read = random.Random(0), 0
    for _ in range(3000):
        text, steps = any_text(dice), dice.choice((1, 2, 7, 20))
        try:
            found = parse(text)
        except Invalid:
            continue
        read += 1
        schedule = dict(found.schedule(steps))
        current = schedule[0]
        for step in range(steps):
            before, current = current, schedule.get(step, current)
            assert found.at(step, steps) == current, text
            assert step == 0 or step not in schedule or before != current, text
    assert read > 2000


def test_any_text_without_the_languages_characters_is_plain():
    dice = random.Random(1)
    ordinary = [piece for piece in LANGUAGE if not set(piece) & set('()[]\\<+-"') and piece not in ("AND", "BREAK")]
    for _ in range(1000):
        text = any_text(dice, ordinary)
        assert parse(text).plain and parse(text).text == text


def test_any_text_can_be_escaped():
    dice = random.Random(2)
    pieces = [piece for piece in LANGUAGE if piece not in ("AND", "BREAK")]
    for _ in range(1000):
        text = any_text(dice, pieces)
        escaped = "".join(f"\\{letter}" if letter in '()[]\\:|<>"+-' else letter for letter in text)
        assert parse(escaped).plain and parse(escaped).text == text


def meaning(dice, depth):
    """A prompt, and a function from (step, steps) to its letters with their weights: written from the manual, and
    without a parser.
    """
    kind = dice.randrange(9) if depth else 0
    if kind < 2:
        word = dice.choice("abcdefgh")
        return word, lambda step, steps: [(word, 1.0)]
    one, first = meaning(dice, depth - 1)
    two, second = meaning(dice, depth - 1)
    weight, when = dice.choice((0.5, 1.2, 2)), dice.randrange(12)
    share = dice.randrange(10) / 8

    def times(factor):
        return lambda step, steps: [(letter, amount * factor) for letter, amount in first(step, steps)]

    return {
        2: (f"{one} {two}", lambda step, steps: [*first(step, steps), (" ", 1.0), *second(step, steps)]),
        3: (f"({one})", times(1.1)),
        4: (f"({one}:{weight})", times(weight)),
        5: (f"({one} )0.5", lambda step, steps: [*times(0.5)(step, steps), (" ", 0.5)]),
        6: (f"[{one}:{two}:{when}]", lambda step, steps: first(step, steps) if step < when else second(step, steps)),
        7: (f"[{one}::{share}]", lambda step, steps: first(step, steps) if step < int(share * steps) else []),
        8: (f"[{one}|{two}|]", lambda step, steps: [first, second, lambda *_: []][step % 3](step, steps)),
    }[kind]


def test_prompts_mean_what_they_were_made_to_mean():
    dice = random.Random(3)
    for _ in range(600):
        text, expected = meaning(dice, 4)
        steps = dice.choice((5, 10))
        for step in range(steps):
            (branch,) = branches(text, step, steps)
            letters = [(letter, span.weight) for span in branch.chunks[0] for letter in span.text]
            wanted = expected(step, steps)
            assert [letter for letter, _ in letters] == [letter for letter, _ in wanted], text
            assert [weight for _, weight in letters] == pytest.approx([weight for _, weight in wanted]), text


def calls(function):
    """How many calls, of Python and of C, it makes."""
    count, earlier = 0, sys.getprofile()

    def see(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(see)
    try:
        function()
    except Invalid:
        pass
    finally:
        sys.setprofile(earlier)
    return count


@pytest.mark.parametrize("piece", [
    "a, ", "(", "[", ")", "(a:1.2)", "[a:b:3]", "[a|b]", "(a)++ ", "a+ ", "a+.", "+", "-", "\\", "\\(", "<lora:",
    "<lora:a:1>", '("', '"a", ', "(a:", "[a|", "([)]", "((((a))))", " ", ":1", "BREAK", ".",
])  # fmt: skip
def test_ten_times_the_text_takes_ten_times_the_work(piece):
    short, long = (piece * (length // len(piece)) for length in (2_000, 20_000))
    assert calls(lambda: parse(long)) < 11 * calls(lambda: parse(short)) + 500


def test_a_step_looks_at_each_part_of_the_prompt_once():
    nested = parse("[" * 20 + "a" + ":b:5]" * 20 + "[c|d]" * 20)
    assert calls(lambda: nested.at(3, 20)) < 20 * nested.size


def test_reading_a_prompt_needs_no_torch():
    code = "import sys, velatura_engine.conditioning.grammar; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
