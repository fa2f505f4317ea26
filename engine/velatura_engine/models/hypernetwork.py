"""How a hypernetwork is kept in a safetensors file: tensors `768.k.linear.0.weight`, and its activation in metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ACTIVATIONS: dict[str, str] = {
    "": "", "linear": "", "relu": "ReLU", "leakyrelu": "LeakyReLU", "elu": "ELU", "swish": "Hardswish", "tanh": "Tanh",
    "sigmoid": "Sigmoid", "hardswish": "Hardswish", "silu": "SiLU", "gelu": "GELU", "mish": "Mish", "selu": "SELU",
    "celu": "CELU", "relu6": "ReLU6", "softplus": "Softplus", "softsign": "Softsign", "hardtanh": "Hardtanh",
    "hardsigmoid": "Hardsigmoid", "logsigmoid": "LogSigmoid", "tanhshrink": "Tanhshrink",
}  # fmt: skip
"""AUTOMATIC1111's names of activations, and torch's; "" for none. Its swish is torch's Hardswish."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What stands between the linear layers, and whether the last has it too."""

    activation: str = ""
    activate_output: bool = False


def structure(metadata: Mapping[str, str]) -> Structure:
    """What a file's metadata says. Raises LookupError for an activation that is not known."""
    activation = metadata.get("activation", "").lower()
    if activation not in ACTIVATIONS:
        raise LookupError(f"its activation {activation[:40]!r} is not known")
    return Structure(activation, metadata.get("activate_output") == "true")
