"""Objects that jobs are for are found again when the results come."""

import base64
import json
import zlib
from functools import partial

import bpy
import pytest
from scenes import add
from velatura_blender import held, resume

pytestmark = pytest.mark.usefixtures("addon")


@resume.resumable
def put_nothing(result, things):
    return ""


def in_a_file(*things):
    """As a file that is written now and opened would know them."""
    name, arguments = resume.written(partial(put_nothing, things=list(things)))
    return resume.read(name, arguments).keywords["things"]


def test_a_renamed_object_is_found_and_not_another_of_its_name(scene):
    thing = add("cube", "Cube")
    known = held.hold(thing)
    thing.name = "Wall"
    add("cube", "Cube", (3, 0, 0))
    assert known.find() == thing and in_a_file(known)[0].find() == thing


def test_an_object_is_found_after_an_undone_step(scene):
    add("cube", "Cube")
    bpy.ops.ed.undo_push(message="made")
    known = held.hold(bpy.data.objects["Cube"])
    bpy.data.objects["Cube"].name = "Wall"
    bpy.ops.ed.undo_push(message="renamed")
    bpy.ops.ed.undo()
    assert known.find() == bpy.data.objects["Cube"]


def test_one_that_is_gone_is_not_found_and_its_name_stays(scene):
    known = held.hold(add("cube", "Cube"))
    bpy.data.objects.remove(known.find())
    add("cube", "Cube", (3, 0, 0))
    (again,) = in_a_file(known)
    assert known.find() is None and again.find() is None and known.name == again.name == "Cube"


def test_it_is_found_in_a_file_that_is_opened_again(scene, tmp_path):
    known = held.hold(add("cube", "Cube"))
    known.find().name = "Wall"
    words = resume.written(partial(put_nothing, things=[known]))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert resume.read(*words).keywords["things"][0].find() == bpy.data.objects["Wall"]


@pytest.mark.parametrize("packed", [b"no packed bytes", zlib.compress(bytes(1 << 20)), zlib.compress(b"odd")])
def test_uvs_that_no_object_can_have_are_refused_and_their_job_is_none(scene, packed):
    thing = add("cube", "Cube")
    words = held.write(held.hold(thing)) | {"layer": "New", "faces": "", "uvs": base64.b64encode(packed).decode()}
    with pytest.raises(ValueError, match=r"packed|buffer size"):
        held.read(words)
    name, _ = resume.written(partial(put_nothing, things=[]))
    assert resume.read(name, json.dumps({"things": [words]})) is None
