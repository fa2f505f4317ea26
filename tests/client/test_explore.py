"""What a grid is: values as they are written, fields by their paths, and which pictures come in which order."""

import random

import pytest
from velatura import explore, spec
from velatura.errors import Invalid, NotFound
from velatura.explore import fields
from velatura.explore.grid import digest
from velatura.testing import MODEL
from velatura.v1 import catalog_pb2, diffuse_pb2, jobs_pb2, knobs_pb2, operations_pb2

WALL = spec.diffuse("red brick wall", negative="red moss", width=64, height=64, seed=1)


def painted(job=WALL):
    """A copy, and its painting."""
    copy = jobs_pb2.JobSpec()
    copy.CopyFrom(job)
    return copy, fields.painting(copy)


def said(path, word, job=WALL):
    """The painting once `path` was set to `word`."""
    copy, task = painted(job)
    fields.put(copy, path, word)
    return task


def prompts(grid):
    return [fields.painting(cell.job).prompt.text for cell in grid.cells]


# Values


@pytest.mark.parametrize("words, expected", {
    "euler, ddim,dpmpp_2m": ["euler", "ddim", "dpmpp_2m"],
    "1..4": ["1", "2", "3", "4"],
    "4..1": ["4", "3", "2", "1"],
    "3..3": ["3"],
    "5..50+15": ["5", "20", "35", "50"],
    "5..19 + 5": ["5", "10", "15"],
    "9..1-4": ["9", "5", "1"],
    "0.2..0.8[4]": ["0.2", "0.4", "0.6", "0.8"],
    "0..1[4]": ["0", "0.333333", "0.666667", "1"],
    "1..0[3]": ["1", "0.5", "0"],
    "0.5..2": ["0.5", "1.5"],
    "-1..1": ["-1", "0", "1"],
    "0..0.3+0.1": ["0", "0.1", "0.2", "0.3"],
    "1, 5..6, 0.5": ["1", "5", "6", "0.5"],
    '"red, with moss", "say ""no""", plain': ["red, with moss", 'say "no"', "plain"],
    '"1..4"': ["1..4"],
    '""': [""],
    "a..b": ["a..b"],
    'six" wide, 1.5.2': ['six" wide', "1.5.2"],
}.items())  # fmt: skip
def test_values_are_read_as_an_artist_writes_them(words, expected):
    assert explore.values(words) == expected


@pytest.mark.parametrize(
    "words", ["", " ", "a,,b", "a,", '"a', '"a"b', "1..5+0", "1..5-1", "5..1+1", "1..2[1]", "1..2[0]", "0..9999",
              "1..2[9999]", ",".join(map(str, range(600))), "0..1+0.00001", "a" * 70_000],
)  # fmt: skip
def test_values_that_lead_nowhere_or_too_far_are_refused_with_their_axis(words):
    with pytest.raises(Invalid) as caught:
        explore.values(words, field="y")
    assert caught.value.field == "y" and caught.value.remedy


def test_any_text_is_either_values_or_refused():
    dice = random.Random(5)
    bits = [*'".,+-[]0123456789 ae', "..", '""', "1..9", "[4]", "0.1", "\n", "\0", "²", "٣"]
    for _ in range(4000):
        words = "".join(dice.choices(bits, k=dice.randrange(12)))
        try:
            found = explore.values(words)
        except Invalid:
            continue
        assert 1 <= len(found) <= 512 and all(isinstance(value, str) for value in found)


def test_values_in_quotes_come_back_as_they_were():
    dice = random.Random(6)
    for _ in range(500):
        wanted = ["".join(dice.choices('", .1a', k=dice.randrange(6))) for _ in range(dice.randrange(1, 5))]
        written = ", ".join('"' + value.replace('"', '""') + '"' for value in wanted)
        assert explore.values(written) == wanted


