"""Everything beyond the words: hints, adapters, knobs of the catalog, styles, and pictures painted over pictures."""

import threading

import bpy
import numpy as np
import pytest
from scenes import add, after_the_button, select, suzanne
from velatura import pixels
from velatura.testing import picture
from velatura_blender import knobs, looks, masks, offer, painting, place, styles
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def known(scene, fake):
    """The scene's settings, with an engine that has been asked what it has."""
    bpy.ops.velatura.look(wait=True)
    return scene.velatura


def generate(**more):
    given = {"prompt": "moss", "size": 64, "seed": 3} | more
    return bpy.ops.velatura.generate(wait=True, **given)


def asked(fake):
    return fake.specs[-1].steps[0].diffuse


def plain(name="Photo", width=32, height=16, color=(200, 100, 50)):
    return place.image(name, np.broadcast_to(np.array(color, np.uint8), (height, width, 3)))


def test_a_picture_is_painted_into_a_new_packed_image(scene, fake):
    assert generate(height=32, edges="x") == {"FINISHED"}
    made = bpy.data.images["moss"]
    expected = np.frombuffer(picture(64, 32, 3), np.uint8).reshape(32, 64, 3)
    np.testing.assert_array_equal(place.read(made)[..., :3], expected)
    assert made.packed_file is not None and '"seed"' in made[place.RECIPE]
    assert asked(fake).tiling.x and not asked(fake).tiling.y


def test_a_picture_over_another_takes_its_size_and_leaves_it_alone(scene, fake):
    photo = plain()
    generate(source="IMAGE", image="Photo", strength=0.5)
    sent = asked(fake)
    assert (sent.width, sent.height) == (32, 16) and sent.init.strength == 0.5
    np.testing.assert_array_equal(pixels.to_array(sent.init.image), place.read(photo)[..., :3])
    assert (place.read(photo)[..., :3] == (200, 100, 50)).all() and bpy.data.images["moss"] != photo


def test_what_is_transparent_is_painted_anew(known, fake):
    holed = np.full((16, 32, 4), 255, np.uint8)
    holed[4:8, 10:20, 3] = 0
    place.image("Photo", holed)
    known.mask_source, known.mask_grow = "ALPHA", 3
    generate(source="MASK", image="Photo")
    np.testing.assert_array_equal(pixels.to_array(asked(fake).mask.image)[..., 0], 255 - holed[..., 3])
    assert asked(fake).inpaint.grow == 3


def test_what_is_white_in_another_picture_is_painted_anew(known, fake):
    plain()
    known.mask_source, known.mask_image = "IMAGE", plain("Mask", color=(255, 255, 255))
    generate(source="MASK", image="Photo")
    assert (pixels.to_array(asked(fake).mask.image) == 255).all()


def square(mask, low, high):
    """A closed square of straight lines, in a mask's own places."""
    spline = mask.layers.new().splines.new()
    spline.points.add(4 - len(spline.points))
    corners = [(low, low), (high, low), (high, high), (low, high)]
    for point, corner in zip(spline.points, corners, strict=True):
        point.co = corner
        point.handle_type = "VECTOR"
    for number, point in enumerate(spline.points):
        here, following = np.array(corners[number]), np.array(corners[(number + 1) % 4])
        before = np.array(corners[number - 1])
        point.handle_left, point.handle_right = here + (before - here) / 3, here + (following - here) / 3
    spline.use_cyclic = spline.use_fill = True
    return mask.layers[-1]


def test_what_a_masks_curves_enclose_is_painted_anew_in_a_wide_picture_too(scene):
    mask = bpy.data.masks.new("Mask")
    square(mask, 0.25, 0.5)
    found = masks.enclosed(mask, 64, 64)()
    expected = np.zeros((64, 64), np.uint8)
    expected[32:48, 16:32] = 255  # rows count from the top, masks from the bottom
    np.testing.assert_array_equal(found, expected)
    wide = np.zeros((32, 64), np.uint8)  # the mask's square reaches 16 pixels beyond it, above and below
    wide[16:32, 16:32] = 255
    np.testing.assert_array_equal(masks.enclosed(mask, 64, 32)(), wide)


def paint(image, *color):
    width, height = image.size
    image.pixels.foreach_set(np.tile(np.float32(color), width * height))


