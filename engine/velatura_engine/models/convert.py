"""What a torch file holds -> the bytes of a safetensors file. Runs in the jail; see jail.py.

Told by content: an embedding (AUTOMATIC1111's `string_to_param`, diffusers' token, a pair for two encoders), a
hypernetwork (numbers of widths), or named tensors alone, such as a LoRA.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from .pickles import MAX_UNPACKED, Holder, Refused, Tensor, read

MAX_TENSORS = 20_000


def converted(content: bytes) -> bytes:
    """A safetensors file of a torch file. Raises Refused, with the reason."""
    saved = read(content)
    if not isinstance(saved, dict):
        raise Refused(f"it holds {type(saved).__name__}, not named tensors")
    params = _held(saved.get("string_to_param"))
    if params is not None:
        return packed(_tensors({"emb_params": next(iter(params.values()), None)}))
    widths = {key: value for key, value in saved.items() if isinstance(key, int) and not isinstance(key, bool)}
    if widths:
        return _hypernetwork(saved, widths)
    saved = saved["state_dict"] if isinstance(saved.get("state_dict"), dict) else saved
    return packed(_tensors({key: value for key, value in saved.items() if isinstance(value, Tensor)}))


def _held(value: Any) -> dict[Any, Any] | None:
    """A dict of parameters, also inside what torch keeps such dicts in."""
    if isinstance(value, Holder):
        value = vars(value).get("_parameters")
    return value if isinstance(value, dict) else None


def _hypernetwork(saved: dict[Any, Any], widths: dict[int, Any]) -> bytes:
    """Both networks of each width, and what stands between their layers."""
    tensors: dict[str, Any] = {}
    for width, pair in widths.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(net, dict) for net in pair):
            raise Refused(f"width {width} has no pair of networks")
        for place, net in zip("kv", pair, strict=True):
            for name, value in net.items():
                # The first version had two layers, numbered from 1.
                name = str(name).replace("linear1.", "linear.0.").replace("linear2.", "linear.1.")
                tensors[f"{width}.{place}.{name}"] = value
    facts = {"activation": str(saved.get("activation_func") or "linear")[:40]}
    facts["activate_output"] = "true" if saved.get("activate_output") is True else "false"
    return packed(_tensors(tensors), facts)


def _tensors(found: dict[Any, Any]) -> dict[str, Tensor]:
    if not found or len(found) > MAX_TENSORS:
        raise Refused("it holds no tensors, or too many")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        raise Refused("what should be a tensor is none")
    return found


def packed(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as a safetensors file: the length of a header, the header in JSON, the numbers."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    body: list[bytes] = []
    at = 0
    for name, tensor in tensors.items():
        content = tensor.packed()
        if at + len(content) > MAX_UNPACKED:
            raise Refused(f"its tensors are more than {MAX_UNPACKED} bytes")
        offsets = [at, at + len(content)]
        header[name] = {"dtype": tensor.kind, "shape": list(tensor.shape), "data_offsets": offsets}
        body.append(content)
        at += len(content)
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    return b"".join([struct.pack("<Q", len(words)), words, *body])
