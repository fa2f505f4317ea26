"""The measurement of how long the window waits knows pieces from each other, and every way to ask is still there."""

import json
import subprocess
import sys
import time

import bpy
import pytest
from conftest import ROOT
from scenes import add, select

sys.path.insert(0, str(ROOT / "bench"))
import _window

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def watch():
    handlers = bpy.app.handlers
    lists = [handlers.render_init, handlers.render_complete, handlers.render_cancel]
    before = [list(each) for each in lists]
    watch = _window.Watch()
    watch.watch_renders()
    yield watch
    for each, known in zip(lists, before, strict=True):
        each[:] = known


def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_piece_within_another_is_a_part_of_it_and_says_that_something_is_placed(watch):
    with watch.piece(_window.READY), watch.piece(_window.PLACED):
        spin(0.02)
    (piece,) = watch.pieces
    assert piece.stage == _window.PLACED and piece.wall >= 0.02 and piece.own >= 0.02


def test_what_is_waited_for_is_on_the_clock_and_not_in_the_threads_time(watch):
    with watch.piece(_window.PRESSED):
        time.sleep(0.05)
    longest = watch.longest()[_window.PRESSED]
    assert longest.wall >= 0.05 > 0.02 > longest.own and not watch.pieces


def test_blenders_own_render_is_no_piece(scene, watch):
    select(add("cube", "Cube"))
    spent = []

    @bpy.app.handlers.persistent
    def rendering(*_):
        since = time.thread_time()
        spin(0.3)
        spent.append(time.thread_time() - since)

    bpy.app.handlers.render_pre.append(rendering)
    try:
        with watch.piece(_window.PRESSED):
            spin(0.02)
            bpy.ops.render.render()
            spin(0.02)
    finally:
        bpy.app.handlers.render_pre.remove(rendering)
    before, after = watch.pieces
    assert spent and (before.stage, after.stage) == (_window.PRESSED, _window.READY)
    assert all(0.02 <= piece.own < 0.3 for piece in (before, after))


def test_every_way_to_ask_is_measured_until_its_result_is_there():
    small = "--rounds 1 --triangles 2000 --texture 64 --size 64 --json"
    words = [sys.executable, str(ROOT / "bench" / "blender_window.py"), *small.split()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told = [figure["name"].partition(": ") for figure in json.loads(done.stdout)["figures"]]
    placed = {way for way, _, stage in told if stage == "longest piece while it is placed"}
    at_once = {"Picture to Plane, depth at hand", "Apply Again", "Noting jobs when a file is saved"}
    assert {way for way, *_ in told} == placed | at_once and len(placed) == 19 and not placed & at_once
