"""What reads pictures for a checkpoint, told by tensors alone: IP-Adapters in their own layout, and picture encoders.

An IP-Adapter (Ye et al., arXiv 2308.06721) is two parts in one file: `image_proj.*` makes of an encoded picture what a
denoiser can attend to, and `ip_adapter.1`, `.3`, `.5` … are keys and values for its text attentions, in the order in
which diffusers walks them. Every shape is checked here, so that what is listed also loads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import Unsupported
from .flow_reference import is_flow_reader

Shapes = Mapping[str, tuple[int, ...]]
Variant = Literal["plain", "plus", "full face"]

HEAD = 64
"""Width of an attention head in a resampler."""
DEPTH = 4
"""Layers of a resampler."""
TOKENS = 4
"""What a plain adapter makes of one picture."""

_LAYER = re.compile(r"(\d{1,4})\.to_([kv])_ip\.weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An IP-Adapter. `widths` are those of the attentions it extends, sorted; `sees` is the (projected, hidden) width
    of encoded pictures that it takes, one of them 0.
    """

    variant: Variant
    cross_attention_dim: int
    widths: tuple[int, ...]
    sees: tuple[int, int]


def is_reader(shapes: Shapes) -> bool:
    """Whether a file is an IP-Adapter of some kind."""
    return is_flow_reader(shapes) or any(name.startswith("ip_adapter.") for name in shapes)


def read_adapter(shapes: Shapes, name: str) -> Reader:
    """What an IP-Adapter's tensors tell. Raises Unsupported for other layouts and whatever would not load."""
    eye = _under(shapes, "image_proj.")
    if "perceiver_resampler.proj_in.weight" in eye or ("norm.weight" in eye and "proj.0.weight" in eye):
        raise Unsupported(
            f"{name} reads faces through a face recogniser, which this engine does not have", reason="FACE_ID",
            remedy="use an IP-Adapter that reads pictures, such as one for full faces",
        )  # fmt: skip
    widths, text = _attentions(_under(shapes, "ip_adapter."), name)
    if "proj.weight" in eye:
        variant, sees, expected = _plain(eye, text)
    elif "proj.3.weight" in eye:
        variant, sees, expected = _full(eye, text)
    else:
        variant, sees, expected = _plus(eye, text)
    if dict(eye) != expected or any(side == 0 for shape in expected.values() for side in shape):
        odd = sorted(key for key in {*eye, *expected} if eye.get(key) != expected.get(key))
        raise _other(name, f"image_proj.{odd[0]} is not what it should be" if odd else "it is empty")
    return Reader(variant=variant, cross_attention_dim=text, widths=widths, sees=sees)


