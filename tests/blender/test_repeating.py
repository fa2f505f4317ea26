"""Pictures made seamless and sets of tiles, in real Blender against an engine that paints by arithmetic."""

import bpy
import numpy as np
import pytest
from scenes import add, after_the_button, select, state
from velatura import pixels
from velatura.testing import Script, painter
from velatura.v1 import jobs_pb2
from velatura_blender import looks, place, repeating
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")

SIDE = 64


def picture(name="Photo", float_buffer=False):
    """An image of random numbers."""
    made = bpy.data.images.new(name, SIDE, SIDE, alpha=True, float_buffer=float_buffer)
    made.pixels.foreach_set(np.random.default_rng(2).random(SIDE * SIDE * 4, np.float32) * (2 if float_buffer else 1))
    made.update()
    return made


def numbers(image):
    """(H, W, 4) float32 as they are, row 0 on top."""
    flat = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(SIDE, SIDE, 4)[::-1].copy()


def seamless(**more):
    return bpy.ops.velatura.make_seamless(**({"prompt": "moss", "seed": 3, "wait": True, "band": 16} | more))


@pytest.mark.parametrize("axes", ["x", "y", "xy"])
def test_a_picture_is_made_seamless_in_a_new_image_along_the_axes_asked(scene, fake, axes):
    before = numbers(picture())
    assert seamless(image="Photo", axes=axes, band=12) == {"FINISHED"}
    task = fake.specs[0].steps[0].diffuse
    assert (task.tiling.x, task.tiling.y, task.tiling.mend) == ("x" in axes, "y" in axes, 12) and not task.width
    assert np.array_equal(numbers(bpy.data.images["Photo"]), before)
    made = bpy.data.images["Photo.001"]
    assert made[place.RECIPE] and made.packed_file is not None
    assert np.array_equal(numbers(made)[..., 3], before[..., 3])  # its own alpha
    assert scene.velatura.history[0].image == made and scene.velatura.history[0].kind == "Make Seamless"


PAINT = (9, 99, 200)


@pytest.fixture
def mended(monkeypatch):
    """Let the engine send an image's picture with its first 8 columns painted."""

    def mend(image):
        sent = np.concatenate([place.read(image)[..., :3], np.full((SIDE, SIDE, 1), 255, np.uint8)], 2)
        sent[:, :8, :3] = PAINT
        made = jobs_pb2.Artifact(kind="image", image=pixels.from_array(sent), seed=3)
        monkeypatch.setattr(painter, "_outputs", lambda step, size: iter([made]))

    return mend


def test_what_the_engine_left_alone_is_the_same_to_the_bit_in_floats_too(scene, fake, mended):
    image = picture(float_buffer=True)
    before = numbers(image)
    mended(image)
    seamless(image="Photo", band=8)
    after = numbers(bpy.data.images["Photo.001"])
    assert np.array_equal(after[:, 8:], before[:, 8:])
    np.testing.assert_allclose(looks.linear(np.float32(PAINT) / 255), after[5, 3, :3], atol=1e-3)


def test_a_picture_is_sent_as_it_was_when_the_button_was_pressed(scene, fake, monkeypatch):
    image = picture()
    before = place.read(image)[..., :3]
    after_the_button(monkeypatch, lambda: image.pixels.foreach_set(np.zeros(SIDE * SIDE * 4, np.float32)))
    seamless(image="Photo")
    np.testing.assert_array_equal(pixels.to_array(fake.specs[0].steps[0].diffuse.init.image), before)


def test_strokes_that_come_while_it_is_placed_are_in_the_new_one_too(scene, fake, monkeypatch, mended):
    image, read, stroked = picture(), place.raw, []
    mended(image)

    def read_and_stroke(shown, rooms=None):
        found = read(shown, rooms)
        if session.tasks and session.tasks[0].job.done and not stroked:
            stroked.append(True)
            image.pixels.foreach_set(np.tile(np.float32([1, 0, 0, 1]), SIDE * SIDE))
        return found

    monkeypatch.setattr(place, "raw", read_and_stroke)
    seamless(image="Photo", band=8)
    found = place.read(bpy.data.images["Photo.001"])[..., :3]
    assert (found[:, :8] == PAINT).all() and (found[:, 8:] == (255, 0, 0)).all()


