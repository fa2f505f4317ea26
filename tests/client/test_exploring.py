"""A grid that is painted: what lies in its folder, what is kept, what fails, how it is stopped, and how it looks."""

import io
import json
import random
import re
import threading
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from PIL import Image
from velatura import errors, explore, png, recipe, spec
from velatura.explore import font, page, sheet
from velatura.explore.folder import Folder, Made
from velatura.testing import Script

HOSTILE = """<script>alert(1)</script>"'> <img src=x onerror=alert(2)> &amp; </pre></details><a href="javascript:x">"""


def small(prompt="moss", **more):
    return spec.diffuse(prompt, width=32, height=16, **more)


def grid(prompt="moss", **more):
    return explore.Grid(small(prompt, **more), explore.axis("steps", "1,2"), explore.axis("cfg", "3,4"))


def explored(engine, folder, what=None, **more):
    return explore.start(engine, what or grid(), folder / "out", **more).result(20)


def states(outcome):
    return [made.state for made in outcome.made]


# The folder


def test_a_folder_has_every_picture_a_sheet_a_page_and_notes(engine, tmp_path):
    outcome = explored(engine, tmp_path)
    assert states(outcome) == ["painted"] * 4
    names = {made.file for made in outcome.made}
    assert {path.name for path in outcome.folder.iterdir()} == names | {"sheet.png", "index.html", "explore.json"}
    notes = json.loads((outcome.folder / "explore.json").read_text("utf-8"))
    assert notes["axes"] == {
        "x": {"name": "steps", "values": ["1", "2"]},
        "y": {"name": "cfg", "values": ["3", "4"]},
    }
    assert [(cell["x"], cell["y"], cell["file"] in names) for cell in notes["cells"]] == [
        (0, 0, True), (1, 0, True), (0, 1, True), (1, 1, True),
    ]  # fmt: skip


def test_every_picture_carries_the_recipe_of_its_cell(engine, tmp_path):
    outcome = explored(engine, tmp_path)
    for made in outcome.made:
        inside = recipe.read((outcome.folder / made.file).read_bytes())
        sampling = inside.spec.steps[0].diffuse.sampling
        assert (sampling.steps, sampling.guidance) == (1 + made.x, 3 + made.y)


def test_jobs_let_others_go_first(engine, fake, tmp_path):
    explored(engine, tmp_path)
    assert {job.lane for job in fake.specs} == {spec.jobs_pb2.LANE_BATCH}


def test_pictures_of_before_are_kept(engine, fake, tmp_path):
    first = explored(engine, tmp_path, grid(seed=1))
    before = len(fake.jobs)
    again = explored(engine, tmp_path, grid(seed=1))
    assert states(again) == ["kept"] * 4 and len(fake.jobs) == before
    assert [made.file for made in again.made] == [made.file for made in first.made]
    assert again.sheet.read_bytes()


def test_a_drawn_seed_is_drawn_once_for_a_folder(engine, tmp_path):
    first, again = explored(engine, tmp_path), explored(engine, tmp_path)
    assert states(again) == ["kept"] * 4
    assert {made.seed for made in first.made} == {made.seed for made in again.made}


def test_only_what_is_new_is_painted(engine, fake, tmp_path):
    explored(engine, tmp_path, grid(seed=1))
    before = len(fake.jobs)
    wider = explore.Grid(small(seed=1), explore.axis("steps", "1..3"), explore.axis("cfg", "3,4"))
    assert states(explored(engine, tmp_path, wider)) == ["kept", "kept", "painted"] * 2
    assert len(fake.jobs) == before + 2


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"x" * 100])
def test_a_broken_picture_is_painted_again(engine, tmp_path, content):
    first = explored(engine, tmp_path, grid(seed=1))
    (first.folder / first.made[2].file).write_bytes(content)
    assert states(explored(engine, tmp_path, grid(seed=1))) == ["kept", "kept", "painted", "kept"]


def test_a_picture_without_a_recipe_is_painted_again(engine, tmp_path):
    first = explored(engine, tmp_path, grid(seed=1))
    path = first.folder / first.made[0].file
    bare = png.decode(path.read_bytes())
    path.write_bytes(png.encode(replace(bare, texts={})))
    assert states(explored(engine, tmp_path, grid(seed=1)))[0] == "painted"


