"""IP-Adapters for Stable Diffusion 3.5 and the SigLIP towers that see for them, told by their tensors.

InstantX's layout, in which diffusers reads it too: `image_proj.*` is a resampler that knows the time of the run, and
`ip_adapter.0`, `.1`, … have keys and values for the joint attentions, in the order in which diffusers walks them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Unsupported

Shapes = Mapping[str, tuple[int, ...]]

EYES = "siglip"
"""What entries of such adapters and of their picture encoders have as `variant`."""
HEAD = 64
"""Width of an attention head in the resampler."""
DEPTH = 4
"""Layers of the resampler."""
_NAMES = (
    (r"^layers\.(\d+)\.0\.norm1\.", r"layers.\1.ln0."), (r"^layers\.(\d+)\.0\.norm2\.", r"layers.\1.ln1."),
    (r"^layers\.(\d+)\.0\.to_out\.", r"layers.\1.attn.to_out.0."), (r"^layers\.(\d+)\.0\.to_", r"layers.\1.attn.to_"),
    (r"^layers\.(\d+)\.1\.0\.", r"layers.\1.adaln_norm."), (r"^layers\.(\d+)\.1\.1\.", r"layers.\1.ff.net.0.proj."),
    (r"^layers\.(\d+)\.1\.3\.", r"layers.\1.ff.net.2."), (r"^layers\.(\d+)\.2\.1\.", r"layers.\1.adaln_proj."),
)  # fmt: skip
"""Layers of the resampler as its authors name them, and as diffusers does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointReader:
    """Such an adapter: the width of the model's tokens and of a head, its attentions, what it `sees` of a picture; of
    its resampler width, tokens, heads, and numbers that tell the time; and the width of its own tokens.
    """

    width: int
    head: int
    attentions: int
    sees: int
    inner: int
    tokens: int
    heads: int
    times: int
    told: int


def is_joint_reader(shapes: Shapes) -> bool:
    """Whether a file is one."""
    return "ip_adapter.0.norm_ip.linear.weight" in shapes


def eye_name(name: str) -> str:
    """The name that diffusers has for a tensor of the resampler, "" for tensors of other parts."""
    if not name.startswith("image_proj."):
        return ""
    inner = name.removeprefix("image_proj.")
    for theirs, ours in _NAMES:
        inner = re.sub(theirs, ours, inner)
    return inner


def read_joint_adapter(shapes: Shapes, name: str) -> JointReader:
    """What an adapter's tensors tell. Raises Unsupported where they do not go together."""
    eye = {eye_name(key): shape for key, shape in shapes.items() if eye_name(key)}
    layers = {key.removeprefix("ip_adapter."): shape for key, shape in shapes.items() if key.startswith("ip_adapter.")}
    found = JointReader(
        width=_side(layers, "0.to_k_ip.weight", 0), head=_side(layers, "0.norm_q.weight", 0),
        attentions=len({key.partition(".")[0] for key in layers}), sees=_side(eye, "proj_in.weight", 1),
        inner=_side(eye, "proj_in.weight", 0), tokens=_side(eye, "latents", 1),
        heads=_side(eye, "layers.0.attn.to_q.weight", 0) // HEAD, times=_side(eye, "time_embedding.linear_1.weight", 1),
        told=_side(eye, "proj_out.weight", 0),
    )  # fmt: skip
    wanted = {f"{number}.{part}": shape for number in range(found.attentions) for part, shape in _layer(found).items()}
    sides = (found.width, found.head, found.attentions, found.sees, found.inner, found.tokens, found.heads, found.times)
    if not all(sides) or found.width % found.head or layers != wanted or eye != _resampler(found):
        raise Unsupported(
            f"{name} is not an IP-Adapter for Stable Diffusion 3.5 of a layout that this engine reads",
            reason="UNSUPPORTED_LAYOUT", remedy="get InstantX's SD3.5-Large-IP-Adapter as .safetensors",
        )  # fmt: skip
    return found


def is_siglip(config: Mapping[str, Any]) -> bool:
    """Whether a folder's config is that of a SigLIP model or of its vision tower alone."""
    return config.get("model_type") in ("siglip", "siglip_vision_model")