@pytest.mark.parametrize("float_buffer", [False, True])
def test_an_image_that_goes_while_it_is_placed_loses_nothing(scene, fake, monkeypatch, float_buffer):
    image, over = picture(float_buffer=float_buffer), repeating.beside

    def remove_meanwhile(calls):
        found = yield from over(calls)
        if session.tasks and session.tasks[0].job.done:
            bpy.data.images.remove(image)
        return found

    monkeypatch.setattr(repeating, "beside", remove_meanwhile)
    seamless(image="Photo")
    came = np.frombuffer(painter.picture(SIDE, SIDE, 3), np.uint8).reshape(SIDE, SIDE, 3)
    np.testing.assert_array_equal(place.read(bpy.data.images["Photo"])[..., :3], came)
    assert "is gone" in session.message


def test_an_objects_texture_is_made_seamless_and_worn_in_a_copy_of_its_material(scene, fake):
    box = add("cube", "Box")
    material = place.material("Own", picture(), "UVMap")
    box.data.materials.append(material)
    select(box)
    assert seamless() == {"FINISHED"}
    worn = box.material_slots[0].material
    assert worn != material and box.material_slots[0].link == "OBJECT" and box.data.materials[0] == material
    assert next(node.image for node in worn.node_tree.nodes if node.type == "TEX_IMAGE").name == "Photo.001"


def test_a_renamed_object_gets_it_and_an_image_that_is_gone_loses_nothing(scene, fake):
    box = add("cube", "Box")
    image = picture()
    box.data.materials.append(place.material("Own", image, "UVMap"))
    select(box)
    for gone in (False, True):
        fake.once(Script(delay=0.05))
        seamless(wait=False, band=8)
        box.name, box.material_slots[0].material.name = f"Shelf {gone}", f"Wood {gone}"
        if gone:
            bpy.data.images.remove(place.look(box).image)
        session.wait(session.tasks[0])
        assert scene.velatura.history[0].image.name == "Photo.001" and (place.look(box) is None) == gone


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"image": "Other"}, "no image «Other»"),
        ({}, "Make the mesh object active"),
        ({"image": "Photo", "prompt": ""}, "the prompt is empty"),
        ({"image": "Movie"}, "no single still image"),
        ({"image": "Gone"}, "its file is missing"),
        ({"image": "Photo", "band": 32}, "set Band to less than 32"),
    ],
)
def test_what_cannot_be_made_seamless_is_said(scene, fake, more, words):
    picture()
    bpy.data.images.new("Movie", 8, 8).source = "SEQUENCE"
    gone = bpy.data.images.new("Gone", 8, 8)
    gone.source, gone.filepath = "FILE", "//gone.png"
    select()
    before = state()
    with pytest.raises(RuntimeError, match=words):
        seamless(**more)
    assert state() == before


def test_a_tile_set_is_one_job_and_as_many_images(scene, fake):
    wanted = {"prompt": "moss", "size": 64, "seed": 3, "count": 3, "axes": "x", "shared": 6, "difference": 0.5}
    assert bpy.ops.velatura.tile_set(wait=True, **wanted) == {"FINISHED"}
    first, rest = fake.specs[0].steps
    assert first.hidden and first.diffuse.tiling.x and not first.diffuse.tiling.y
    assert (rest.diffuse.count, rest.diffuse.tiling.keep, rest.diffuse.seed) == (3, 6, 3)
    assert rest.diffuse.init.strength == 0.5
    assert rest.diffuse.init.image.output.step_id == first.id
    names = [image.name for image in bpy.data.images]
    assert names == ["moss tile 1", "moss tile 2", "moss tile 3"] and len(scene.velatura.history) == 3
