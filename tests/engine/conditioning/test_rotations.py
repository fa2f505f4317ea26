"""GLoRA, OFT and BOFT: what they change is what their formulas say, worked out in another way."""

from __future__ import annotations

import pytest
import torch
from fakes import adapters as fake
from torch import nn
from velatura_engine.conditioning.adapters.deltas import Mismatch, weight_delta

from .test_adapters import close, pipeline, plan, same, wear, weights  # noqa: F401 (fixtures)

DICE = torch.Generator().manual_seed(5)


def rand(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=DICE)


@pytest.mark.parametrize("version", [1, 2])
def test_a_glora_changes_what_a_layer_is_given_and_adds_to_what_it_gives(version):
    a1, a2, b1, b2 = rand(5, 3), rand(3, 5), rand(6, 3), rand(3, 5)
    whole, seen = rand(6, 5), rand(2, 5)
    told = {"g_a1": a1, "g_a2": a2, "g_b1": b1, "g_b2": b2}
    if version == 1:
        told = {"g_a1": a2, "g_a2": a1, "g_b1": b2, "g_b2": b1}
    delta = weight_delta(told | {"alpha": torch.tensor(1.5)}, whole)
    inner, added = seen @ a2.T @ a1.T * 0.5, seen @ b2.T @ b1.T * 0.5
    assert close(seen @ (whole + delta).T, (seen + inner) @ whole.T + added)


@pytest.mark.parametrize("core", [False, True])
def test_a_glora_of_a_convolution_is_small_convolutions_before_and_beside_it(core):
    whole, picture = rand(6, 5, 3, 3), rand(1, 5, 8, 8)
    a1, a2, b1 = rand(5, 2, 1, 1), rand(2, 5, 1, 1), rand(6, 2, 1, 1)
    told = {"g_a1": a1, "g_a2": a2, "g_b1": b1, "g_b2": rand(2, 5, 1, 1) if core else rand(2, 5, 3, 3)}
    conv = nn.functional.conv2d
    beside = conv(picture, told["g_b2"], padding=0 if core else 1)
    if core:
        told["g_bm"] = rand(2, 2, 3, 3)
        beside = conv(beside, told["g_bm"], padding=1)
    delta = weight_delta(told, whole)
    before = conv(picture + conv(conv(picture, a2), a1), whole, padding=1)
    assert torch.allclose(conv(picture, whole + delta, padding=1), before + conv(beside, b1), rtol=1e-3, atol=1e-3)


def cayley(square: torch.Tensor) -> torch.Tensor:
    """(I + Q)(I - Q)^-1 as a sum of powers, of a Q that is small enough."""
    skew, one = square - square.T, torch.eye(len(square))
    inverse = sum((torch.matrix_power(skew, n) for n in range(60)), torch.zeros_like(one))
    return (one + skew) @ inverse


def test_an_oft_turns_each_block_of_rows_by_a_rotation_of_its_own():
    blocks, whole = rand(3, 4, 4) * 0.05, rand(12, 5)
    turned = whole + weight_delta({"rotations": blocks}, whole)
    turn = torch.block_diag(*(cayley(block) for block in blocks))
    assert close(turn @ turn.T, torch.eye(12)) and close(turned, turn.T @ whole)
    # Angles between what single inputs give stay as they were: that is what it is for.
    for rows in (slice(0, 4), slice(4, 8)):
        assert close(turned[rows].T @ turned[rows], whole[rows].T @ whole[rows])


def test_the_constraint_shortens_the_squares_of_an_oft_together():
    blocks, whole = rand(2, 4, 4), rand(8, 5)
    limit = 0.3
    length = (blocks - blocks.transpose(1, 2)).norm()
    told = weight_delta({"rotations": blocks, "alpha": torch.tensor(limit / 8)}, whole)
    assert close(told, weight_delta({"rotations": blocks * (limit / length)}, whole))
    free = weight_delta({"rotations": blocks}, whole)
    assert not close(told, free) and close(weight_delta({"rotations": blocks, "alpha": torch.tensor(9.0)}, whole), free)


def test_an_oft_may_give_its_rows_other_lengths_afterwards():
    blocks, whole, lengths = rand(2, 3, 3), rand(6, 5, 3, 3), rand(6, 1, 1, 1)
    plain = whole + weight_delta({"rotations": blocks}, whole)
    assert close(whole + weight_delta({"rotations": blocks, "rescale": lengths}, whole), plain * lengths)


@pytest.mark.parametrize("side", [2, 4])
def test_a_boft_is_one_sparse_rotation_after_the_other(side):
    rows, layers = 16, 3
    blocks, whole = rand(layers, rows // side, side, side) * 0.05, rand(rows, 5)
    turned = whole
    for number in range(layers):
        reach = 2**number * side // 2
        # Row o of group g, half h, place j stands at g * 2 * reach + j * 2 + h while this layer turns.
        order = torch.zeros(rows, rows)
        for o in range(rows):
            g, h, j = o // (2 * reach), o // reach % 2, o % reach
            order[g * 2 * reach + j * 2 + h, o] = 1
        turned = order.T @ torch.block_diag(*(cayley(block) for block in blocks[number])) @ order @ turned
    assert close(whole + weight_delta({"rotations": blocks}, whole), turned)
    assert close(turned.T @ turned, whole.T @ whole)


@pytest.mark.parametrize(
    "parts",
    [
        {"rotations": rand(3, 4, 4)},
        {"rotations": rand(2, 3, 4)},
        {"rotations": rand(6)},
        {"rotations": rand(9, 3, 2, 2)},
        {"rotations": rand(2, 3, 3), "rescale": rand(5)},
        {"g_a1": rand(5, 2), "g_a2": rand(2, 5), "g_b1": rand(6, 2)},
        {"g_a1": rand(5, 2), "g_a2": rand(2, 4), "g_b1": rand(6, 2), "g_b2": rand(2, 5)},
    ],
    ids=lambda parts: "+".join(f"{name}{list(values.shape)}" for name, values in parts.items()),
)
def test_blocks_that_do_not_make_the_rows_are_no_match(parts):
    with pytest.raises(Mismatch):
        weight_delta(parts, rand(6, 5))


KINDS = {
    "glora": lambda unet: fake.glora(unet, fake.UNET),
    "oft of kohya": lambda unet: fake.oft(unet, fake.UNET, alpha=0.01),
    "oft of lycoris": lambda unet: fake.oft(unet, fake.UNET, prefix="lora_unet"),
    "boft": lambda unet: fake.oft(unet, fake.UNET, layers=3, prefix="lora_unet"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_worn_by_all_its_layers_and_taken_off_without_a_trace(pipeline, wear, tmp_path, kind):  # noqa: F811
    file = fake.save(tmp_path / "x.safetensors", KINDS[kind](pipeline.unet))
    before = weights(pipeline)
    with wear(plan(file)):
        now = weights(pipeline)
    changed = {name for name in before if not torch.equal(before[name], now[name])}
    assert changed == {f"unet.{path}.weight" for path in fake.UNET} and not wear.told
    assert same(weights(pipeline), before)
    with wear(plan(file, 0.5)):
        half = weights(pipeline)
    name = f"unet.{fake.UNET[0]}.weight"
    assert close(half[name] - before[name], (now[name] - before[name]) / 2)
