"""What is kept between two projections, and for how long."""

import numpy as np
import torch
from velatura_engine.textures.memory import Memory, digest


def numbers(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.uint8)


def test_a_value_is_computed_once_while_it_is_kept():
    memory, calls = Memory(100), []
    for _ in range(3):
        memory.get(b"a", lambda: calls.append(1) or (numbers(40), numbers(20)))
    assert len(calls) == 1 and memory.size == 60


def test_what_was_used_longest_ago_makes_room():
    memory, calls = Memory(100), []
    for name in (b"a", b"b", b"a", b"c", b"a", b"b"):
        memory.get(name, lambda name=name: calls.append(name) or numbers(50))
    assert calls == [b"a", b"b", b"c", b"b"] and memory.size == 100


def test_what_is_too_large_is_given_and_not_kept():
    memory = Memory(10)
    assert len(memory.get(b"a", lambda: numbers(11))) == 11 and memory.size == 0
    assert Memory(0).get(b"a", lambda: numbers(1)).shape == (1,)


def test_names_tell_apart_values_types_and_shapes():
    one = np.arange(6, dtype=np.float32)
    others = [one + 1, one.astype(np.float64), one.reshape(2, 3), one[:5], torch.arange(7.0), b"x", (2, 3), 2.5]
    assert len({digest(part) for part in (one, *others)}) == len(others) + 1
    assert digest(one) == digest(torch.from_numpy(one.copy())) and digest(one, one) != digest(one)


def test_what_one_job_uses_is_not_thrown_away_by_the_same_job():
    memory, calls = Memory(100), []
    for _ in range(2):  # three parts of which two fit: without turns each would make room for the one after it
        memory.begin()
        for name in (b"a", b"b", b"c"):
            memory.get(name, lambda name=name: calls.append(name) or numbers(50))
    assert calls == [b"a", b"b", b"c", b"c"]
    memory.begin()
    memory.get(b"d", lambda: numbers(50))
    assert memory.find(b"a") is None and memory.find(b"b") is not None and memory.size == 100


def test_a_value_takes_the_place_of_the_one_of_its_name():
    memory = Memory(100)
    memory.keep(b"a", numbers(60))
    memory.keep(b"a", numbers(80))
    assert len(memory.find(b"a")) == 80 and memory.size == 80
