"""Colours as the eye tells them apart, and new pixels brought to the colours around them."""

from __future__ import annotations

import numpy as np

from .fills import Wrap, spread, surroundings
from .masks import around, widen
from .picture import linear_to_srgb, srgb_to_linear

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)
_BEND = 6 / 29


def to_lab(srgb: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) 0..1 -> CIE L*a*b* of D65, float32; L* 0..100."""
    xyz = srgb_to_linear(srgb) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > _BEND**3, np.cbrt(np.maximum(xyz, 0)), xyz / (3 * _BEND**2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (..., 3) -> sRGB 0..1 float32, clipped to what sRGB can show."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > _BEND, f**3, 3 * _BEND**2 * (f - 4 / 29)) * _WHITE
    return np.clip(linear_to_srgb(xyz @ np.linalg.inv(_TO_XYZ).T), 0, 1)


DRIFT, MEANT = 10.0, 25.0
"""Differences in Lab up to which new pixels have drifted, and from which on they are meant to be of another colour."""
ALIKE = 2.0
"""Difference in Lab that a material has within itself."""
CONTRAST = 1.25
"""Most that the contrast is changed."""
RING = 16
"""Width of the rings that are compared, pixels."""
OFF = 0.03
"""Difference of a painting to the pixels beside its border, 0..1, from which on its step there is fully shared out."""
BORDER = (0.3, 0.22, 0.15, 0.09, 0.04)
"""Shares that the first pixels inside a border have of what lies outside, mirrored: the last of a step goes there. Were
they to end sooner, a step as high would be seen where they end.
"""


def match(painted: np.ndarray, original: np.ndarray, mask: np.ndarray, wrap: Wrap = (False, False)) -> np.ndarray:
    """Bring what was painted under a mask (H, W) to the picture around it; all (H, W, 3) float32 sRGB.

    First the border: what the painting shows just outside of the mask should be what is there. The difference goes
    on smoothly inside (a membrane, as in Poisson image editing, Perez et al. 2003), so that the step across the border
    is the painting's own. Then the colours: in Lab, mean and contrast of the ring inside are brought near those of the
    ring outside, as far as they are a drift; a material's own variety stays, and so does an object of quite another
    colour. What is left of a step at the border is shared out among a few pixels.
    """
    inside = mask > 0
    if not inside.any() or inside.all():
        return painted
    part = around(inside, 2 * RING, wrap)
    matched = painted.copy()
    matched[part] = _matched(painted[part], original[part], inside[part], wrap)
    return matched


def _matched(painted: np.ndarray, original: np.ndarray, inside: np.ndarray, wrap: Wrap) -> np.ndarray:
    met = np.clip(painted + spread(original - painted, ~inside, wrap), 0, 1)
    met = _drifted_back(met, original, inside)
    beside = ~inside & (widen(inside.astype(np.float32), 1, 0, wrap) > 0)
    off = float(np.abs(original[beside] - painted[beside]).mean())
    return _shared_out(met, original, inside, min(1.0, off / OFF), wrap)


def _shared_out(painted: np.ndarray, original: np.ndarray, inside: np.ndarray, much: float, wrap: Wrap) -> np.ndarray:
    """The first pixels inside a border mixed with what lies outside, mirrored, by `BORDER` times `much`."""
    mirrored = surroundings(original, inside.astype(np.float32), wrap)
    before = outside = (~inside).astype(np.float32)
    for number, share in enumerate(BORDER, 1):
        grown = widen(outside, number, 0, wrap)
        painted = np.where((grown > before)[..., None], painted + (mirrored - painted) * share * much, painted)
        before = grown
    return painted


def _drifted_back(painted: np.ndarray, original: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean and contrast of the rings at both sides of a border made alike in Lab, from the border inward."""
    outer = ~inside & (widen(inside.astype(np.float32), RING, 0) > 0)
    inner = inside & (widen((~inside).astype(np.float32), RING, 0) > 0)
    lab, there = to_lab(painted), to_lab(original[outer])
    middle, wanted = lab[inner].mean(0), there.mean(0)
    far = float(np.linalg.norm(wanted - middle))
    share = max(0.0, far - ALIKE) / max(far, 1e-6) * float(np.clip((MEANT - far) / (MEANT - DRIFT), 0, 1))
    if share == 0:
        return painted
    gain = np.clip((there.std(0) + 1) / (lab[inner].std(0) + 1), 1 / CONTRAST, CONTRAST)
    # Nothing at the border itself, where the two meet already.
    weight = share * (1 - widen((~inside).astype(np.float32), 0, RING // 2))[..., None]
    moved = (lab - middle) * gain + wanted
    return np.where(inside[..., None], from_lab(lab + (moved - lab) * weight), painted)
