"""Objects cross the pipe whole, large ones beside the pickle."""

import multiprocessing
import pickle
import threading

import numpy as np
import pytest
from velatura_engine.errors import Invalid, NotFound, WorkerLost
from velatura_engine.worker.channel import Channel


@pytest.fixture
def ends():
    ours, theirs = (Channel(end) for end in multiprocessing.Pipe())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_large_picture_arrives_unchanged_and_can_be_written_to(ends):
    ours, theirs = ends
    picture = np.random.default_rng(0).random((1024, 1024, 3), np.float32)
    sender = threading.Thread(target=ours.send, args=(("event", picture),))
    sender.start()
    kind, received = theirs.receive()
    sender.join()
    assert kind == "event" and np.array_equal(received, picture) and received.flags.writeable


def test_a_closed_end_is_noticed(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises((EOFError, OSError)):
        ours.receive()


@pytest.mark.parametrize("error", [
    Invalid("strength", "is too large", remedy="send less"),
    NotFound("sampler", "eular", known=["euler"]),
    WorkerLost("gone"),
], ids=["invalid", "not found", "lost"])  # fmt: skip
def test_errors_keep_their_facts_on_the_way(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and vars(copy) == vars(error) and str(copy) == str(error)
