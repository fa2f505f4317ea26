"""The names that single files have for tensors, from diffusers' names: the inverse of what the engine must undo."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file


def original_tensors(base: Path) -> dict[str, torch.Tensor]:
    """All tensors of a diffusers folder as its single file would hold them."""
    unet = load_file(base / "unet" / "diffusion_pytorch_model.safetensors")
    rows = {int(match[1]) for name in unet if (match := re.match(r"up_blocks\.(\d)\.attentions", name))}
    tensors = {f"model.diffusion_model.{unet_key(name, rows)}": value for name, value in unet.items()}
    vae = load_file(base / "vae" / "diffusion_pytorch_model.safetensors")
    levels = 1 + sum(name.startswith("encoder.down_blocks") and "downsamplers.0.conv.weight" in name for name in vae)
    for name, value in vae.items():
        old = vae_key(name, levels)
        attention = ".mid.attn_1." in old and value.ndim == 2
        tensors[f"first_stage_model.{old}"] = value[..., None, None] if attention else value
    return tensors | _texts(base, second="add_embedding.linear_1.weight" in unet)


def _texts(base: Path, second: bool) -> dict[str, torch.Tensor]:
    """The text encoders' tensors; `second`: of SDXL or its refiner."""
    first = base / "text_encoder" / "model.safetensors"
    if not second:
        texts = load_file(first)
        # The second generation's is OpenCLIP's, of which the folder leaves out the last layer and the projection.
        if texts and _gelu(base / "text_encoder"):
            return _open_clip(texts, "cond_stage_model.model.", whole=False)
        return _clip(texts, "cond_stage_model.transformer.")
    two = load_file(base / "text_encoder_2" / "model.safetensors")
    if not first.is_file():
        return _open_clip(two, "conditioner.embedders.0.model.", whole=True)
    one = _clip(load_file(first), "conditioner.embedders.0.transformer.")
    return one | _open_clip(two, "conditioner.embedders.1.model.", whole=True)


def _gelu(folder: Path) -> bool:
    return '"hidden_act": "gelu"' in (folder / "config.json").read_text()


def _clip(texts: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    named = {name if name.startswith("text_model.") else f"text_model.{name}": value for name, value in texts.items()}
    return {f"{prefix}{name}": value for name, value in named.items()}


_OPEN = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
               "self_attn.out_proj": "attn.out_proj"}  # fmt: skip


def _open_clip(texts: dict[str, torch.Tensor], prefix: str, *, whole: bool) -> dict[str, torch.Tensor]:
    """OpenCLIP's names: query, key and value in one tensor, the projection lying the other way."""
    texts = {name.removeprefix("text_model."): value for name, value in texts.items()}
    found: dict[str, torch.Tensor] = {}
    layers = 1 + max(int(match[1]) for name in texts if (match := re.match(r"encoder\.layers\.(\d+)", name)))
    for name, value in texts.items():
        if name in _OPEN:
            found[_OPEN[name]] = value
        elif match := re.match(r"encoder\.layers\.(\d+)\.(.*)\.(weight|bias)$", name):
            number, layer, kind = match.groups()
            if layer in _OPEN_LAYER:
                found[f"transformer.resblocks.{number}.{_OPEN_LAYER[layer]}.{kind}"] = value
            elif layer == "self_attn.q_proj":
                three = [texts[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
                found[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(three)
    if whole:
        found["text_projection"] = texts["text_projection.weight"].T
    else:
        width = texts["embeddings.token_embedding.weight"].shape[1]
        found["text_projection"] = torch.eye(width)
        last = f"transformer.resblocks.{layers - 1}."
        found |= {
            name.replace(last, f"transformer.resblocks.{layers}."): torch.full_like(value, 9.0)
            for name, value in list(found.items()) if name.startswith(last)
        }  # fmt: skip
    return {f"{prefix}{name}": value for name, value in found.items()}


_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip


def unet_key(name: str, rows: set[int]) -> str:
    """diffusers' name of a UNet tensor -> CompVis' name; `rows` are those of the way up that have attention."""
    for new, old in (
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
    ):  # fmt: skip
        if name.startswith(f"{new}."):
            return old + name[len(new) :]
    part, rest = _place(name, rows)
    layer, _, tail = rest.partition(".")
    return f"{part}.{_RESNET.get(layer, layer)}.{tail}" if layer in _RESNET else f"{part}.{rest}"


def _place(name: str, rows: set[int]) -> tuple[str, str]:
    """Where a tensor of a block stands in CompVis' list of blocks, and what remains of its name."""
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        kind, number, rest = match.groups()
        return f"middle_block.{int(number) * 2 if kind == 'resnets' else 1}", rest
    match = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name)
    assert match is not None, name
    side, kind, rest = match.group(1, 3, 5)
    row, number = int(match.group(2)), int(match.group(4))
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{3 * row + 3}.0", rest.replace("conv.", "op.")
        return f"input_blocks.{3 * row + number + 1}.{int(kind == 'attentions')}", rest
    if kind == "upsamplers":
        # The last row of layers carries the upsampler, behind its attention where it has one.
        return f"output_blocks.{3 * row + 2}.{2 if row in rows else 1}", rest
    return f"output_blocks.{3 * row + number}.{int(kind == 'attentions')}", rest


def control_key(name: str) -> str:
    """diffusers' name of a ControlNet tensor -> the name that ControlNet's authors gave it."""
    parts = name.split(".")
    if parts[0] == "controlnet_cond_embedding":  # conv_in, blocks.0 to 5, conv_out: layers with one between each two
        number = {"conv_in": 0, "conv_out": 14}.get(parts[1])
        return f"input_hint_block.{2 * int(parts[2]) + 2 if number is None else number}.{parts[-1]}"
    if parts[0] == "controlnet_down_blocks":
        return f"zero_convs.{parts[1]}.0.{parts[2]}"
    if parts[0] == "controlnet_mid_block":
        return f"middle_block_out.0.{parts[1]}"
    return unet_key(name, set())


def vae_key(name: str, levels: int) -> str:
    """diffusers' name of a VAE tensor -> CompVis' name."""
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_norm_out", "norm_out")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    name = name.replace("conv_shortcut", "nin_shortcut")
    for new, old in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        name = name.replace(f"attn_1.{new}", f"attn_1.{old}")
    return name
