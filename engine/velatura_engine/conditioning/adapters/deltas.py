"""From the small matrices of a file to what they add to a layer's weight.

LoRA: Hu et al., arXiv 2106.09685. LoHa and LoKr, also with the core of a Tucker decomposition: Yeh et al., LyCORIS,
arXiv 2309.14859. (IA)^3: Liu et al., arXiv 2205.05638. DoRA: Liu et al., arXiv 2402.09353. GLoRA: Chavan et al., arXiv
2306.07967. In all of them `alpha` over the rank scales the product; full differences and products that have no rank are
taken as they stand. For OFT and BOFT see rotations.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .rotations import Strange, rotated

Parts = Mapping[str, torch.Tensor]


class Mismatch(ValueError):
    """The parts do not make what the layer needs."""


def weight_delta(parts: Parts, weight: torch.Tensor | None) -> torch.Tensor | None:
    """What the parts add to a weight at strength 1, float32 in the weight's shape; None where they change only a bias.

    Raises Mismatch where their shapes do not fit, ValueError where they hold what is no number.
    """
    if not parts.keys() - {"bias", "alpha"}:
        return None
    if weight is None:
        raise Mismatch("the layer has no weight")
    try:
        return _weight_delta(parts, weight)
    except (
        RuntimeError,
        KeyError,
        IndexError,
        Strange,
    ) as trouble:  # torch's words for matrices that do not go together
        raise Mismatch(str(trouble).splitlines()[0]) from None


def _weight_delta(parts: Parts, weight: torch.Tensor) -> torch.Tensor:
    whole = weight.float()
    if "scale" in parts:
        delta = _by_rows_or_columns(parts["scale"], parts["on_input"], whole)
    elif "rotations" in parts:
        delta = rotated(parts, whole) - whole
    elif "g_a1" in parts:
        delta = _general(parts, whole)
    else:
        delta = _product(parts, weight)
    if "magnitude" in parts:
        delta = _directed(whole + delta, parts["magnitude"]) - whole
    return finite(delta)


def bias_delta(parts: Parts, bias: torch.Tensor | None) -> torch.Tensor | None:
    """What the parts add to a bias at strength 1; None where they leave it alone. Raises as `weight_delta`."""
    if "bias" not in parts:
        return None
    if bias is None or parts["bias"].numel() != bias.numel():
        raise Mismatch("the layer has no such bias")
    return finite(parts["bias"].float().reshape(bias.shape))


def finite(values: torch.Tensor) -> torch.Tensor:
    """The values. Raises ValueError where one is no number, or infinite."""
    if not torch.isfinite(values).all():
        raise ValueError("holds values that are not numbers, or infinite")
    return values


def _product(parts: Parts, weight: torch.Tensor) -> torch.Tensor:
    """The matrix that the parts multiply out to, scaled."""
    if "down" in parts:
        product = _low_rank(parts, weight.shape)
    elif "w1_a" in parts:
        product = _hadamard(parts, weight.shape)
    elif "k1" in parts or "k1_a" in parts:
        product = _kronecker(parts, weight)
    else:
        return _shaped(parts["diff"].float(), weight.shape)
    inner = next((parts[name] for name in ("down", "w1_b", "k1_b", "k2_b") if name in parts), None)
    if inner is None or "alpha" not in parts:
        return product
    return product * (float(parts["alpha"].float()) / inner.shape[0])


def _low_rank(parts: Parts, shape: torch.Size) -> torch.Tensor:
    """up @ down; for convolutions with a core of the kernel's size in between: up and down are then 1 x 1."""
    up, down = (parts[name].float() for name in ("up", "down"))
    if "mid" in parts:
        mid = parts["mid"].float()  # (r, r, kh, kw)
        return _shaped(torch.einsum("op,pqhw,qi->oihw", up.flatten(1), mid, down.flatten(1)), shape)
    _check_size(up.shape[0] * down.flatten(1).shape[1], shape)
    return _shaped(up.flatten(1) @ down.flatten(1), shape)


