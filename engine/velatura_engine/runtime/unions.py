"""Union ControlNets (xinsir's, for SDXL): one network that reads hints of many kinds, and several of them together.

diffusers has pipelines of their own for them, which do not mix with other ControlNets. Here each stands among those in
the guise of an ordinary one, whose hint has the channels of all its hints one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn


class Union(nn.Module):
    """What one union ControlNet says of the hints of some controls, heard together as it was taught.

    Several are weighed inside the network, one is weighed in what is answered, both as diffusers does. Those whose
    time it is not are left out.
    """

    def __init__(self, net: Any, numbers: Sequence[int], strengths: Callable[[], Sequence[float]]) -> None:
        """`numbers`: the kind of each hint, of models.controls.UNION; `strengths`: of each now, 0 where it rests."""
        super().__init__()
        self.net, self.numbers, self.strengths = net, tuple(numbers), strengths
        self.config = net.config
        """What pipelines look up in a ControlNet."""

    def forward(
        self,
        sample: torch.Tensor,
        timestep: Any,
        encoder_hidden_states: torch.Tensor,
        controlnet_cond: torch.Tensor,
        conditioning_scale: float = 1.0,
        class_labels: torch.Tensor | None = None,
        timestep_cond: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guess_mode: bool = False,
        return_dict: bool = True,
    ) -> Any:
        """As ControlNetModel.forward; `controlnet_cond` is (B, hints x channels, H, W)."""
        hints = controlnet_cond.chunk(len(self.numbers), dim=1)
        strengths = self.strengths()
        heard = [number for number, strength in enumerate(strengths) if strength]
        chosen = heard or [0]  # the answer of one has the shapes that silence needs
        numbers = [self.numbers[number] for number in chosen]
        kinds = torch.zeros(len(sample), self.config["num_control_type"], dtype=sample.dtype, device=sample.device)
        kinds[:, numbers] = 1
        down, middle = self.net(
            sample, timestep, encoder_hidden_states, controlnet_cond=[hints[number] for number in chosen],
            control_type=kinds, control_type_idx=numbers, conditioning_scale=[strengths[number] for number in chosen],
            class_labels=class_labels, timestep_cond=timestep_cond, attention_mask=attention_mask,
            added_cond_kwargs=added_cond_kwargs, cross_attention_kwargs=cross_attention_kwargs, return_dict=False,
        )  # fmt: skip
        weight = conditioning_scale if heard else 0.0
        return [answer * weight for answer in down], middle * weight
