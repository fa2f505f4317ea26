"""What masks hold back of the answers of ControlNets."""

import pytest
import torch
import torch.nn.functional as F
from velatura_engine.operations.guides import _weigher
from velatura_engine.runtime.windows import Windows

WIDTH, HEIGHT, SIZE, ROWS = 56, 40, 16, 2


def masks(count: int) -> list[torch.Tensor]:
    return list(torch.rand(count, 1, 1, 8 * HEIGHT, 8 * WIDTH, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize(("x", "y"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("scale", [1, 4])
def test_through_windows_each_place_of_the_canvas_has_its_own_weight(x, y, scale):
    windows = Windows((WIDTH, HEIGHT), SIZE, 8, grain=4, check=lambda: None)
    windows.wrap(x, y)
    (mask,) = masks(1)
    ones = torch.ones(len(windows.boxes) * ROWS, 3, SIZE // scale, SIZE // scale)
    (down,), middle = _weigher([mask], windows)(([ones], ones))
    size = HEIGHT // scale, WIDTH // scale
    whole = windows.blend(lambda number, box: down[number * ROWS : (number + 1) * ROWS], *size)
    assert torch.allclose(whole, F.adaptive_avg_pool2d(mask, size).expand(ROWS, 3, -1, -1), atol=1e-6)
    assert torch.equal(down, middle)


def test_one_that_reads_several_hints_is_weighed_in_turn():
    first, second = masks(2)
    weigh, ones = _weigher([first, None, second], None), torch.ones(ROWS, 3, HEIGHT, WIDTH)
    answers = [weigh(([ones], ones))[1] for _ in range(4)]
    assert torch.equal(answers[1], ones) and torch.equal(answers[0], answers[3])
    assert torch.allclose(answers[2], F.adaptive_avg_pool2d(second, (HEIGHT, WIDTH)).expand_as(ones))
    assert not torch.equal(answers[0], answers[2])
