"""Models that look at pictures to make hints: which of the installed ones they are, and what can be installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from .weights import weights

Shapes = Mapping[str, tuple[int, ...]]

WANTED = {
    "depth": "the whole folder of a DPT or Depth Anything model of transformers, with safetensors weights",
    "softedge": "ControlNetHED.pth, taken in by velatura import, or the same as .safetensors",
    "pidinet": "table5_pidinet.pth, taken in by velatura import, or the same as .safetensors",
    "lineart_anime": "netG.pth, taken in by velatura import, or the same as .safetensors",
    "lineart": "sk_model.pth or, for coarse lines, sk_model2.pth, taken in by velatura import, or as .safetensors",
    "mlsd": "mlsd_large_512_fp32.pth, taken in by velatura import, or the same as .safetensors",
    "openpose": "the whole folder of a ViTPose model of transformers, with safetensors weights; and for several people "
    "that of a DETR, RT-DETR or YOLOS model, which finds them",
    "seg": "the whole folder of a OneFormer, SegFormer, UPerNet or DPT model of transformers for ADE20K's 150 classes, "
    "with safetensors weights",
}
"""Kinds of annotators, and what can be installed for each."""

DEPTH = {"dpt": "DPTForDepthEstimation", "depth_anything": "DepthAnythingForDepthEstimation"}
AREAS = {
    "segformer": "SegformerForSemanticSegmentation", "upernet": "UperNetForSemanticSegmentation",
    "dpt": "DPTForSemanticSegmentation", "oneformer": "OneFormerForUniversalSegmentation",
}  # fmt: skip
POSES = {"vitpose": "VitPoseForPoseEstimation"}
FINDERS = {
    "detr": "DetrForObjectDetection", "yolos": "YolosForObjectDetection", "rt_detr": "RTDetrForObjectDetection",
    "rt_detr_v2": "RTDetrV2ForObjectDetection", "conditional_detr": "ConditionalDetrForObjectDetection",
}  # fmt: skip
"""Classes of transformers by the types that their configs name."""

CLASSES = 150
"""Of ADE20K."""
JOINTS = 17
"""Of COCO's people."""

_FILES = {
    # kind: (tensors that tell it, with their shapes)
    "softedge": {"norm": (1, 3, 1, 1), "block1.convs.0.weight": (64, 3, 3, 3),
                 "block5.projection.weight": (1, 512, 1, 1)},
    "lineart": {"model0.1.weight": (64, 3, 7, 7), "model2.2.conv_block.5.weight": (256, 256, 3, 3),
                "model4.1.weight": (1, 64, 7, 7)},
    "pidinet": {"init_block.weight": (60, 3, 3, 3), "block4_4.conv2.weight": (240, 240, 1, 1),
                "attentions.3.conv2.weight": (1, 4, 3, 3), "classifier.weight": (1, 4, 1, 1)},
    "lineart_anime": {"model.model.0.weight": (64, 3, 4, 4), "model.model.1.model.1.weight": (128, 64, 4, 4),
                      "model.model.3.weight": (128, 1, 4, 4)},
    "mlsd": {"backbone.features.0.0.weight": (32, 4, 3, 3), "block15.conv1.0.weight": (64, 96, 1, 1),
             "block23.conv3.weight": (16, 64, 1, 1)},
}  # fmt: skip


def is_annotator_folder(config: Mapping[str, Any]) -> bool:
    """Whether a folder holds a model of transformers that looks at pictures for hints, or finds people for those."""
    known = DEPTH | AREAS | POSES | FINDERS
    return config.get("model_type") in known and "_class_name" not in config


def annotator_facts(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What such a folder is, as fields of an entry. Raises Unsupported for one with another head or other classes."""
    weights(path)
    family = str(config["model_type"])
    made_as = next(iter(config.get("architectures") or [""]), "")
    kind = next(
        (kind for kind, of in _HEADS.items() if family in of and made_as in (of[family], "")), "",
    )  # fmt: skip
    if not kind:
        raise Unsupported(
            f"{path.name} is a {made_as}, which makes no hints", reason="UNSUPPORTED_LAYOUT",
            remedy="use one of: " + ", ".join(of[family] for of in _HEADS.values() if family in of),
        )  # fmt: skip
    labels = config.get("id2label") or {}
    names = {str(number): str(name) for number, name in labels.items()} if isinstance(labels, Mapping) else {}
    if kind == "seg" and len(names) != CLASSES:
        raise Unsupported(
            f"{path.name} knows {len(names)} classes, not the {CLASSES} of ADE20K, whose colours ControlNets read",
            reason="UNSUPPORTED_LAYOUT", remedy="use one that was trained on ADE20K",
        )  # fmt: skip
    if (config.get("backbone_config") or {}).get("model_type") == "dinat":
        raise Unsupported(
            f"{path.name} stands on DiNAT, whose layers come with no library of this engine",
            reason="UNSUPPORTED_LAYOUT", remedy="use a OneFormer model on Swin",
        )  # fmt: skip
    if kind == "openpose" and names and len(names) != JOINTS:
        raise Unsupported(
            f"{path.name} finds {len(names)} points, not the {JOINTS} of COCO's people", reason="UNSUPPORTED_LAYOUT",
            remedy="use a ViTPose model for people",
        )  # fmt: skip
    if kind == "person" and "person" not in names.values():
        raise Unsupported(
            f"{path.name} finds no people", reason="UNSUPPORTED_LAYOUT", remedy="use one that was trained on COCO"
        )
    return {"kind": "annotator", "control_kind": kind, "family": family}


def annotator_file(shapes: Shapes) -> dict[str, Any] | None:
    """What a single file's annotator is, as fields of an entry; None where it is something else."""
    shapes = {name.removeprefix("module."): shape for name, shape in shapes.items()}
    for kind, told in _FILES.items():
        if all(shapes.get(name) == shape for name, shape in told.items()):
            return {"kind": "annotator", "control_kind": kind, "family": kind}
    return None


_HEADS = {"depth": DEPTH, "seg": AREAS, "openpose": POSES, "person": FINDERS}
