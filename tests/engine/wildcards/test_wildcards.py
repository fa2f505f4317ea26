"""Choices in prompts: worked by hand, against arithmetic, and with hostile prompts and files."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import permutations

import pytest
from velatura_engine.errors import Invalid, NotFound, VelaturaError
from velatura_engine.wildcards import folder as files
from velatura_engine.wildcards import marks
from velatura_engine.wildcards.drawing import Drawing
from velatura_engine.wildcards.folder import Wildcards

FILES = {
    "colour": "# what colours there are\n\nred\n blue \n",
    "deep/stone": "granite\nslate\n",
    "deep/moss": "wet moss",
    "nested": "{dark|light} __colour__",
    "weighted": "3::oak\n0::ash\n1::elm",
    "self": "a __self__",
    "loop": "__loop__ __loop__",
    "ping": "__pong__",
    "pong": "__ping__",
    "odd": "a } b\nx_\n\\\n{a|b\n[a|b]\n(a:1.2)",
    "win": "\ufeffone\r\ntwo\r\n",
}


@pytest.fixture
def wildcards(tmp_path):
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return Wildcards([tmp_path])


def write(root, name, text):
    path = root / "wildcards" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


def drawing(text, wildcards=None):
    return Drawing(text, wildcards or Wildcards(), "prompt")


def every(text, wildcards=None, most=100):
    return drawing(text, wildcards).every(most)


def drawn(text, wildcards=None, count=200):
    """What comes out for many seeds, and how often."""
    source = drawing(text, wildcards)
    return Counter(source.one(seed) for seed in range(count))


# What is a choice


@pytest.mark.parametrize("text", [
    "", "a brick wall", "{moss}", "{", "}", "a { b | c", "a | b }", "{a {b} c}", r"\{a|b\}", r"\{a|b}", "____",
    "a __ b", "_a_", "__a", r"\__colour__", "[oak|birch]", "{[oak|birch]}", "__a b__", "$$", "{$$}", "(a:1.2)",
    "{}", "{-$$a}",
])  # fmt: skip
def test_what_is_no_choice_is_left_as_it_is(text):
    assert not marks.has_choices(text, field="prompt")


@pytest.mark.parametrize("text, expected", {
    "a {red|blue} wall": ["a red wall", "a blue wall"],
    "{a|b} {c|d}": ["a c", "a d", "b c", "b d"],
    "{a {b|c}|d}": ["a b", "a c", "d"],
    "{a|}": ["a", ""],
    "{ a | b }": ["a", "b"],
    "{a|a}": ["a"],
    "{{a|b}}": ["\\{a\\}", "\\{b\\}"],
    "{2$$a|b}": ["a, b", "b, a"],
    "{2$$ and $$a|b}": ["a and b", "b and a"],
    "{1-2$$, $$a|b}": ["a", "b", "a, b", "b, a"],
    "{-1$$a|b}": ["a", "b"],
    "{2-$$a|b}": ["a, b", "b, a"],
    "{9$$a|b}": ["a, b", "b, a"],
    "{0-1$$a}": ["", "a"],
    "{0$$a|b}x": ["x"],
    "{3::a|0::b|c}": ["a", "c"],
    "{[a|b]|c}": ["[a|b]", "c"],
    "{[a|b|c}": ["[a", "b", "c"],
    "{a|b} # c // /* e */ ${f} %{g}": ["a # c // /* e */ $\\{f\\} %\\{g\\}", "b # c // /* e */ $\\{f\\} %\\{g\\}"],
    "{(a:1.2)|b++}": ["(a:1.2)", "b++"],
    "{16:9|4:3}": ["16:9", "4:3"],
    "{a\nb|c}": ["a\nb", "c"],
    "{!a|~b}": ["!a", "~b"],
}.items())  # fmt: skip
def test_a_choice_stands_for_these_prompts_in_this_order(text, expected):
    assert every(text) == expected


def test_two_of_many_are_all_ordered_pairs():
    options = "abcdef"
    wanted = [f"{one}, {other}" for one, other in permutations(options, 2)]
    assert every(f"{{2$${'|'.join(options)}}}") == wanted


@pytest.mark.parametrize("text, meant", {
    r"\{a|b\}": "{a|b}", r"\__a__": "__a__", r"\(a\)": r"\(a\)", r"\\{": r"\\{", "plain": "plain", "\\": "\\",
    r"\\\{": r"\\{",
}.items())  # fmt: skip
def test_a_backslash_makes_braces_and_underscores_ordinary(text, meant):
    assert marks.plain(text) == meant


# Drawing


def test_a_seed_draws_the_same_again_and_others_draw_others():
    source = drawing("{" + "|".join(map(str, range(100))) + "}")
    assert [source.one(seed) for seed in range(9)] == [source.one(seed) for seed in range(9)]
    assert len({source.one(seed) for seed in range(9)}) > 5


def test_what_is_drawn_is_what_it_was_in_the_first_release():
    """A recipe keeps what was drawn; but an artist who types the same prompt and seed again wants the same again."""
    assert [drawing("{a|b|c|d}").one(seed) for seed in range(12)] == list("acaacbbdaacd")


def test_every_option_has_its_share():
    found = drawn("{3::a|b}", count=2000)
    assert 1400 < found["a"] < 1600 and found["a"] + found["b"] == 2000


def test_a_line_of_a_file_is_drawn_without_comments_and_spaces(wildcards):
    assert set(drawn("a __colour__ wall", wildcards)) == {"a red wall", "a blue wall"}


def test_lines_have_their_weights(wildcards):
    found = drawn("__weighted__", wildcards, 2000)
    assert set(found) == {"oak", "elm"} and 1400 < found["oak"] < 1600


def test_lines_may_hold_choices_and_other_wildcards(wildcards):
    assert every("__nested__", wildcards) == ["dark red", "dark blue", "light red", "light blue"]
    assert set(drawn("__nested__", wildcards)) == set(every("__nested__", wildcards))


@pytest.mark.parametrize("name, expected", {
    "deep/stone": ["granite", "slate"], "stone": ["granite", "slate"], "deep/*": ["wet moss", "granite", "slate"],
    "win": ["one", "two"], "*stone": ["granite", "slate"],
}.items())  # fmt: skip
def test_files_are_named_by_path_by_name_alone_and_with_a_star(wildcards, name, expected):
    assert every(f"__{name}__", wildcards) == expected


def test_several_different_lines_are_drawn_of_one_file(wildcards):
    assert set(drawn("{2$$__colour__}", wildcards)) == {"red, blue", "blue, red"}
    assert every("{2$$__colour__}", wildcards) == ["red, blue", "blue, red"]


def test_a_file_that_is_put_there_later_is_found(wildcards, tmp_path):
    write(tmp_path, "late", "moss")
    assert drawing("__late__", wildcards).one(1) == "moss"


def test_the_first_folder_has_its_say(tmp_path):
    write(tmp_path / "a", "x", "first")
    write(tmp_path / "b", "x", "second")
    assert every("__x__", Wildcards([tmp_path / "a", tmp_path / "b"])) == ["first"]


def test_what_was_drawn_holds_no_choice_and_means_what_it_says(wildcards):
    for text in every("{a|b} __odd__ \\{x|y\\} _{_colour__|_z__} {c|d", wildcards, 500):
        assert not marks.has_choices(text, field="prompt")
        assert "{x|y}" in marks.plain(text) and marks.plain(text).endswith("{c|d")


LANGUAGE = [*"{}|\\_[]$:,- 12ab*/.\n", "__colour__", "__odd__", "2$$", "1-2$$", "3::", "{a|b}", "__", "é", "##", "${"]


def test_any_prompt_is_drawn_or_refused_and_drawing_twice_changes_nothing(wildcards):
    dice = random.Random(11)
    refused = 0
    for _ in range(1000):
        text = "".join(dice.choices(LANGUAGE, k=dice.randrange(14)))
        try:
            if not marks.has_choices(text, field="prompt"):
                continue
            one = drawing(text, wildcards).one(dice.randrange(2**64))
            many = every(text, wildcards, 5)
        except (Invalid, NotFound) as trouble:
            refused += 1
            assert trouble.field == "prompt" and trouble.remedy
            continue
        for result in (one, *many):
            assert not marks.has_choices(result, field="prompt")
    assert refused < 400


def test_text_in_armour_is_read_as_it_stands_whatever_it_meets():
    dice = random.Random(12)
    for _ in range(5000):
        parts = ["".join(dice.choices(LANGUAGE, k=dice.randrange(6))) for _ in range(3)]
        whole = "".join(map(marks.armoured, parts))
        assert not marks.has_choices(whole, field="prompt")
        assert len(marks.plain(whole).replace("\\", "")) == len("".join(parts).replace("\\", ""))


# Hostile prompts and files


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "/etc/passwd", "a/../b", "~root", "C:/x", "./x", ".hidden", "a//b"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(wildcards, name):
    with pytest.raises(VelaturaError) as caught:
        drawing(f"a __{name}__", wildcards).one(1)
    assert caught.value.field == "prompt" and caught.value.remedy


def test_links_out_of_the_folder_and_what_is_no_file_are_no_wildcards(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "models" / "wildcards"
    root.mkdir(parents=True)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "circle.txt").symlink_to(root / "circle.txt")
    (root / "folder.txt").mkdir()
    (root / ".hidden.txt").write_text("x")
    os.mkfifo(root / "pipe.txt")
    (root / "good.txt").write_text("x")
    assert Wildcards([tmp_path / "models"]).names() == ("good",)


def test_a_wildcard_that_is_not_there_brings_those_that_are_like_it(wildcards):
    with pytest.raises(NotFound, match="unknown wildcard 'color'") as caught:
        drawing("__color__", wildcards).one(1)
    assert caught.value.suggestions[0] == "colour" and caught.value.field == "prompt"


def test_where_there_are_no_files_at_all_it_is_said_where_to_put_them():
    with pytest.raises(NotFound) as caught:
        drawing("__colour__").one(1)
    assert "colour.txt" in caught.value.remedy and "wildcards" in caught.value.remedy


@pytest.mark.parametrize("name", ["self", "loop", "ping"])
@pytest.mark.parametrize("how", ["one", "every"])
def test_files_that_name_themselves_or_each_other_end_in_an_error(wildcards, name, how):
    began = time.monotonic()
    with pytest.raises(Invalid) as caught:
        getattr(drawing(f"__{name}__", wildcards), how)(3)
    assert caught.value.field == "prompt" and caught.value.remedy and time.monotonic() - began < 5


@pytest.mark.parametrize("content, why", {
    b"x\n" * (files.MAX_LINES + 1): "lines", b"x" * (files.MAX_BYTES + 1): "larger", b"\xff\xfe": "UTF-8",
    b"y" * (files.MAX_LINE + 1): "characters", b"a\0b": "text", b"": "nothing to draw", b"# a\n\n": "nothing to draw",
    b"0::a\n0::b": "nothing to draw",
}.items(), ids=range(8))  # fmt: skip
def test_a_file_that_is_too_large_or_holds_nothing_is_refused(tmp_path, content, why):
    write(tmp_path, "x", content)
    with pytest.raises(Invalid, match=why) as caught:
        drawing("__x__", Wildcards([tmp_path])).one(1)
    assert caught.value.field == "prompt" and caught.value.remedy


def test_what_grows_at_every_file_is_stopped(tmp_path):
    for level in range(9):
        write(tmp_path, f"a{level}", f"__a{level + 1}__ " * 9)
    write(tmp_path, "a9", "x" * 2000)
    for how in ("one", "every"):
        with pytest.raises(Invalid):
            getattr(drawing("__a0__", Wildcards([tmp_path])), how)(3)


def test_long_lines_do_not_make_a_longer_prompt_than_any_may_be(tmp_path):
    write(tmp_path, "long", "x" * 2000)
    with pytest.raises(Invalid, match="longer than 8192 bytes"):
        drawing("__long__ " * 5, Wildcards([tmp_path])).one(1)


@pytest.mark.parametrize("text", [
    "{a|" * 17 + "b" + "}" * 17, "{" + "|".join("a" * 600) + "}", "{0::a|0::b}",
], ids=range(3))  # fmt: skip
def test_too_many_choices_and_choices_of_nothing_are_refused(text):
    with pytest.raises(Invalid) as caught:
        drawing(text).one(1)
    assert caught.value.field == "prompt" and caught.value.remedy


@pytest.mark.parametrize("text", [
    "{a|b|c|d|e|f|g|h}" * 400, "{9$$" + "|".join(map(str, range(500))) + "}", "{8$$" + "|".join(["{a|a}"] * 12) + "}",
    "{" * 4000 + "a|b" + "}" * 4000, "{a|b" * 2000, "__a" * 2700, "_" * 8000, "\\" * 8001, "{[" * 2000 + "|}" * 2000,
    "{2$$" * 1500, "[|" * 3000 + "}{" * 900,
], ids=range(11))  # fmt: skip
def test_long_prompts_are_read_and_drawn_in_little_time(text):
    began = time.monotonic()
    for how in ("one", "every"):
        try:
            if marks.has_choices(text, field="prompt"):
                getattr(drawing(text), how)(3)
        except VelaturaError:
            pass
    assert time.monotonic() - began < 10


def test_listing_needs_no_library_and_nothing_of_torch():
    code = "import sys; from velatura_engine.wildcards import drawing, folder, marks; " \
        "assert not {'dynamicprompts', 'pyparsing', 'torch'} & set(sys.modules)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)
