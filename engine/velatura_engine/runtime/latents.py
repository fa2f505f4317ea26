"""Where a model's latents lie: between what its VAE says and what its denoiser hears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """A shift and a scale, for all channels or one each, shaped to go with (B, C, h, w)."""

    shift: torch.Tensor
    scale: torch.Tensor

    def enter(self, encoded: torch.Tensor) -> torch.Tensor:
        """What a VAE made (B, C, h, w) -> what the denoiser hears."""
        return (encoded - self.shift.to(encoded)) * self.scale.to(encoded)

    def leave(self, latents: torch.Tensor) -> torch.Tensor:
        """What the denoiser made (B, C, h, w) -> what the VAE hears."""
        return latents / self.scale.to(latents) + self.shift.to(latents)


def latent_space(config: Mapping[str, Any], norm: Any = None) -> LatentSpace:
    """The space that a VAE's config describes: `scaling_factor` and `shift_factor`, or a mean and spread a channel;
    or its own `norm` of batches, whose running numbers it is.
    """
    if norm is not None:
        mean, variance = (values.double().cpu().view(1, -1, 1, 1) for values in (norm.running_mean, norm.running_var))
        return LatentSpace(mean, (variance + config["batch_norm_eps"]).rsqrt())
    scale = torch.tensor(float(config.get("scaling_factor") or 1.0), dtype=torch.float64)
    mean, spread = config.get("latents_mean"), config.get("latents_std")
    if mean is None or spread is None:
        return LatentSpace(torch.tensor(float(config.get("shift_factor") or 0.0), dtype=torch.float64), scale)
    channels = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (mean, spread))
    shift, spread = channels
    return LatentSpace(shift, scale / spread)