def read_encoder(config: Mapping[str, Any], shapes: Shapes, name: str) -> tuple[int, int]:
    """Widths (projected, hidden) of what a CLIP vision tower makes of a picture. Raises Unsupported where it is no
    whole one, or its config tells of another.
    """
    sides = _numbers(config, name)
    hidden, projected, patch = sides["hidden_size"], sides["projection_dim"], sides["patch_size"]
    places = (sides["image_size"] // patch) ** 2 + 1
    expected: dict[str, tuple[int, ...]] = {
        "visual_projection.weight": (projected, hidden),
        "vision_model.embeddings.class_embedding": (hidden,),
        "vision_model.embeddings.patch_embedding.weight": (hidden, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (places, hidden),
    }
    # Its authors' spelling.
    expected |= _norm("vision_model.pre_layrnorm", hidden) | _norm("vision_model.post_layernorm", hidden)
    layers = sides["num_hidden_layers"]
    for layer in range(min(layers, 256)):
        expected |= _block(f"vision_model.encoder.layers.{layer}", hidden, sides["intermediate_size"])
    _check_kind(config, name)
    odd = next((key for key, shape in expected.items() if shapes.get(key) != shape), None)
    if odd is not None or not 2 <= layers <= 256 or hidden % sides["num_attention_heads"]:
        raise Unsupported(
            f"{name} is not the picture encoder that its config.json tells of" + (f": {odd} differs" if odd else ""),
            reason="BROKEN_MODEL_FILE", remedy="get the folder again, config.json and model.safetensors together",
        )  # fmt: skip
    return projected, hidden


def for_faces(entry_name: str, variant: str) -> bool:
    """Whether an adapter was made for faces: by its layout, else by the custom of naming it so."""
    return variant == "full face" or "face" in entry_name.lower()


def _under(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    return {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}


def _attentions(layers: Shapes, name: str) -> tuple[tuple[int, ...], int]:
    """Widths of the attentions, sorted, and the width of the text that they attend to."""
    found: dict[int, dict[str, tuple[int, ...]]] = {}
    for key, shape in layers.items():
        match = _LAYER.fullmatch(key)
        if match is None:
            raise _other(name, f"ip_adapter.{key[:60]} is none of its tensors")
        found.setdefault(int(match[1]), {})[match[2]] = shape
    if sorted(found) != list(range(1, 2 * len(found), 2)):
        raise _other(name, "its attentions are not numbered 1, 3, 5 and so on")
    pairs = [tuple(pair.get(part, ()) for part in "kv") for pair in found.values()]
    if any(len(keys) != 2 or keys != values for keys, values in pairs) or len({pair[0][1] for pair in pairs}) != 1:
        raise _other(name, "keys and values of its attentions do not belong together")
    return tuple(sorted(pair[0][0] for pair in pairs)), pairs[0][0][1]


Told = tuple[Variant, tuple[int, int], dict[str, tuple[int, ...]]]
"""A variant, the widths that it sees, and the shapes of its `image_proj`."""


def _plain(eye: Shapes, text: int) -> Told:
    seen = _side(eye, "proj.weight", 1)
    shapes = {"proj.weight": (TOKENS * text, seen), "proj.bias": (TOKENS * text,)}
    return "plain", (seen, 0), shapes | _norm("norm", text)


def _full(eye: Shapes, text: int) -> Told:
    seen = _side(eye, "proj.0.weight", 1)
    shapes = {
        "proj.0.weight": (seen, seen),
        "proj.0.bias": (seen,),
        "proj.2.weight": (text, seen),
        "proj.2.bias": (text,),
    }
    return "full face", (0, seen), shapes | _norm("proj.3", text)


def _plus(eye: Shapes, text: int) -> Told:
    seen, tokens, width = _side(eye, "proj_in.weight", 1), _side(eye, "latents", 1), _side(eye, "latents", 2)
    inner = max(HEAD, _side(eye, "layers.0.0.to_q.weight", 0) // HEAD * HEAD)
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (1, tokens, width), "proj_in.weight": (width, seen), "proj_in.bias": (width,),
        "proj_out.weight": (text, width), "proj_out.bias": (text,),
    }  # fmt: skip
    shapes |= _norm("norm_out", text)
    for layer in range(DEPTH):
        look, think = f"layers.{layer}.0", f"layers.{layer}.1"
        shapes |= _norm(f"{look}.norm1", width) | _norm(f"{look}.norm2", width) | _norm(f"{think}.0", width)
        shapes |= {f"{look}.to_q.weight": (inner, width), f"{look}.to_kv.weight": (2 * inner, width)}
        shapes |= {f"{look}.to_out.weight": (width, inner)}
        shapes |= {f"{think}.1.weight": (4 * width, width), f"{think}.3.weight": (width, 4 * width)}
    return "plus", (0, seen), shapes


def _block(name: str, width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """A layer of a vision tower."""
    shapes = _norm(f"{name}.layer_norm1", width) | _norm(f"{name}.layer_norm2", width)
    linear = {f"self_attn.{part}_proj": (width, width) for part in "qkv"} | {"self_attn.out_proj": (width, width)}
    linear |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
    for part, shape in linear.items():
        shapes |= {f"{name}.{part}.weight": shape, f"{name}.{part}.bias": shape[:1]}
    return shapes


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _side(shapes: Shapes, name: str, axis: int) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else 0


def _numbers(config: Mapping[str, Any], name: str) -> dict[str, int]:
    """The sizes in a CLIP vision tower's config; what is left out is what transformers takes it for."""
    usual = {
        "hidden_size": 768, "intermediate_size": 3072, "projection_dim": 512, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
    }  # fmt: skip
    sizes = {key: config.get(key, value) for key, value in usual.items()}
    for key, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65536:
            raise Unsupported(f"{name}/config.json has no sensible {key}", remedy="get the model again")
    return sizes


def _check_kind(config: Mapping[str, Any], name: str) -> None:
    """Raises Unsupported for a vision tower of another make than those that IP-Adapters were trained with."""
    usual = {"hidden_act": ("quick_gelu", "gelu"), "num_channels": (3,), "layer_norm_eps": (1e-5, 1e-6)}
    for key, known in usual.items():
        if config.get(key, known[0]) not in known:
            raise Unsupported(f"{name}/config.json has another {key} than CLIP", remedy="use a CLIP vision model")
    if "quantization_config" in config:
        raise Unsupported(f"{name} is quantized, which is not read", remedy="get its float version")


def _other(name: str, why: str) -> Unsupported:
    return Unsupported(
        f"{name} is not an IP-Adapter of a layout that this engine reads: {why}", reason="UNSUPPORTED_LAYOUT",
        remedy="get the original .safetensors, plain, plus or full face",
    )  # fmt: skip