def test_a_range_has_exactly_the_numbers_between_its_ends():
    dice = random.Random(7)
    for _ in range(500):
        first, step, count = dice.randrange(-50, 50), dice.randrange(1, 9), dice.randrange(1, 60)
        last = first + step * (count - 1) + dice.randrange(step)
        assert explore.values(f"{first}..{last}+{step}") == [str(first + step * n) for n in range(count)]


# Fields


def test_short_names_and_paths_reach_their_fields():
    assert said("steps", "7").sampling.steps == 7
    assert said("cfg", "2.5").sampling.guidance == 2.5
    assert said("sampling.eta", "0.5").sampling.eta == 0.5
    assert said("seed", str(2**64 - 1)).seed == 2**64 - 1
    assert said("tiling.x", "yes").tiling.x is True
    assert said("fill", "surroundings").inpaint.fill == diffuse_pb2.FILL_MODE_SURROUNDINGS
    assert said("prompt", "moss").prompt.text == "moss"


def test_knobs_keep_their_kind():
    for word, kind in {"3": "integer", "0.5": "number", "true": "flag", "karras": "text", "nan": "text"}.items():
        assert said("sampling.knobs[eta]", word).sampling.knobs["eta"].WhichOneof("value") == kind


def test_entries_are_found_by_number_and_by_name():
    job = spec.diffuse("moss", adapters=[diffuse_pb2.Adapter(model="a.b"), diffuse_pb2.Adapter(model="rust")])
    assert said("adapters[1].weight", "0.5", job).adapters[1].weight == 0.5
    assert said("adapters[a.b].weight", "0.25", job).adapters[0].weight == 0.25
    assert said("adapters[rust].block_weights[mid]", "2", job).adapters[1].block_weights["mid"] == 2


def test_a_path_from_the_root_reaches_other_steps():
    job = spec.job(WALL, spec.upscale(spec.pixels_pb2.Image(blob_id="0"), factor=2))
    copy, _ = painted(job)
    fields.put(copy, "steps[1].upscale.factor", "4")
    assert copy.steps[1].upscale == operations_pb2.Upscale(image={"blob_id": "0"}, factor=4)


@pytest.mark.parametrize("path, word", [
    ("steps", "many"), ("steps", "-1"), ("steps", "1.5"), ("seed", str(2**64)), ("cfg", "nan"), ("cfg", "1e99"),
    ("stepz", "1"), ("tiling.x", "perhaps"), ("fill", "gold"), ("init.image", "x.png"), ("init", "x"), ("mask", "x"),
    ("adapters[0].weight", "1"), ("controls.strength", "1"), ("sampling.knobs", "1"), ("width.x", "1"), ("", "1"),
    ("sampling..eta", "1"), ("sampling.eta[0]", "1"), ("a" * 999, "1"), ("__class__", "1"),
    ("steps[9].diffuse.seed", "1"),
    ("init.image.data", "x"), ("prompt.spans[0].text", "x"), ("DESCRIPTOR", "1"), ("adapters", "x"),
])  # fmt: skip
def test_what_cannot_be_said_to_a_field_is_refused_with_its_axis(path, word):
    copy, _ = painted()
    with pytest.raises((Invalid, NotFound)) as caught:
        fields.put(copy, path, word, field="x")
    assert caught.value.field == "x"


def test_a_field_that_is_not_there_brings_those_that_are_like_it():
    with pytest.raises(NotFound, match="Did you mean sampler"):
        said("samplr", "euler")


def test_any_path_and_word_are_either_set_or_refused():
    dice = random.Random(8)
    bits = [
        *".[]0",
        "steps",
        "sampling",
        "knobs",
        "adapters",
        "rust",
        "prompt",
        "text",
        "seed",
        "init",
        "image",
        "mask",
    ]
    job = spec.diffuse("moss", adapters=[diffuse_pb2.Adapter(model="rust")])
    for _ in range(4000):
        copy, _ = painted(job)
        path, word = "".join(dice.choices(bits, k=dice.randrange(7))), dice.choice(["1", "x", "", "-0.5", "true"])
        try:
            fields.put(copy, path, word)
        except (Invalid, NotFound):
            continue
        assert copy.SerializeToString()