def _general(parts: Parts, weight: torch.Tensor) -> torch.Tensor:
    """GLoRA: what a layer is given changes too, W (x + A x) + B x; A and B are products of low rank.

    Since its second version the first of each pair comes last: A is a1 a2, before it was a2 a1.
    """
    a1, a2, b1, b2 = (parts[f"g_{name}"].float() for name in ("a1", "a2", "b1", "b2"))
    inputs = weight.shape[1]
    if not (a1.shape[0] == a2.flatten(1).shape[1] == inputs and a1.flatten(1).shape[1] == a2.shape[0]):
        a1, a2, b1, b2 = a2, a1, b2, b1
    rank = a2.shape[0]
    if "g_bm" in parts:
        core = parts["g_bm"].float()  # (r, r, kh, kw)
        added = _shaped(torch.einsum("op,pqhw,qi->oihw", b1.flatten(1), core, b2.flatten(1)), weight.shape)
    else:
        _check_size(b1.shape[0] * b2.flatten(1).shape[1], weight.shape)
        added = _shaped(b1.flatten(1) @ b2.flatten(1), weight.shape)
    _check_size(a1.shape[0] * a2.flatten(1).shape[1], torch.Size((inputs, inputs)))
    first = torch.einsum("oi...,ir->or...", weight, a1.flatten(1))
    delta = added + torch.einsum("or...,rj->oj...", first, a2.flatten(1))
    return delta * (float(parts["alpha"].float()) / rank) if "alpha" in parts else delta


def _hadamard(parts: Parts, shape: torch.Size) -> torch.Tensor:
    """The product, number by number, of two products of low rank."""
    factors = []
    for number in "12":
        left, right = parts[f"w{number}_a"].float(), parts[f"w{number}_b"].float()
        core = parts.get(f"t{number}")
        factors.append(left @ right if core is None else _tucker(core, left, right))
    return _shaped(factors[0] * factors[1], shape)


def _tucker(core: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """core (r, r, kh, kw), left (r, out), right (r, in) -> (out, in, kh, kw)."""
    return torch.einsum("pqhw,po,qi->oihw", core.float(), left, right)


def _kronecker(parts: Parts, weight: torch.Tensor) -> torch.Tensor:
    """The Kronecker product of two factors, either of which may be a product of low rank."""
    first = _factor(parts, "k1")
    second = _tucker(parts["kt"], parts["k2_a"].float(), parts["k2_b"].float()) if "kt" in parts else None
    second = _factor(parts, "k2") if second is None else second
    _check_size(first.numel() * second.numel(), weight.shape)
    if second.ndim == 4:
        first = first[:, :, None, None]
    return _shaped(torch.kron(first, second), weight.shape)


def _factor(parts: Parts, name: str) -> torch.Tensor:
    if name in parts:
        return parts[name].float()
    return parts[f"{name}_a"].float() @ parts[f"{name}_b"].float()


def _by_rows_or_columns(scale: torch.Tensor, on_input: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(IA)^3: every row, or every column, times its number."""
    axis = 1 if bool(on_input.flatten()[0]) else 0
    if scale.numel() != weight.shape[axis]:
        raise Mismatch(f"{scale.numel()} numbers for {weight.shape[axis]} rows or columns")
    shape = [1] * weight.ndim
    shape[axis] = -1
    return weight * scale.float().reshape(shape)


def _directed(weight: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """DoRA: the direction of the weight with the lengths that were learned, by rows or, for (1, in), by columns."""
    rows = not (magnitude.ndim > 1 and magnitude.shape[0] == 1 and magnitude.shape[1] == weight.shape[1])
    axis = 0 if rows else 1
    if magnitude.numel() != weight.shape[axis]:
        raise Mismatch(f"{magnitude.numel()} magnitudes for {weight.shape[axis]} rows or columns")
    shape = [1] * weight.ndim
    shape[axis] = -1
    others = [other for other in range(weight.ndim) if other != axis]
    length = weight.square().sum(others, keepdim=True).sqrt()
    # A row of zeros has no direction; it stays.
    return weight * (magnitude.float().reshape(shape) / length.clamp_min(torch.finfo(torch.float32).tiny))


def _check_size(numbers: int, shape: torch.Size) -> None:
    """Before anything is multiplied out: a file must not make the engine build more than a layer holds."""
    if numbers != shape.numel():
        raise Mismatch(f"{numbers} numbers for a weight of {shape.numel()}")


def _shaped(values: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """As the weight lies: 1 x 1 convolutions and linear layers stand in for each other."""
    _check_size(values.numel(), shape)
    square = values.ndim < 2 or len(shape) < 2 or values.shape[0] == shape[0]
    if not square:
        raise Mismatch(f"{tuple(values.shape)} does not fit a weight of {tuple(shape)}")
    return values.reshape(shape)