def test_a_folder_with_other_things_is_left_alone(engine, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sheet.png").write_text("mine")
    with pytest.raises(errors.Invalid, match="holds other things"):
        explored(engine, tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("notes", ["{", "[]", '{"what": "other"}', "[" * 100_000, "\ud800"])
def test_notes_that_are_not_ours_claim_no_folder(engine, tmp_path, notes):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "explore.json").write_text(notes, "utf-8", "surrogatepass")
    with pytest.raises(errors.Invalid, match="holds other things"):
        explored(engine, tmp_path)


@pytest.mark.parametrize("seed", ["7", -1, 2**64, True, 1.5, [], None])
def test_a_strange_seed_in_the_notes_is_drawn_anew(engine, tmp_path, seed):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "explore.json").write_text(json.dumps({"what": "velatura explore", "seed": seed}))
    assert states(explored(engine, tmp_path)) == ["painted"] * 4


def test_a_folder_that_cannot_be_made_is_named(engine, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(errors.Invalid) as caught:
        explored(engine, tmp_path)
    assert caught.value.field == "folder"


# What goes wrong


def test_a_cell_that_fails_says_why_and_the_others_go_on(engine, fake, tmp_path):
    fake.once(Script())
    fake.once(Script(fail=errors.OutOfMemory("It is too large")))
    outcome = explored(engine, tmp_path)
    assert states(outcome) == ["painted", "failed", "painted", "painted"]
    assert "too large" in outcome.made[1].why and "too large" in outcome.page.read_text("utf-8")
    assert outcome.count("failed") == 1


def test_a_cell_that_failed_is_tried_again_next_time(engine, fake, tmp_path):
    fake.once(Script(fail=errors.Broken("It went wrong")))
    explored(engine, tmp_path)
    assert states(explored(engine, tmp_path)) == ["painted", "kept", "kept", "kept"]


def test_a_busy_engine_is_asked_again(engine, fake, tmp_path):
    fake.once(Script(refuse=errors.Busy("The queue is full", retry_after=0.1)))
    assert states(explored(engine, tmp_path)) == ["painted"] * 4


def test_an_engine_that_is_gone_ends_it_and_the_folder_can_be_gone_on_with(engine, fake, tmp_path):
    fake.once(Script())
    fake.once(Script(kill_after=2))
    running = explore.start(engine, grid(seed=1), tmp_path / "out", ahead=1)
    with pytest.raises(errors.Unreachable):
        running.result(20)
    assert len(list((tmp_path / "out").glob("steps-*.png"))) == 1 and (tmp_path / "out" / "index.html").is_file()


def test_cancelling_stops_it_and_keeps_what_is_there(engine, fake, tmp_path):
    fake.once(Script())
    fake.once(Script(hang=True))
    running = explore.start(engine, grid(seed=1), tmp_path / "out")
    for event in running:
        if event.done:
            running.cancel()
    assert isinstance(running.error, errors.Cancelled)
    assert states(explored(engine, tmp_path, grid(seed=1))) == ["kept", "painted", "painted", "painted"]


def test_nothing_waits_on_the_callers_thread(engine, fake, tmp_path):
    fake.once(Script(hang=True))
    running = explore.start(engine, grid(), tmp_path / "out")
    assert not running.done and running.poll() == [] and not running.wait(0.01)
    with pytest.raises(errors.Timeout):
        running.result(0.01)
    running.cancel()
    assert running.wait(20)


def test_events_count_up_to_the_whole_on_a_thread_of_its_own(engine, tmp_path):
    told, threads = [], set()

    def hear(event):
        told.append(event)
        threads.add(threading.current_thread().name)

    explored(engine, tmp_path, on_event=hear)
    assert [event.done for event in told if event.made] == [1, 2, 3, 4] and told[-1].fraction == 1.0
    assert threads == {"velatura-explore"}


def test_a_few_jobs_are_at_the_engine_at_a_time(engine, fake, tmp_path):
    fake.once(Script(hang=True))
    running = explore.start(engine, grid(), tmp_path / "out", ahead=3)
    until = threading.Event()
    while len(fake.jobs) < 3:
        until.wait(0.01)
    until.wait(0.2)
    assert len(fake.jobs) == 3
    running.cancel()
    assert running.wait(20)


# The page


class Reader(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.words.append(data)


def seen(outcome):
    reader = Reader()
    reader.feed(outcome.page.read_text("utf-8"))
    return reader


def test_a_page_shows_every_picture_and_leads_nowhere_else(engine, tmp_path):
    outcome = explored(engine, tmp_path)
    reader = seen(outcome)
    assert reader.tags.count("img") == 4
    assert all((outcome.folder / unquote(link)).is_file() for link in reader.links)
    assert all(f"velatura generate --replay {made.file}" in "".join(reader.words) for made in outcome.made)


def test_a_prompt_is_nothing_but_text_on_the_page(engine, tmp_path):
    what = explore.Grid(
        small(f"moss {HOSTILE}", negative=HOSTILE), explore.axis("sr", ["moss", HOSTILE]), explore.axis("steps", "1,2")
    )
    reader = seen(explored(engine, tmp_path, what))
    assert not {"script", "iframe", "object", "form", "base"} & set(reader.tags)
    assert not [link for link in reader.links if ":" in link or "//" in link]
    assert HOSTILE in "".join(reader.words)


def test_a_failure_is_nothing_but_text_on_the_page(engine, fake, tmp_path):
    fake.once(Script(fail=errors.Broken(HOSTILE)))
    reader = seen(explored(engine, tmp_path))
    assert "script" not in reader.tags and HOSTILE in "".join(reader.words)


def test_any_text_is_nothing_but_text_on_the_page():
    dice = random.Random(9)
    bits = ["<", ">", '"', "'", "&", "script", "--", "]]", "/", "=", "on", "é", "\0", "\n", " ", "漢"]
    tags = None
    for _ in range(300):
        words = "".join(dice.choices(bits, k=dice.randrange(1, 20)))
        what = explore.Grid(small(words), explore.axis("prompt", [words, "moss"]))
        reader = Reader()
        reader.feed(page.write(what, (Made(x=0, y=0, z=0, state="failed", why=words),)))
        tags = tags or reader.tags
        assert reader.tags == tags


# The sheet


def drawn(outcome):
    with Image.open(io.BytesIO(outcome.sheet.read_bytes())) as opened:
        return opened.convert("RGB")


def ink(picture):
    """Rows and columns where a picture is not paper."""
    mask = picture.convert("L").point(lambda value: 255 if value < 240 else 0)
    return mask.getbbox()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_sheet_shows_the_very_pixels_of_each_cell(engine, tmp_path, count):
    axes = [explore.axis("seed", "1..3"), explore.axis("cfg", "3,4"), explore.axis("steps", "1,2")][:count]
    outcome = explored(engine, tmp_path, explore.Grid(small(), *axes))
    whole = drawn(outcome)
    found = _places(whole, outcome)
    assert len(found) == outcome.count("painted")
    for one in outcome.made:
        for other in outcome.made:  # x goes right, y and z go down
            if (one.y, one.z) == (other.y, other.z) and one.x < other.x:
                assert found[one][0] < found[other][0] and found[one][1] == found[other][1]
            if (one.z, one.y) < (other.z, other.y):
                assert found[one][1] < found[other][1]


def _places(whole, outcome):
    """Where each picture lies on the sheet; pictures of a seed are alike, so each place is taken once."""
    free, found = [], {}
    width, height = 32, 16
    pixels = whole.load()
    for y in range(whole.height - height + 1):
        for x in range(whole.width - width + 1):
            if pixels[x, y][:2] == (0, 0) and pixels[x + width - 1, y + height - 1][:2] == (255, 255):
                free.append((x, y, whole.crop((x, y, x + width, y + height)).tobytes()))
    for made in outcome.made:
        with Image.open(outcome.folder / made.file) as opened:
            wanted = opened.convert("RGB").tobytes()
        place = next(place for place in free if place[2] == wanted)
        free.remove(place)
        found[made] = place[:2]
    return found


def test_no_label_touches_a_picture_or_another_label(engine, tmp_path, monkeypatch):
    """Every letter is drawn where nothing was drawn yet, and inside the sheet."""
    drawn_boxes = []
    true_text, true_picture = sheet.Canvas.text, sheet.Canvas.picture

    def text(self, x, y, words, color=sheet.INK):
        if words:
            drawn_boxes.append((x, y, x + len(words) * font.WIDTH * sheet.SCALE, y + font.HEIGHT * sheet.SCALE, self))
        true_text(self, x, y, words, color)

    def picture(self, x, y, picture):
        drawn_boxes.append((x, y, x + picture.width, y + picture.height, self))
        true_picture(self, x, y, picture)

    monkeypatch.setattr(sheet.Canvas, "text", text)
    monkeypatch.setattr(sheet.Canvas, "picture", picture)
    long = "a very long phrase that goes on and on " * 8
    what = explore.Grid(
        small(long),
        explore.axis("prompt", [long, "x" * 200, "short"]),
        explore.axis("negative", ["y" * 200, long, ""]),
        explore.axis("seed", "1,2"),
    )
    explored(engine, tmp_path, what)
    assert len(drawn_boxes) > 18
    for number, (left, top, right, bottom, canvas) in enumerate(drawn_boxes):
        assert left >= 0 and top >= 0 and right <= canvas.width and bottom <= canvas.height
        for l2, t2, r2, b2, _ in drawn_boxes[:number]:
            assert right <= l2 or r2 <= left or bottom <= t2 or b2 <= top


def test_a_large_grid_stays_a_sheet_that_can_be_opened():
    what = explore.Grid(small(), explore.axis("seed", "1..32"), explore.axis("steps", "1..16"))
    side = sheet._side(what)
    assert side * side * 512 <= sheet.MAX_PIXELS and side >= 128


@pytest.mark.parametrize("channels, bits", [(1, 8), (2, 8), (3, 8), (4, 8), (1, 16), (3, 16)])
def test_a_small_picture_is_the_mean_of_squares(channels, bits):
    values = [random.Random(3).randrange(256) for _ in range(7 * 5 * channels)]
    data = bytes(values) if bits == 8 else b"".join(bytes((17, value)) for value in values)
    small = sheet.shrunk(png.Raster(width=7, height=5, channels=channels, bits=bits, data=data), 3)
    assert (small.width, small.height, small.channels, small.bits) == (2, 1, 3, 8)
    for x in range(2):
        for plane in range(3):
            at = plane if channels >= 3 else 0
            block = [values[(row * 7 + x * 3 + column) * channels + at] for row in range(3) for column in range(3)]
            assert small.data[x * 3 + plane] == sum(block) // 9


def test_a_picture_that_cannot_be_opened_leaves_a_note_on_the_sheet(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    what = explore.Grid(small(), explore.axis("steps", "1,2"))
    made = (Made(x=0, y=0, z=0, state="kept", file="broken.png"), Made(x=1, y=0, z=0, state="failed", why="too large"))
    file = sheet.draw(what, made, Folder(tmp_path))
    with Image.open(io.BytesIO(file)) as opened:
        assert (158, 32, 32) in opened.convert("RGB").get_flattened_data()


# Letters


def test_every_letter_of_ascii_is_drawn_and_no_two_are_alike():
    letters = [chr(code) for code in range(33, 127)]
    drawings = [font.glyph(letter) for letter in letters]
    assert len(set(drawings)) == len(letters)
    assert all(len(rows) == 8 and all(re.fullmatch("[.#]{5}", row) for row in rows) for rows in drawings)


def test_accents_fall_off_and_other_scripts_are_boxes():
    assert font.glyph("é") == font.glyph("e") and font.glyph("漢") == font.glyph("字") != font.glyph("a")
    assert font.glyph("\u00a0") == font.glyph(" ")


@pytest.mark.parametrize("text, width, lines, expected", [
    ("red brick wall", 20, 2, ["red brick wall"]),
    ("red brick wall", 9, 2, ["red brick", "wall"]),
    ("red brick wall", 5, 2, ["red", "br..."]),
    ("abcdefghij", 4, 2, ["abcd", "e..."]),
    ("abcdefgh", 4, 2, ["abcd", "efgh"]),
    ("  a\n b ", 9, 1, ["a b"]),
    ("", 9, 2, []),
    ("abc", 1, 1, ["."]),
])  # fmt: skip
def test_long_labels_wrap_and_then_end_in_dots(text, width, lines, expected):
    assert font.wrapped(text, width, lines) == expected


def test_any_label_keeps_within_its_lines():
    dice = random.Random(4)
    for _ in range(2000):
        text = "".join(dice.choices("ab c漢", k=dice.randrange(60)))
        width, lines = dice.randrange(1, 12), dice.randrange(1, 4)
        found = font.wrapped(text, width, lines)
        assert len(found) <= lines and all(len(line) <= width for line in found)
        if not any("." in line for line in found):
            assert "".join("".join(found).split()) == "".join(text.split())