# Axes and grids


def test_pictures_come_along_x_then_down_y_then_by_z():
    grid = explore.Grid(WALL, explore.axis("steps", "1,2"), explore.axis("seed", "3,4"), explore.axis("cfg", "5,6"))
    tasks = [fields.painting(cell.job) for cell in grid.cells]
    assert [(task.sampling.steps, task.seed, task.sampling.guidance) for task in tasks] == [
        (1, 3, 5), (2, 3, 5), (1, 4, 5), (2, 4, 5), (1, 3, 6), (2, 3, 6), (1, 4, 6), (2, 4, 6),
    ]  # fmt: skip
    assert [(cell.x, cell.y, cell.z) for cell in grid.cells][:3] == [(0, 0, 0), (1, 0, 0), (0, 1, 0)]


def test_searching_and_replacing_begins_with_what_is_looked_for_in_both_prompts():
    grid = explore.Grid(WALL, explore.axis("prompt S/R", "red, blue, green"))
    assert prompts(grid) == ["red brick wall", "blue brick wall", "green brick wall"]
    assert [fields.painting(cell.job).negative.text for cell in grid.cells][1] == "blue moss"


@pytest.mark.parametrize("name", ["prompt S/R", "Prompt: S/R", "prompt_sr", "S/R", "sr"])
def test_searching_and_replacing_has_the_names_that_artists_know(name):
    assert isinstance(explore.axis(name, "a,b"), explore.ReplaceAxis)


def test_words_that_do_not_stand_in_the_prompt_are_refused():
    with pytest.raises(Invalid, match="does not stand in the prompt") as caught:
        explore.Grid(WALL, explore.axis("steps", "1,2"), explore.axis("sr", "Red, blue"))
    assert caught.value.field == "y"


def test_words_may_stand_in_a_prompt_of_another_axis():
    grid = explore.Grid(WALL, explore.axis("prompt", "old oak, grey oak"), explore.axis("sr", "oak, ash"))
    assert prompts(grid) == ["old oak", "grey oak", "old ash", "grey ash"]


def test_a_matrix_has_every_combination_of_its_parts():
    first, x, y = explore.matrix("brick | mossy | wet | old")
    grid = explore.Grid(spec.diffuse(first, seed=1), x, y)
    assert prompts(grid) == [
        "brick", "brick, mossy", "brick, wet", "brick, mossy, wet",
        "brick, old", "brick, mossy, old", "brick, wet, old", "brick, mossy, wet, old",
    ]  # fmt: skip
    assert x.labels == ("-", "mossy", "wet", "mossy + wet") and y.labels == ("-", "old")


def test_a_matrix_of_one_part_is_a_row_of_two():
    first, x, y = explore.matrix("brick | mossy")
    assert prompts(explore.Grid(spec.diffuse(first), x, y)) == ["brick", "brick, mossy"]


def test_bars_within_brackets_and_after_a_backslash_divide_no_matrix():
    first, x, _ = explore.matrix(r"[oak|birch] \| {a|b} | mossy")
    assert first == r"[oak|birch] \| {a|b}" and x.labels == ("-", "mossy")


@pytest.mark.parametrize("words", ["", "brick", "brick |", "| brick", "a | | b", " | ".join("abcdefghijk")])
def test_a_matrix_without_parts_or_with_too_many_is_refused(words):
    with pytest.raises(Invalid) as caught:
        explore.matrix(words)
    assert caught.value.field == "matrix"


def test_a_grid_has_512_pictures_at_most():
    axes = [explore.axis("seed", "1..64"), explore.axis("steps", "1..8")]
    assert explore.Grid(WALL, *axes).pictures == 512
    with pytest.raises(Invalid, match="64 x 8 x 2 are 1024 pictures, 512 at most"):
        explore.Grid(WALL, *axes, explore.axis("cfg", "1,2"))


