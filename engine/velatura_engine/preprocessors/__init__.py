"""The shelf of preprocessors: one file each, making a control hint from a picture or from depth.

A part's function takes what it is `Given`, and its knobs by name, and returns a hint (H, W, 3) float32, mostly 0..1.
The part's `reads` says what must be given: "picture", "depth", or "masked", a picture with the mask that is repainted.
Parts with an `annotator` need a model of that kind, which users install; a `helper` they use where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..shelf import Part, Shelf

PREPROCESSORS = Shelf("preprocessor", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a preprocessor works on; `x` and `y` say which edges of it meet.

    `picture` (H, W, 3) float32 sRGB 0..1. `z` (H, W) float32 metres, 0 where nothing was hit, and only where the depth
    is metric; `disparity` (H, W) float32 0..1, near 1, nothing 0. `mask` (H, W) float32, 1 = repainted. `estimate` asks
    the annotator: picture (H, W, 3) -> mostly (H, W) float32; `find` asks the helper, where one is installed.
    """

    picture: np.ndarray | None = None
    z: np.ndarray | None = None
    disparity: np.ndarray | None = None
    mask: np.ndarray | None = None
    x: bool = False
    y: bool = False
    estimate: Callable[..., np.ndarray] | None = None
    find: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def colours(self) -> np.ndarray:
        """The picture, where a part reads one."""
        assert self.picture is not None
        return self.picture


def preprocessors() -> Shelf:
    """The shelf itself."""
    return PREPROCESSORS


def preprocessor(name: str, *, field: str = "") -> Part:
    """The preprocessor of that name; `.build(given, **knobs)` makes the hint. Raises NotFound."""
    return PREPROCESSORS.get(name, field=field)
