"""Large pictures travel as blobs without the host noticing."""

import hashlib
import os

import pytest
from velatura import Engine, errors, pixels, spec
from velatura.testing import FakeEngine
from velatura.v1 import geometry_pb2, pixels_pb2

MIB = 1 << 20
LARGE = bytes(1600 * 1600 * 4)  # above 4 MiB


def puts(fake):
    return [request.blob_id for name, request in fake.requests if name == "BlobService.PutBlob"]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 9 * MIB + 5])
def test_content_comes_back_as_it_went(engine, size):
    content = os.urandom(size)
    assert engine.get_blob(engine.put_blob(content)) == content


def test_content_that_is_there_is_not_sent_again(engine, fake):
    engine.put_blob(b"paint")
    engine.put_blob(b"paint")
    assert puts(fake) == [hashlib.sha256(b"paint").hexdigest()]


def test_the_engine_tells_what_it_has(engine):
    there = engine.put_blob(b"paint")
    assert engine.has_blobs([there, "0" * 64]) == {there}


def test_missing_content_is_told(engine):
    with pytest.raises(errors.NotFound):
        engine.get_blob("0" * 64)


def test_content_that_was_altered_on_the_way_is_noticed(engine, fake):
    blob_id = engine.put_blob(b"paint")
    fake.blobs[blob_id] = b"peint"
    with pytest.raises(errors.Broken):
        engine.get_blob(blob_id)


def test_a_large_picture_goes_up_as_a_blob_and_the_hosts_spec_stays(engine, fake):
    image = pixels.raw(LARGE, 1600, 1600, pixels_pb2.PIXEL_FORMAT_RGBA8)
    asked = spec.upscale(image)
    assert engine.generate(asked).result(30).images
    assert fake.specs[0].steps[0].upscale.image.blob_id in fake.blobs
    assert fake.specs[0].steps[0].upscale.image.width == 1600
    assert asked.steps[0].upscale.image.data == LARGE


def test_a_small_picture_goes_along(engine, fake):
    image = pixels.raw(bytes(16 * 16 * 3), 16, 16, pixels_pb2.PIXEL_FORMAT_RGB8)
    engine.generate(spec.upscale(image)).result(10)
    assert not puts(fake)


def test_many_middling_pictures_are_lifted_until_the_message_fits(engine, fake):
    # 40 MiB of meshes of 1 MiB each, where the engine takes messages of 32 MiB.
    targets = [
        geometry_pb2.ProjectionTarget(
            id=str(number), width=16, height=16, mesh=spec.mesh(os.urandom(87381 * 12), bytes(12), bytes(24))
        )
        for number in range(40)
    ]
    camera = spec.camera([0.0] * 16, [0.0] * 16)
    color = pixels.raw(bytes(3), 1, 1, pixels_pb2.PIXEL_FORMAT_RGB8)
    depth = pixels.depth_map(b"\0\0\x80\x3f", 1, 1)
    view = geometry_pb2.View(camera=camera, color=color, depth=depth)
    assert len(engine.generate(spec.project(targets, [view])).result(60).images) == 40
    assert fake.specs[0].ByteSize() < 32 * MIB
    assert 8 <= len(puts(fake)) <= 10


def test_a_result_that_came_as_a_blob_is_fetched():
    with FakeEngine(inline=100) as fake, Engine.connect(fake.endpoint) as engine:
        image = engine.generate(spec.texture("moss", size=64)).result(10).images[0]
        assert pixels.to_raster(image).width == 64


def test_a_result_can_be_left_at_the_engine():
    with FakeEngine(inline=100) as fake, Engine.connect(fake.endpoint) as engine:
        image = engine.generate(spec.texture("moss", size=64), fetch=False).result(10).images[0]
        with pytest.raises(errors.Invalid, match="still at the engine"):
            pixels.to_raster(image)
        assert engine.get_blob(image.blob_id).startswith(b"\x89PNG")
