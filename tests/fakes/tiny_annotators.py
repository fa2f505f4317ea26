"""Random annotators in their true layouts: networks that draw lines, and small models of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    ConditionalDetrConfig,
    ConditionalDetrForObjectDetection,
    ConvNextConfig,
    DetrConfig,
    DetrForObjectDetection,
    DPTConfig,
    DPTForSemanticSegmentation,
    OneFormerConfig,
    OneFormerModel,
    ResNetConfig,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SwinConfig,
    UperNetConfig,
    UperNetForSemanticSegmentation,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    YolosConfig,
    YolosForObjectDetection,
)
from transformers.models.vitpose_backbone import VitPoseBackboneConfig
from velatura_engine.runtime.edges import ARTISTS, MLsd

COCO = {0: "N/A", 1: "person", 2: "bicycle"}
ADE = {number: f"class {number}" for number in range(150)}
LINES: dict[str, Callable[[], nn.Module]] = {**ARTISTS, "mlsd": MLsd}


def make_lines(path: Path, kind: str, seed: int = 0) -> Path:
    """Write random weights of a network that draws lines as one half-precision file; returns the path."""
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, values in LINES[kind]().state_dict().items():
        if values.is_floating_point() and "running" not in name:
            # Louder than torch begins, or the answer is nearly flat.
            values = torch.randn_like(values) * (values[0].numel() ** -0.5 if values.ndim == 4 else 0.3) * 1.4
        tensors[name] = values.half() if values.is_floating_point() else values
    save_file(tensors, path)
    return path


def make_segmenter(folder: Path, kind: str = "segformer", classes: int = 150) -> Path:
    """Write a random segmenter that knows so many classes; returns the folder."""
    torch.manual_seed(0)
    labels = {"id2label": {number: f"class {number}" for number in range(classes)}}
    if kind == "segformer":
        widths = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1] * 4}
        config = SegformerConfig(**widths, decoder_hidden_size=16, mlp_ratios=[2] * 4, **labels)
        model: nn.Module = SegformerForSemanticSegmentation(config)
    elif kind == "dpt":
        config = DPTConfig(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32,
            patch_size=8, backbone_out_indices=[0, 1, 2, 3], fusion_hidden_size=8, neck_hidden_sizes=[8, 16, 24, 24],
            is_hybrid=False, use_auxiliary_head=False, **labels,
        )  # fmt: skip
        model = DPTForSemanticSegmentation(config)
    else:
        backbone = ConvNextConfig(
            num_channels=3, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )  # fmt: skip
        config = UperNetConfig(
            backbone_config=backbone, hidden_size=16, use_auxiliary_head=False, pool_scales=[1, 2], **labels
        )
        model = UperNetForSemanticSegmentation(config)
    _louder(model)
    model.save_pretrained(folder)
    return folder


def make_questioned(folder: Path, classes: int = 150) -> Path:
    """Write a random OneFormer on Swin, with what it is trained by, as the hub's are; returns the folder."""
    torch.manual_seed(0)
    backbone = SwinConfig(
        image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    labels = {number: f"class {number}" for number in range(classes)}
    config = OneFormerConfig(
        backbone_config=backbone, num_queries=6, conv_dim=32, mask_dim=32, hidden_dim=32, encoder_feedforward_dim=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=32, text_encoder_width=16,
        query_dec_layers=1, id2label=labels,
    )  # fmt: skip
    model = OneFormerModel(config)
    tensors = {f"model.{name}": values.contiguous() for name, values in model.state_dict().items()}
    tensors |= {"criterion.empty_weight": torch.ones(classes + 1), "criterion.logit_scale": torch.tensor(1.0)}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    told = config.to_dict() | {"architectures": ["OneFormerForUniversalSegmentation"]}
    (folder / "config.json").write_text(json.dumps(told), "utf-8")
    return folder


def make_poser(folder: Path, joints: int = 17) -> Path:
    """Write a random ViTPose; returns the folder."""
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        out_indices=[2],
    )  # fmt: skip
    names = {"id2label": {number: f"joint {number}" for number in range(joints)}}
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, use_simple_decoder=True, **names))
    _louder(model)
    model.save_pretrained(folder)
    return folder


def make_finder(folder: Path, kind: str = "yolos") -> Path:
    """Write a random finder of people; returns the folder."""
    torch.manual_seed(0)
    if kind == "yolos":
        model: nn.Module = YolosForObjectDetection(
            YolosConfig(
                hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=[64, 64],
                num_detection_tokens=6, id2label=COCO,
            )
        )  # fmt: skip
    elif kind in ("detr", "conditional_detr"):
        backbone = ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, out_features=["stage4"], layer_type="basic"
        )
        small = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
                 "encoder_attention_heads": 2, "decoder_attention_heads": 2}  # fmt: skip
        of, config = (DetrForObjectDetection, DetrConfig) if kind == "detr" else (
            ConditionalDetrForObjectDetection, ConditionalDetrConfig
        )  # fmt: skip
        model = of(
            config(
                use_timm_backbone=False, backbone_config=backbone,
                num_queries=6, id2label=COCO, **small,
            )
        )  # fmt: skip
    else:
        backbone = RTDetrResNetConfig(
            embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        )  # fmt: skip
        of, config = (RTDetrForObjectDetection, RTDetrConfig) if kind == "rt_detr" else (
            RTDetrV2ForObjectDetection, RTDetrV2Config
        )  # fmt: skip
        model = of(
            config(
                backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 16, 16], encoder_ffn_dim=16,
                d_model=16, num_queries=6, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, decoder_layers=2,
                encoder_attention_heads=2, decoder_attention_heads=2, encoder_layers=1, id2label=COCO,
            )
        )  # fmt: skip
    _louder(model)
    model.save_pretrained(folder)
    return folder


def _louder(model: nn.Module) -> None:
    """Large enough to see the picture."""
    for values in model.parameters():
        if values.ndim > 1:
            nn.init.normal_(values, std=0.3)