def test_one_field_is_on_one_axis_only():
    with pytest.raises(Invalid, match="on x already"):
        explore.Grid(WALL, explore.axis("cfg", "1,2"), explore.axis("guidance", "3,4"))


@pytest.mark.parametrize("name, words", [("", "1,2"), ("steps", "1,1"), ("size", "12"), ("size", "axb"), ("steps", [])])
def test_an_axis_without_a_name_or_with_wrong_values_is_refused(name, words):
    with pytest.raises(Invalid):
        explore.Grid(WALL, explore.axis(name, words))


def test_a_size_sets_both_sides():
    grid = explore.Grid(WALL, explore.axis("size", "64x32, 32x64"))
    assert [(fields.painting(cell.job).width, fields.painting(cell.job).height) for cell in grid.cells] == [
        (64, 32),
        (32, 64),
    ]


def test_a_samplers_knob_is_known_by_its_name_alone():
    part = catalog_pb2.Part(id="euler", knobs=[knobs_pb2.KnobSpec(name="churn"), knobs_pb2.KnobSpec(name="eta")])
    catalog = catalog_pb2.Catalog(shelves=[catalog_pb2.Shelf(name="samplers", parts=[part])])
    assert explore.axis("churn", "1,2", catalog=catalog).name == "sampling.knobs[churn]"
    assert explore.axis("eta", "1,2", catalog=catalog).name == "eta"


def test_a_job_of_several_pictures_or_of_none_is_no_cell():
    with pytest.raises(Invalid, match="Make seed an axis"):
        explore.Grid(spec.diffuse("moss", count=2), explore.axis("steps", "1,2"))
    with pytest.raises(Invalid):
        explore.Grid(jobs_pb2.JobSpec(), explore.axis("steps", "1,2"))


def test_all_pictures_have_one_seed_unless_seeds_are_an_axis():
    open_seed = spec.diffuse("moss")
    drawn = explore.Grid(open_seed, explore.axis("steps", "1,2")).with_seed()
    assert len({fields.painting(cell.job).seed for cell in drawn.cells}) == 1
    seeds = explore.Grid(open_seed, explore.axis("seed", "1,2")).with_seed(9)
    assert [fields.painting(cell.job).seed for cell in seeds.cells] == [1, 2]


def test_names_of_files_tell_cells_apart_and_hold_nothing_strange():
    grid = explore.Grid(WALL, explore.axis("prompt", ["../../etc/passwd", "..", "<b>", "é", "A", "a" * 300, "con|?*:"]))
    names = [cell.name for cell in grid.cells]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") and ".." not in name for name in names)
    assert all(len(name) < 120 and name[0] not in ".-" for name in names)


def test_a_hash_tells_jobs_apart_by_what_they_paint():
    copy, task = painted()
    copy.labels["note"] = "x"
    copy.request_id = "y"
    assert digest(copy) == digest(WALL)
    task.seed = 2
    assert digest(copy) != digest(WALL)


def test_names_that_the_catalog_lacks_are_refused_before_anything_is_painted(engine, fake):
    grid = explore.Grid(WALL, explore.axis("steps", "1,2"), explore.axis("model", [MODEL, "fake/paintr"]))
    with pytest.raises(NotFound, match=MODEL) as caught:
        grid.check(engine)
    assert caught.value.field == "y" and not fake.specs


def test_values_that_the_engine_refuses_are_refused_before_anything_is_painted(engine, fake):
    grid = explore.Grid(WALL, explore.axis("size", "64x64, 8x8"))
    with pytest.raises(Invalid, match=r"Size 8x8: .*must be 16 to 8192") as caught:
        grid.check(engine)
    assert caught.value.field == "x" and not fake.jobs
