"""The store forgets what is old, keeps its quota, and never half a blob."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from velatura_engine.blobs.store import BlobStore
from velatura_engine.errors import Busy, Invalid, NotFound


def test_old_blobs_make_room_and_used_ones_stay(tmp_path):
    store = BlobStore(tmp_path, max_bytes=10, quota=10, seconds=3600)
    old, used = store.put(b"aaaa"), store.put(b"bbbb")
    for name, age in ((old, 200), (used, 300)):
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert store.has(used)  # that counts as a use
    store.put(b"cccc")
    assert store.has(used) and not store.has(old)


def test_blobs_past_their_time_are_dropped(tmp_path):
    store = BlobStore(tmp_path, max_bytes=10, quota=100, seconds=1)
    old = store.put(b"aaaa")
    os.utime(tmp_path / old, (0, 0))
    store.put(b"bbbb")
    with pytest.raises(NotFound):
        store.get(old)


def test_what_cannot_fit_is_refused(tmp_path):
    store = BlobStore(tmp_path, max_bytes=10, quota=5, seconds=1)
    with pytest.raises(Invalid):
        store.put(b"a" * 11)
    with pytest.raises(Busy):
        store.put(b"a" * 9)


def test_uploads_that_an_earlier_engine_left_are_cleared_away(tmp_path):
    (tmp_path / "x.part").write_bytes(b"half")
    BlobStore(tmp_path, max_bytes=10, quota=10, seconds=1)
    assert not list(tmp_path.iterdir())


def test_uploads_on_their_way_count_towards_the_quota(tmp_path):
    store = BlobStore(tmp_path, max_bytes=10, quota=10, seconds=3600)
    first = store.upload("0" * 64, 6)
    with pytest.raises(Busy):
        store.upload("1" * 64, 6)
    first.drop()
    store.upload("1" * 64, 6).drop()


def test_many_threads_may_put_and_get_while_room_is_made(tmp_path):
    store = BlobStore(tmp_path, max_bytes=1000, quota=5000, seconds=3600)

    def put_and_get(number: int) -> bool:
        content = bytes([number % 256]) * 900
        try:
            return store.get(store.put(content)) == content
        except (NotFound, Busy):  # another one needed the room
            return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(put_and_get, range(200)))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 5000


def test_the_folder_is_its_owner_s_alone(tmp_path):
    (tmp_path / "blobs").mkdir(mode=0o755)
    BlobStore(tmp_path / "blobs", max_bytes=10, quota=10, seconds=1).put(b"a")
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0
