"""How files name the parts of LoRAs and their relatives: kohya's, LyCORIS', diffusers' and peft's ways, made one.

A key is the name of a layer and the part that it holds for it: `lora_unet_mid_block_..._to_q.lora_down.weight` is
part `down` of layer `lora_unet_mid_block_..._to_q`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]
Layers = dict[str, dict[str, str]]
"""Keys by layer and part."""

_PARTS = {
    # LoRA and LoCon: kohya, diffusers of several ages, peft
    "lora_down.weight": "down", "lora_up.weight": "up", "lora_mid.weight": "mid",
    "lora.down.weight": "down", "lora.up.weight": "up",
    "lora_A.weight": "down", "lora_B.weight": "up",
    "lora_B.bias": "bias",
    "lora_A.default.weight": "down", "lora_B.default.weight": "up",
    "lora_linear_layer.down.weight": "down", "lora_linear_layer.up.weight": "up",
    "alpha": "alpha", "lora_alpha": "alpha",
    "dora_scale": "magnitude", "lora_magnitude_vector": "magnitude", "lora_magnitude_vector.weight": "magnitude",
    "lora_magnitude_vector.default.weight": "magnitude",
    # LyCORIS: LoHa, LoKr, full differences, (IA)^3
    "hada_w1_a": "w1_a", "hada_w1_b": "w1_b", "hada_w2_a": "w2_a", "hada_w2_b": "w2_b",
    "hada_t1": "t1", "hada_t2": "t2",
    "lokr_w1": "k1", "lokr_w1_a": "k1_a", "lokr_w1_b": "k1_b",
    "lokr_w2": "k2", "lokr_w2_a": "k2_a", "lokr_w2_b": "k2_b", "lokr_t2": "kt",
    "diff": "diff", "diff_b": "bias", "w_norm": "diff", "b_norm": "bias",
    "on_input": "on_input",
    # GLoRA, and the rotations of OFT and BOFT
    "a1.weight": "g_a1", "a2.weight": "g_a2", "b1.weight": "g_b1", "b2.weight": "g_b2", "bm.weight": "g_bm",
    "oft_blocks": "rotations", "oft_diag": "rotations", "boft_blocks": "rotations", "rescale": "rescale",
}  # fmt: skip
_OLD = re.compile(r"(.*)\.processor\.(to_[qkv]|to_out)_lora\.(down|up)\.weight")
_XLABS = re.compile(r"(.+\.processor\.(?:qkv|proj)_lora[12]?)\.(down|up)\.weight")
_TEXT = re.compile(r"(?:lora_te|text_encoder_)(\d)_|(?:lora_te|text_encoder)_")


def layers(names: Mapping[str, object]) -> tuple[Layers, list[str]]:
    """The keys of a file by layer and part, and the keys that are none of these. (IA)^3 shares its `weight` with
    everything else, so it counts only beside `on_input`.
    """
    found: Layers = {}
    left: list[str] = []
    for name in names:
        layer, part = split(name)
        if part:
            found.setdefault(layer, {})[part] = name
        else:
            left.append(name)
    scales = {f"{layer}.weight": layer for layer, parts in found.items() if "on_input" in parts}
    for name in left:
        if name in scales:
            found[scales[name]]["scale"] = name
    return found, [name for name in left if name not in scales]


def split(name: str) -> tuple[str, str]:
    """Layer and part of a key; the part is "" where it is none that is known."""
    old = _OLD.fullmatch(name)
    if old is not None:
        layer = f"{old[1]}.{old[2]}"
        return layer, old[3]
    xlabs = _XLABS.fullmatch(name)
    if xlabs is not None:
        return xlabs[1], xlabs[2]
    at = -1
    while (at := name.find(".", at + 1)) >= 0:
        part = _PARTS.get(name[at + 1 :])
        if part:
            return name[:at], part
    return name, ""


def flat(layer: str) -> str:
    """A layer's name with underscores alone, so that all ways of writing one agree."""
    words = layer.replace(".", "_")
    return f"{words}_0" if words.endswith("to_out") else words


def encoder(layer: str) -> int:
    """Which text encoder a layer belongs to, counted from 1; 0 for the denoiser's."""
    match = _TEXT.match(flat(layer))
    return 0 if match is None else int(match[1] or 1)


def width(parts: Mapping[str, str], shapes: Shapes) -> int:
    """What a linear layer with these parts takes in, 0 where they do not tell."""
    for part in ("down", "w1_b", "diff"):
        if part in parts and len(shapes[parts[part]]) >= 2:
            return shapes[parts[part]][1]
    if {"g_a1", "g_a2", "g_b1", "g_b2"} <= parts.keys():
        a1, a2, b1, b2 = (shapes[parts[f"g_{name}"]] for name in ("a1", "a2", "b1", "b2"))
        if min(map(len, (a1, a2, b1, b2))) < 2:
            return 0
        # In the first version the names of each pair were the other way around.
        return b2[1] if a1[1] == a2[0] == b1[1] == b2[0] else b1[1]
    factors = [_inner(parts, shapes, name) for name in ("k1", "k2")]
    return math.prod(factors)


def _inner(parts: Mapping[str, str], shapes: Shapes, name: str) -> int:
    """Columns of one factor of a Kronecker product."""
    key = parts.get(name) or parts.get(f"{name}_b")
    return shapes[key][1] if key and len(shapes[key]) >= 2 else 0


def rank(parts: Mapping[str, str], shapes: Shapes) -> int:
    """The inner size of a product of low rank, 0 where nothing is one."""
    for part, axis in (("down", 0), ("w1_b", 0), ("k1_b", 0), ("k2_b", 0), ("g_a2", 0)):
        if part in parts and shapes[parts[part]]:
            return shapes[parts[part]][axis]
    return 0


def peft_facts(metadata: Mapping[str, str]) -> dict[str, object]:
    """What diffusers and peft say of their own LoRAs in a file's metadata; nothing where that is no such JSON."""
    try:
        facts = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def peft_scale(facts: Mapping[str, object], layer: str, rank: int) -> float:
    """alpha / rank of a layer as the facts have it, for its component and the layer itself; 1 where they do not.

    The patterns of peft are regular expressions; here they are names alone, which is what files hold.
    """
    component, _, path = layer.partition(".")
    own = {name.removeprefix(f"{component}."): value for name, value in facts.items()}
    alpha = own.get("lora_alpha")
    pattern = own.get("alpha_pattern")
    if isinstance(pattern, dict):
        fits = (value for name, value in pattern.items() if path == name or path.endswith(f".{name}"))
        alpha = next(fits, alpha)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha) or not rank:
        return 1.0
    return alpha / math.sqrt(rank) if own.get("use_rslora") is True else alpha / rank