@pytest.mark.parametrize("kind", ["ALPHA", "IMAGE", "SPLINE"])
def test_picture_and_mask_are_sent_as_they_were_when_the_button_was_pressed(known, fake, monkeypatch, kind):
    holed = np.full((16, 32, 4), 255, np.uint8)
    holed[4:8, 10:20, 3] = 0
    photo = place.image("Photo", holed)
    known.mask_source, known.mask = kind, bpy.data.masks.new("Curves")
    known.mask_image = place.image("Mask", np.repeat(holed[..., 3:], 3, 2))
    square(known.mask, 0.25, 0.5)
    wanted = masks.part_of(known, place.raw(photo))()

    def change():
        paint(photo, 0, 0, 0, 1)
        paint(known.mask_image, 0, 0, 0, 1)
        known.mask.layers[0].invert = True

    after_the_button(monkeypatch, change)
    generate(source="MASK", image="Photo")
    assert wanted.any() and not wanted.all()
    np.testing.assert_array_equal(pixels.to_array(asked(fake).mask.image)[..., 0], wanted)
    assert (pixels.to_array(asked(fake).init.image) == 255).all()


def test_picture_and_mask_are_reckoned_beside_blenders_thread(known, fake, monkeypatch):
    threads, texels, from_array = [], looks.Packed.texels, pixels.from_array
    note = lambda: threads.append(threading.get_ident())  # noqa: E731
    monkeypatch.setattr(looks.Packed, "texels", lambda read: note() or texels(read))
    monkeypatch.setattr(pixels, "from_array", lambda *given, **more: note() or from_array(*given, **more))
    plain()
    known.mask_source, known.mask_image = "IMAGE", plain("Mask", color=(255, 255, 255))
    generate(source="MASK", image="Photo")
    assert len(threads) >= 3 and threading.get_ident() not in threads


