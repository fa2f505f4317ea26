"""Folders of pipelines that no family knows: what they can do, told by the arguments that diffusers' class takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from ..families import families
from .entry import ModelEntry
from .signatures import Signature, call_of, inputs_of, libraries, workflows_of
from .weights import weights

GIVEN = frozenset({
    "prompt", "negative_prompt", "image", "mask_image", "strength", "height", "width", "num_inference_steps",
    "guidance_scale", "generator", "output_type", "callback_on_step_end",
})  # fmt: skip
"""Arguments that a painting can fill."""
_ELSE = {"num_frames": "films", "audio_length_in_s": "sound", "audio_end_in_s": "sound", "frame_size": "meshes"}
"""Arguments that tell of something other than pictures."""
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
MODULAR = "modular_model_index.json"
"""The list of the parts of modular blocks."""
SIDE, MULTIPLE = 512, 16
STEPS, GUIDANCE = 20, 1.0


def familiar(kind: object) -> bool:
    """Whether a pipeline class is one that some family stands for."""
    built = [part.build() for part in families().parts()]
    return any(
        kind in (*one.pipelines.values(), *one.control_pipelines.values(), *(one.flow.classes if one.flow else ()))
        for one in built
    )


def facts(path: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of an entry. Raises Unsupported for a class that diffusers has not, for code that comes with the model, for
    weights that are pickled, and for pipelines that need or make something else than a painting can give or take.
    """
    kind = index.get("_class_name")
    call = call_of(kind) if isinstance(kind, str) else None
    if call is None:
        raise Unsupported(
            f"{path.name} is of a pipeline that diffusers does not have: {str(kind)[:80]}", reason="REMOTE_CODE",
            remedy="code that comes with a model never runs; use a model of a pipeline that diffusers itself has",
        )  # fmt: skip
    _check_parts(path, index)
    tasks = _tasks(path, str(kind), call)
    return {
        "family": "generic", "pipeline": kind, "tasks": tasks, "takes": tuple(sorted(GIVEN & set(call.names))),
        "description": f"{kind} of diffusers, led as it is.", "sampler": OWN, "schedule": "normal",
        "steps": int(call.defaults.get("num_inference_steps") or STEPS),
        "guidance": float(call.defaults.get("guidance_scale") or GUIDANCE),
        "negative": "negative_prompt" in call.names, "weighs": False, "text_layers": 0, "native_size": SIDE,
        "size_multiple": MULTIPLE, "latent_factor": 8,
    }  # fmt: skip


_WORKFLOWS = {"text2image": "txt2img", "image2image": "img2img", "inpainting": "inpaint", "image_conditioned": "edit"}


def modular_facts(path: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of an entry of modular blocks. Raises Unsupported as `facts` does."""
    kind, blocks = index.get("_class_name"), index.get("_blocks_class_name")
    able = workflows_of(blocks) if isinstance(blocks, str) else {}
    if not able or not isinstance(kind, str) or not kind.endswith("ModularPipeline") or index.get("auto_map"):
        raise Unsupported(
            f"{path.name} is of modular blocks that diffusers does not have: {str(blocks)[:80]}", reason="REMOTE_CODE",
            remedy="code that comes with a model never runs; use a model of blocks that diffusers itself has",
        )  # fmt: skip
    _check_parts(path, index)
    tasks = tuple(
        _WORKFLOWS[name] for name, needs in able.items() if name in _WORKFLOWS and set(needs) <= GIVEN
    )  # fmt: skip
    if not tasks:
        raise Unsupported(
            f"{path.name} is of {blocks}, which makes no pictures from words", reason="UNKNOWN_ARCHITECTURE",
            remedy="use a model whose pipeline paints pictures from words",
        )  # fmt: skip
    takes = GIVEN & inputs_of(str(blocks)) | {"prompt", "generator"}
    return {
        "family": "generic", "pipeline": kind, "tasks": tasks, "takes": tuple(sorted(takes)), "modular": True,
        "description": f"{blocks} of diffusers, led as they are.", "sampler": OWN, "schedule": "normal",
        "steps": STEPS, "guidance": GUIDANCE, "negative": "negative_prompt" in takes, "weighs": False,
        "text_layers": 0, "native_size": SIDE, "size_multiple": MULTIPLE, "latent_factor": 8,
    }  # fmt: skip


OWN = "own"
"""What the sampler of such a model is called: its own scheduler, as it was saved."""


def _tasks(path: Path, kind: str, call: Signature) -> tuple[str, ...]:
    other = next((what for name, what in _ELSE.items() if name in call.names), "")
    missing = sorted(call.required - GIVEN)
    if other or missing or "prompt" not in call.names:
        why = f"makes {other}" if other else f"needs {', '.join(missing) or 'no prompt'}"
        raise Unsupported(
            f"{path.name} is of {kind}, which {why}: not a painting", reason="UNKNOWN_ARCHITECTURE",
            remedy="use a model whose pipeline paints pictures from words",
        )  # fmt: skip
    # Those that take a mask need it, and those that take a strength need a picture, whatever their defaults say.
    names = set(call.names)
    if "mask_image" in names:
        return ("inpaint",)
    if {"image", "strength"} <= names:
        return ("img2img",)
    if "image" not in names:
        return ("txt2img",)
    return ("edit",) if "image" in call.required or "Edit" in kind or "Pix2Pix" in kind else ("txt2img", "edit")


def _check_parts(path: Path, index: Mapping[str, Any]) -> None:
    allowed = libraries()
    for name, said in index.items():
        if name.startswith("_") or not isinstance(said, list | tuple) or len(said) < 2 or said[0] is None:
            continue
        if said[0] not in allowed or Path(name).name != name:
            raise Unsupported(
                f"{path.name} wants {name} of {str(said[0])[:80]!r}, code that is not diffusers' or transformers'",
                reason="REMOTE_CODE", remedy="code that comes with a model never runs; use another model",
            )  # fmt: skip
        folder = path / name
        files = list(folder.iterdir()) if folder.is_dir() else []
        if any(file.suffix in _PICKLED for file in files) and not any(file.suffix == ".safetensors" for file in files):
            weights(folder)  # says what is missing
        if not files:
            raise Unsupported(f"{path.name} lacks its {name}", remedy="get the model again")


def entry(path: Path, id: str, index: Mapping[str, Any], **known: Any) -> ModelEntry:
    """The entry of such a folder, of a pipeline or of modular blocks."""
    told = modular_facts(path, index) if "_blocks_class_name" in index else facts(path, index)
    return ModelEntry(id=id, kind="checkpoint", path=path, format="diffusers", **(told | known))
