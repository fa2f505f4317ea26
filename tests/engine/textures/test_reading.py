"""Reading between pixels: what a cubic gives back exactly, and where it is a straight line."""

import pytest
import torch
from velatura_engine.textures import reading

HEIGHT, WIDTH = 6, 8
EVERYWHERE = torch.ones(2, HEIGHT, WIDTH, dtype=torch.bool)


def bilinear(across: float, down: float) -> torch.Tensor:
    return torch.tensor([[(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]])


def read_at(
    color: torch.Tensor, x: float, y: float, inner: torch.Tensor = EVERYWHERE, curved: bool = True
) -> torch.Tensor:
    """What a picture has at a place, in pixels from the middle of the first one."""
    rows = reading.rows(HEIGHT + 2, WIDTH + 3, curved)
    reading.write(rows, color, inner)
    first = (int(y) + 1) * (WIDTH + 3) + int(x) + 1
    which = (3 if curved else 1) * torch.tensor([[first]], dtype=torch.int32) + reading.steps(WIDTH + 3, curved)
    square = bilinear(x % 1, y % 1)
    sums = reading.read(rows, which, reading.weighed(square, torch.ones(1)) if curved else square)
    return reading.colors(sums)[0]


def picture(red, green, blue) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(HEIGHT).float(), torch.arange(WIDTH).float(), indexing="ij")
    return torch.stack([red(x, y), green(x, y), blue(x, y), torch.ones_like(x)], -1)


@pytest.mark.parametrize(("x", "y"), [(3.0, 2.0), (3.25, 2.0), (3.5, 2.5), (2.9, 3.7)])
def test_parabolas_are_read_exactly_between_pixels_across_and_down(x, y):
    curved = picture(lambda x, y: x * x / 64, lambda x, y: y * y / 36, lambda x, y: x * y / 48)
    assert read_at(curved, x, y).tolist() == pytest.approx([x * x / 64, y * y / 36, x * y / 48], abs=1e-6)


def test_between_two_pixels_it_is_the_cubic_of_catmull_and_rom():
    row = torch.tensor([0.2, 0.9, 0.4, 0.6, 0.1, 0.7, 0.3, 0.5])
    found = read_at(picture(*[lambda x, y: row.expand(HEIGHT, WIDTH)] * 3), 3.5, 2.0)[0]
    assert found == pytest.approx(float((-row[2] + 9 * row[3] + 9 * row[4] - row[5]) / 16), abs=1e-6)


def test_pixels_beside_another_surface_are_read_along_a_line():
    row = torch.tensor([0.2, 0.9, 0.4, 0.6, 0.1, 0.7, 0.3, 0.5])
    color = picture(*[lambda x, y: row.expand(HEIGHT, WIDTH)] * 3)
    none = torch.zeros_like(EVERYWHERE)
    assert read_at(color, 3.3, 2.4, none)[0] == pytest.approx(float(0.7 * row[3] + 0.3 * row[4]), abs=1e-6)
    assert torch.equal(read_at(color, 3.3, 2.4, none), read_at(color, 3.3, 2.4, curved=False))


def test_a_pixel_that_does_not_count_has_no_say():
    color = picture(*[lambda x, y: torch.where(x < 4, 0.25, 1.0)] * 3)
    color[:, 4:, 3] = 0
    for x in (2.5, 3.5):
        assert read_at(color, x, 2.5).tolist() == pytest.approx([0.25] * 3, abs=1e-6)


def test_colors_stay_colors_where_a_cubic_goes_beyond_them():
    color = picture(*[lambda x, y: (x >= 4).float()] * 3)
    assert read_at(color, 4.5, 2.0).tolist() == [1.0] * 3 and read_at(color, 2.5, 2.0).tolist() == [0.0] * 3
