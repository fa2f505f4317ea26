"""Work in Blender's thread lets the window go on, and only as often as it must."""

import pytest
from velatura_blender import pace


def steps(clock, lengths, breath, seen):
    """Steps that take so many seconds of this clock, with a breath after each; `seen` takes how long pieces were."""
    since = clock[0]
    for length in lengths:
        clock[0] += length
        for _ in breath.pause():
            seen.append(round(clock[0] - since, 3))
            yield
            since = clock[0]
    return "done"


def test_short_steps_make_one_piece_and_each_piece_begins_when_the_window_is_done(monkeypatch):
    clock, seen = [0.0], []
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock[0])
    walk = steps(clock, [0.006] * 12, pace.Breath(), seen)
    for _ in walk:
        clock[0] += 5.0  # the window took that long
    assert seen == [0.024] * 3


def test_what_comes_before_and_after_something_beside_are_two_pieces_however_soon_that_is_done():
    called = []
    walk = pace.beside([lambda: called.append(1) or 1])
    next(walk)
    assert not called
    with pytest.raises(StopIteration) as end:
        while True:
            next(walk)
    assert end.value.value == [1]


def test_what_is_waited_for_is_the_end_of_all_pieces():
    def walk():
        (one,) = yield from pace.beside([lambda: 1])
        yield
        return one + 1

    assert pace.finished(walk()) == 2