def read_siglip(config: Mapping[str, Any], shapes: Shapes, name: str) -> int:
    """Width of what a SigLIP vision tower makes of a picture. Raises Unsupported where it is no whole one, or its
    config tells of another.
    """
    usual = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
             "image_size": 224, "patch_size": 16}  # fmt: skip
    inner = config["vision_config"] if config["model_type"] == "siglip" else config
    sides = {key: inner.get(key, value) for key, value in usual.items()}
    bad = next((key for key, side in sides.items() if type(side) is not int or not 1 <= side <= 65536), "")
    hidden, layers, patch = sides["hidden_size"], sides["num_hidden_layers"], sides["patch_size"]
    if bad or not 2 <= layers <= 256 or hidden % sides["num_attention_heads"]:
        raise Unsupported(f"{name}/config.json has no sensible {bad or 'layers'}", remedy="get the model again")
    bare = {key.removeprefix("vision_model."): shape for key, shape in shapes.items()}
    wanted: dict[str, tuple[int, ...]] = {
        "embeddings.patch_embedding.weight": (hidden, 3, patch, patch), "embeddings.patch_embedding.bias": (hidden,),
        "embeddings.position_embedding.weight": ((sides["image_size"] // patch) ** 2, hidden),
    }  # fmt: skip
    for layer in range(layers):
        wanted |= _block(f"encoder.layers.{layer}", hidden, sides["intermediate_size"])
    odd = next((key for key, shape in wanted.items() if bare.get(key) != shape), None)
    if odd is not None or "quantization_config" in config:
        raise Unsupported(
            f"{name} is not the picture encoder that its config.json tells of" + (f": {odd} differs" if odd else ""),
            reason="BROKEN_MODEL_FILE", remedy="get the folder again, config.json and model.safetensors together",
        )  # fmt: skip
    return hidden


def _layer(told: JointReader) -> dict[str, tuple[int, ...]]:
    """What stands beside one attention."""
    return {
        "norm_ip.linear.weight": (2 * told.told, told.inner), "norm_ip.linear.bias": (2 * told.told,),
        "to_k_ip.weight": (told.width, told.told), "to_v_ip.weight": (told.width, told.told),
        **{f"{norm}.weight": (told.head,) for norm in ("norm_q", "norm_k", "norm_ip_k")},
    }  # fmt: skip


def _resampler(told: JointReader) -> dict[str, tuple[int, ...]]:
    """The resampler in diffusers' names."""
    inner, attended = told.inner, told.heads * HEAD
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (1, told.tokens, inner), "proj_in.weight": (inner, told.sees), "proj_in.bias": (inner,),
        "proj_out.weight": (told.told, inner), "proj_out.bias": (told.told,), **_both("norm_out", told.told),
        "time_embedding.linear_1.weight": (inner, told.times), "time_embedding.linear_1.bias": (inner,),
        "time_embedding.linear_2.weight": (inner, inner), "time_embedding.linear_2.bias": (inner,),
    }  # fmt: skip
    for layer in range(DEPTH):
        at = f"layers.{layer}"
        shapes |= _both(f"{at}.ln0", inner) | _both(f"{at}.ln1", inner) | _both(f"{at}.adaln_norm", inner)
        shapes |= {
            f"{at}.attn.to_q.weight": (attended, inner), f"{at}.attn.to_kv.weight": (2 * attended, inner),
            f"{at}.attn.to_out.0.weight": (inner, attended), f"{at}.ff.net.0.proj.weight": (4 * inner, inner),
            f"{at}.ff.net.2.weight": (inner, 4 * inner), f"{at}.adaln_proj.weight": (4 * inner, inner),
            f"{at}.adaln_proj.bias": (4 * inner,),
        }  # fmt: skip
    return shapes


def _block(name: str, width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """A layer of a vision tower."""
    shapes = _both(f"{name}.layer_norm1", width) | _both(f"{name}.layer_norm2", width)
    linear = {f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
    for part, shape in linear.items():
        shapes |= {f"{name}.{part}.weight": shape, f"{name}.{part}.bias": shape[:1]}
    return shapes


def _both(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _side(shapes: Shapes, name: str, axis: int) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else 0
