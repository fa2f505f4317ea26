"""IP-Adapters for Flux.1, told by their tensors: XLabs' own names, or those that diffusers gives them.

One layer makes tokens of an encoded picture; keys and values with offsets stand beside the attention of each block that
has text and picture apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Unsupported

Shapes = Mapping[str, tuple[int, ...]]

EYE = ("ip_adapter_proj_model.", "image_proj.")
"""What the names of what makes tokens begin with."""
_BLOCK = re.compile(
    r"(?:double_blocks\.(\d{1,4})\.processor\.ip_adapter_double_stream_([kv])_proj"
    r"|ip_adapter\.(\d{1,4})\.to_([kv])_ip)\.(weight|bias)"
)


@dataclass(frozen=True, slots=True)
class FlowReader:
    """Such an adapter: the width of the model's tokens and of its text, its blocks, what it `sees` of a picture, and
    into how many `tokens` it turns that.
    """

    width: int
    text: int
    blocks: int
    sees: int
    tokens: int


def is_flow_reader(shapes: Shapes) -> bool:
    """Whether a file is one."""
    return "ip_adapter_proj_model.proj.weight" in shapes or "ip_adapter.0.to_k_ip.bias" in shapes


def place(name: str) -> tuple[int, str, str] | None:
    """Block, "k" or "v", and "weight" or "bias" of a tensor's name; None for others."""
    match = _BLOCK.fullmatch(name)
    return None if match is None else (int(match[1] or match[3] or 0), match[2] or match[4], match[5])


def eye_name(name: str) -> str:
    """The name of a tensor within what makes tokens, "" for others."""
    return next((name.removeprefix(before) for before in EYE if name.startswith(before)), "")


def read_flow_adapter(shapes: Shapes, name: str) -> FlowReader:
    """What an adapter's tensors tell. Raises Unsupported where they do not go together."""
    eye = {eye_name(key): shape for key, shape in shapes.items() if eye_name(key)}
    layers = {spot: shape for key, shape in shapes.items() if (spot := place(key)) is not None}
    (width, text), (rows, sees) = layers.get((0, "k", "weight"), (0, 0)), eye.get("proj.weight", (0, 0))
    blocks = 1 + max((block for block, _, _ in layers), default=-1)
    wanted = {
        (block, part, kind): (width, text) if kind == "weight" else (width,)
        for block in range(blocks) for part in "kv" for kind in ("weight", "bias")
    }  # fmt: skip
    whole = {"proj.weight": (rows, sees), "proj.bias": (rows,), "norm.weight": (text,), "norm.bias": (text,)}
    if not width or not text or not sees or rows % text or layers != wanted or eye != whole:
        raise Unsupported(
            f"{name} is not an IP-Adapter for Flux.1 of a layout that this engine reads", reason="UNSUPPORTED_LAYOUT",
            remedy="get XLabs' flux-ip-adapter as .safetensors, first or second version",
        )  # fmt: skip
    return FlowReader(width, text, blocks, sees, rows // text)