def test_layers_of_a_mask_add_and_take_away(scene):
    mask = bpy.data.masks.new("Mask")
    square(mask, 0.0, 1.0)
    square(mask, 0.25, 0.5).blend = "SUBTRACT"
    found = masks.enclosed(mask, 64, 64)()
    assert (found[32:48, 16:32] == 0).all() and (found == 255).sum() == 64 * 64 - 16 * 16


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("no picture", "no image «Gone»"),
        ("nothing transparent", "Nothing of the picture is transparent"),
        ("no mask picture", "Choose the mask picture"),
        ("another size", "a mask has its size"),
        ("no mask", "Choose a mask"),
        ("hint without a picture", "Hint 1 has no picture"),
        ("no camera", "no camera"),
        ("no preprocessor", "choose a preprocessor"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_sent(known, fake, trouble, words):
    plain()
    known.mask_source = {"no mask picture": "IMAGE", "another size": "IMAGE", "no mask": "SPLINE"}.get(trouble, "ALPHA")
    if trouble == "another size":
        known.mask_image = plain("Mask", 8, 8)
    if trouble in ("hint without a picture", "no camera", "no preprocessor"):
        unit = known.controls.add()
        unit.source = "IMAGE" if trouble == "hint without a picture" else "SCENE"
        unit.kind = "canny" if trouble == "no preprocessor" else "depth"
        bpy.context.scene.camera = None
    source = "WORDS" if known.controls else "MASK"
    with pytest.raises(RuntimeError, match=words):
        generate(source=source, image="Gone" if trouble == "no picture" else "Photo")
    assert not fake.specs


def test_hints_come_from_pictures_and_from_the_scenes_true_depth(known, fake):
    add("cube", "Cube")
    photo, shaped = known.controls.add(), known.controls.add()
    photo.kind, photo.source, photo.image, photo.preprocessor = "canny", "IMAGE", plain(), "canny"
    photo.strength, photo.start, photo.end = 0.5, 0.125, 0.75
    knobs.put(photo.knobs, {"low": 0.5, "measure": "length"})
    shaped.kind, shaped.source = "normal", "SCENE"
    off = known.controls.add()
    off.use = False
    generate()
    canny, normal = asked(fake).controls
    assert (canny.kind, canny.preprocessor, canny.strength, canny.start, canny.end) == (
        "canny", "canny", 0.5, 0.125, 0.75)  # fmt: skip
    assert (canny.knobs["low"].number, canny.knobs["thin"].flag, canny.knobs["measure"].text) == (0.5, True, "length")
    assert (normal.kind, normal.preprocessor) == ("normal", "normal_from_depth")
    depth = pixels.to_array(normal.depth.image)[..., 0]
    assert depth.shape == (64, 64) and 4 < depth[32, 32] < 6 and np.isinf(depth[0, 0])


def test_hints_show_the_scene_and_the_picture_as_they_were_when_the_button_was_pressed(known, fake, monkeypatch):
    cube, photo = add("cube", "Cube"), plain()
    for source, image in (("SCENE", None), ("IMAGE", photo)):
        hint = known.controls.add()
        hint.kind, hint.source, hint.image = "depth", source, image

    def change():
        cube.location.z += 100
        photo.pixels.foreach_set(np.zeros(32 * 16 * 4, np.float32))
        known.controls.clear()

    after_the_button(monkeypatch, change)
    generate()
    scene, picture_ = asked(fake).controls
    depth = pixels.to_array(scene.depth.image)[..., 0]
    assert 4 < depth[32, 32] < 6
    assert (pixels.to_array(picture_.image) == (200, 100, 50)).all()


def test_hints_and_adapters_go_with_textures_too(known, fake):
    select(suzanne())
    known.controls.add().kind = "depth"
    known.adapters.add().model = "fake/rust"
    known.adapters[0].weight = 0.5
    bpy.ops.velatura.texture(prompt="moss", size=64, wait=True)
    assert [each.kind for each in asked(fake).controls] == ["depth"]
    assert [(each.model, each.weight) for each in asked(fake).adapters] == [("fake/rust", 0.5)]


def test_samplers_and_their_knobs_are_those_of_the_catalog(known, fake):
    assert [name for name, *_ in known.bl_rna.properties["sampler_choice"].enum_items] == []  # only known when asked
    assert not known.knobs
    known.sampler_choice = "dpmpp_2m"
    (order,) = known.knobs
    assert (order.title, order.kind, order.integer) == ("Order", "integer", 2)
    order.integer = 9
    assert order.integer == 3, "the catalog's range holds"
    known.schedule_choice = "karras"
    generate(guidance=4.0)
    sampling = asked(fake).sampling
    assert (sampling.sampler, sampling.schedule, sampling.guidance) == ("dpmpp_2m", "karras", 4.0)
    assert sampling.knobs["order"].integer == 3
    known.sampler_choice = "AUTOMATIC"
    assert known.sampler == "" and not known.knobs


def test_a_part_that_the_engine_learns_later_appears_without_another_add_on(known):
    known.sampler = "hyper"
    assert not known.knobs
    more = type(session.catalog)()
    more.CopyFrom(session.catalog)
    shelf = next(shelf for shelf in more.shelves if shelf.name == "samplers")
    part = shelf.parts.add(id="hyper", title="Hyper", available=True)
    part.knobs.add(name="twist", title="Twist").default.flag = True
    session.catalog = more
    painting.refresh()
    assert [(knob.title, knob.flag) for knob in known.knobs] == [("Twist", True)]


def test_a_choice_that_is_gone_is_kept_and_shown(known):
    known.sampler = "gone"
    assert known.sampler_choice == "gone"
    unit = known.controls.add()
    unit.kind = "hands"
    assert unit.kind_choice == "hands"


def test_prompts_are_completed_with_what_the_engine_knows(known):
    assert painting.suggest(known, None, "red br") == ["red brick"]
    assert painting.suggest(known, None, "old b") == ["old bronze", "old brick"]
    assert painting.suggest(known, None, "moss, <lora") == ["moss, <lora:Rust:1>"] or painting.suggest(
        known, None, "moss, <lora"
    ) == ["moss, <lora:fake/rust:1>"]
    assert painting.suggest(known, None, "__s") == ["__stones__"]
    assert painting.suggest(known, None, "xyz") == [] and "moss" in painting.suggest(known, None, "")


def test_completing_is_quick_with_a_large_vocabulary():
    import time

    many = [f"word{number}" for number in range(5000)]
    since = time.perf_counter()
    assert len(offer.complete(many, "a wall of word1")) == offer.MOST
    assert time.perf_counter() - since < 0.05


def test_a_style_dresses_the_words_and_names_stay_the_artists(known, fake):
    known.style_choice = "worn"
    generate(negative="rust")
    assert asked(fake).prompt.text == "moss, worn, weathered, scratched, dirt in the corners"
    assert "moss" in bpy.data.images and asked(fake).negative.text == "rust"
    known.style_choice = "photo"
    generate(negative="rust")
    assert asked(fake).negative.text == "rust, drawing, painting"


def test_own_styles_are_kept_in_a_file_and_a_broken_one_is_named(tmp_path):
    own = styles.Style(id="own_a", title="A", prompt="{prompt}, a")
    styles.save(tmp_path, own)
    assert styles.load(tmp_path) == (*styles.BUILT_IN, own)
    styles.save(tmp_path, styles.Style(id="own_a", title="A", prompt="{prompt}, b"))
    assert styles.load(tmp_path)[-1].prompt == "{prompt}, b"
    assert styles.remove(tmp_path, "own_a") and not styles.remove(tmp_path, "own_a")
    (tmp_path / styles.FILE).write_text("[1]")
    with pytest.raises(ValueError, match=r"styles\.json cannot be read"):
        styles.load(tmp_path)


def test_the_prompt_can_be_kept_as_a_style(known, tmp_path, monkeypatch):
    monkeypatch.setattr(painting, "folder", lambda: tmp_path)
    known.prompt, known.negative = "covered in snow", "sand"
    bpy.ops.velatura.save_style(title="Winter")
    assert known.style_choice == "own_winter" and known.prompt == ""
    assert painting.style_of("own_winter").dress("moss", "") == ("moss, covered in snow", "sand")
    bpy.ops.velatura.remove_style()
    assert known.style_choice == "NONE"
