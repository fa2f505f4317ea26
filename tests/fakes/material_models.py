"""Random models that read materials: the starter's network, and Marigold's pipelines in their true layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from fakes.tiny_models import make_tiny
from safetensors.torch import save_file
from velatura_starter.material import MaterialNet

APPEARANCE = {
    "target_names": ["albedo", "material"],
    "albedo": {"prediction_space": "srgb"},
    "material": {"prediction_space": "stack", "sub_target_names": ["roughness", "metallicity", None]},
}
"""What Marigold's appearance model says of its two targets."""


def random_net(seed: int = 0) -> MaterialNet:
    """A network in which every layer does something."""
    torch.manual_seed(seed)
    net = MaterialNet()
    for name, values in net.named_parameters():
        if name.endswith("second.weight"):
            torch.nn.init.normal_(values, std=0.05)
    net.close.weight.data *= 5
    return net.eval().requires_grad_(False)


def make_network(path: Path, seed: int = 0) -> Path:
    """Write a random network as the starter's trainer does; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: values.half().contiguous() for name, values in random_net(seed).state_dict().items()}, path)
    return path


def make_marigold(folder: Path, kind: str = "intrinsics", seed: int = 0) -> Path:
    """Write a random pipeline for "intrinsics" or "normals" as diffusers saves it; returns the folder."""
    make_tiny(folder, "sd2_depth", seed)  # its text encoder has words for an empty prompt
    torch.manual_seed(seed)
    config = dict(UNet2DConditionModel.load_config(folder / "unet"))
    latent = AutoencoderKL.load_config(folder / "vae")["latent_channels"]
    targets = 2 if kind == "intrinsics" else 1
    config |= {"in_channels": (targets + 1) * latent, "out_channels": targets * latent}
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    DDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing").save_pretrained(folder / "scheduler")
    index = json.loads((folder / "model_index.json").read_text())
    told = {name: index[name] for name in ("_diffusers_version", "vae", "unet", "text_encoder", "tokenizer")}
    told |= {"scheduler": ["diffusers", "DDIMScheduler"], "default_denoising_steps": 2}
    told |= {"default_processing_resolution": 256, "prediction_type": kind}
    if kind == "intrinsics":
        told |= {"_class_name": "MarigoldIntrinsicsPipeline", "target_properties": APPEARANCE}
    else:
        told |= {"_class_name": "MarigoldNormalsPipeline", "use_full_z_range": True}
    (folder / "model_index.json").write_text(json.dumps(told))
    return folder
