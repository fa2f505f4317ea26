"""Masks for repainting: grown and softened for the painting, filled underneath, and laid back so nothing else moves."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ..request import Fill


def widen(mask: np.ndarray, grow: int, feather: int) -> np.ndarray:
    """Mask (H, W) float32 0..1 -> grown by `grow` pixels and softened outward over `feather`; inside stays opaque."""
    picture = Image.fromarray(np.rint(mask * 255).astype(np.uint8))
    # The blur reaches half the feather to both sides of an edge that lies half the feather out.
    reach = grow + (feather + 1) // 2
    for _ in range(reach // 7):
        picture = picture.filter(ImageFilter.MaxFilter(15))
    if reach % 7:
        picture = picture.filter(ImageFilter.MaxFilter(2 * (reach % 7) + 1))
    if feather:
        picture = picture.filter(ImageFilter.BoxBlur(feather / 4)).filter(ImageFilter.BoxBlur(feather / 4))
    return np.maximum(np.asarray(picture, np.float32) / 255.0, mask)


def fill(picture: np.ndarray, mask: np.ndarray, mode: Fill, noise: np.random.Generator) -> np.ndarray:
    """Fill the masked part of (H, W, 3) float32 sRGB before painting; soft masks fill softly."""
    if mode == "original":
        return picture
    if mode == "neutral":
        inside = np.full_like(picture, 0.5)
    elif mode == "noise":
        inside = noise.random(picture.shape, np.float32)
    else:
        inside = surroundings(picture, mask)
    weight = mask[..., None]
    return picture * (1 - weight) + inside * weight


def surroundings(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Colours around the mask spread into it: pull-push over halved sizes (Gortler et al. 1996), (H, W, 3) float32."""
    weight = np.where(mask > 0, 0.0, 1.0).astype(np.float32)[..., None]
    return _spread(picture * weight, weight)


def _spread(colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    height, width = weight.shape[:2]
    known = colour / np.maximum(weight, 1e-6)
    if min(height, width) <= 1 or weight.min() >= 1:
        return known if weight.max() > 0 else np.full_like(colour, 0.5)
    half = _spread(np.minimum(_halve(colour), 1e6), np.minimum(_halve(weight), 1.0))
    below = np.repeat(np.repeat(half, 2, axis=0), 2, axis=1)[:height, :width]
    blend = np.clip(weight, 0, 1)
    return known * blend + below * (1 - blend)


def _halve(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    blocks = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, -1)
    return blocks.mean(axis=(1, 3))


def lay(original: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lay new pixels over old ones: (H, W, C) of the original's type; where the mask is 0 the bytes are the original's.

    The mix is made on the stored values, as layers are in paint programs.
    """
    if np.issubdtype(original.dtype, np.integer):
        scale = float(np.iinfo(original.dtype).max)
        mixed = original * (1.0 - mask[..., None]) + painted * scale * mask[..., None]
        mixed = np.clip(np.rint(mixed), 0, scale).astype(original.dtype)
    else:
        mixed = (original * (1.0 - mask[..., None]) + painted * mask[..., None]).astype(original.dtype)
    return np.where(mask[..., None] > 0, mixed, original)
