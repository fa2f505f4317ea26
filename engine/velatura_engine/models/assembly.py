"""Denoisers that come alone, put together with single files of the other parts, as other programs have them.

The parts are looked for in the file itself first, then among the files that are installed. Text encoders fit by their
widths. Autoencoders of Flux.1, which are Z-Image's too, and of Stable Diffusion 3 have the same shapes: these are told
apart by their names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..families import PICTURES, Family, Loose, TextRole, families, family
from ..families._transformer import FILE
from . import autoencoders, flows, language_models, texts
from .entry import ModelEntry, Piece
from .header import shapes as read_shapes

Shapes = Mapping[str, tuple[int, ...]]

INSIDE: Mapping[TextRole, Sequence[str]] = {
    "clip_l": ("text_encoders.clip_l.transformer.",), "clip_g": ("text_encoders.clip_g.transformer.",),
    "t5": ("text_encoders.t5xxl.transformer.",), "qwen2_5": ("text_encoders.qwen25_7b.transformer.",),
    "qwen3": ("text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_8b.transformer."),
}  # fmt: skip
"""What text encoders' names begin with in files that hold them beside the denoiser."""
VAES = ("first_stage_model.", "vae.")
"""The same of autoencoders."""
MARKS = ("decoder.conv_in.weight", "decoder.conv1.weight")
"""Tensors that any of them has."""
_TITLES: Mapping[str, str] = {
    "clip_l": "CLIP-L (clip_l.safetensors)", "clip_g": "CLIP-G (clip_g.safetensors)",
    "t5": "T5 (t5xxl_fp16.safetensors)",
}  # fmt: skip


def assemble(file: ModelEntry, entries: Iterable[ModelEntry]) -> ModelEntry | tuple[str, ...]:
    """The entry of a denoiser's file with all its parts; or what is missing, in words. () where the family is not put
    together so.
    """
    kind = family(file.family)
    loose = kind.flow.loose if kind.flow is not None else None
    if loose is None:
        return ()
    shapes, known = read_shapes(file.path), list(entries)
    try:
        denoiser = loose.config(_under(shapes, FILE) or shapes)
        found, lacks = _texts(file, loose, shapes, denoiser, kind, known)
        vae = _vae(file, kind, loose, shapes, known)
        if vae is None or lacks:
            return (*lacks, *([] if vae else [f"its VAE ({loose.vae_file})"]))
        pieces = (*found.items(), ("vae", vae))
        told = replace(file, pieces=pieces)
        distilled = bool(loose.slow) and not _words(file) & set(loose.slow)
        facts = flows.facts(kind, configs(told), {"is_distilled": distilled})
    except (LookupError, ArithmeticError) as gap:
        return (f"tensors such as {gap}",)
    beside = sorted({piece.path.name for _, piece in pieces if piece.path != file.path})
    return replace(
        told, tasks=tuple(kind.pipelines), **facts,
        description=f"A denoiser alone, with {', '.join(beside)}." if beside else "All parts in one file.",
    )  # fmt: skip


def configs(entry: ModelEntry) -> dict[str, dict[str, Any]]:
    """Configs of all parts of an entry that was put together, and of the scheduler. Raises LookupError."""
    kind = family(entry.family)
    assert kind.flow is not None and kind.flow.loose is not None
    loose, whole = kind.flow.loose, read_shapes(entry.path)
    denoiser = dict(loose.config(_under(whole, FILE) or whole))
    found = {kind.denoiser: denoiser, "scheduler": dict(loose.schedule(denoiser))}
    for name, piece in entry.pieces:
        shapes = shapes_of(piece)
        role = loose.texts.get(name)
        if role is None:
            found[name] = autoencoders.config_of(shapes) | dict(loose.vae)
        elif role == "t5":
            found[name] = texts.t5_config(shapes)
        elif role in ("qwen3", "qwen2_5"):
            found[name] = language_models.config_of(shapes, role)
        else:
            projects = kind.components[name].endswith("WithProjection")
            # CLIP-L's own projection is not heard, only OpenCLIP's.
            found[name] = texts.clip_config(shapes, large=role == "clip_g", projects=projects and role == "clip_g")
    return found


def shapes_of(piece: Piece) -> Shapes:
    """Shapes of a part's tensors by their own names."""
    return _under(read_shapes(piece.path), piece.prefix)


def _under(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def _texts(
    file: ModelEntry, loose: Loose, shapes: Shapes, denoiser: Mapping[str, Any], kind: Family,
    known: Sequence[ModelEntry],
) -> tuple[dict[str, Piece], list[str]]:  # fmt: skip
    """Text encoders by their components, and what is missing. Their widths are those that the denoiser hears."""
    choices = {name: list(_readers(file, role, shapes, known)) for name, role in loose.texts.items()}
    found: dict[str, Piece] = {}
    lacks: list[str] = []
    voices = [name for name, role in loose.texts.items() if role in ("clip_l", "clip_g")]
    wanted = denoiser.get("pooled_projection_dim", 0)
    width = denoiser["cap_feat_dim" if "cap_feat_dim" in denoiser else "joint_attention_dim"] // loose.heard
    for some in itertools.product(*(choices[name] for name in voices)):
        widths = [wide for _, wide, _ in some]
        if sum(said for *_, said in some) == wanted and widths == sorted(set(widths)):  # CLIP-L is the narrower
            found = {name: piece for name, (piece, *_) in zip(voices, some, strict=True)}
            break
    else:
        lacks += [_TITLES[loose.texts[name]] for name in voices]
    for name in choices.keys() - set(voices):
        fits = [piece for piece, wide, _ in choices[name] if wide == width]
        if fits:
            found[name] = fits[0]
        elif name not in kind.optional:
            role = loose.texts[name]
            lacks.append(_TITLES.get(role) or language_models.title(role, width))
    return found, lacks


def _readers(
    file: ModelEntry, role: TextRole, shapes: Shapes, known: Sequence[ModelEntry]
) -> Iterator[tuple[Piece, int, int]]:
    """Text encoders for a role, their widths and those of their vectors of a whole prompt: the file's own, then the
    larger, and so the more exact, first.
    """
    kind = "clip" if role in ("clip_l", "clip_g") else role
    for prefix in INSIDE[role]:
        inside = _under(shapes, prefix)
        if texts.text_kind(inside) == kind:
            facts = texts.text_facts(inside, file.path.name)
            width, projected = facts["text_widths"][0], facts["cross_attention_dim"]
            yield _piece(file, prefix, inside), width, projected if role == "clip_g" else width
    others = [entry for entry in known if entry.kind == "text_encoder" and entry.variant == kind]
    for entry in sorted(others, key=lambda entry: (-entry.size, entry.id)):
        width = entry.text_widths[0]
        found = _piece(entry, "", read_shapes(entry.path) if kind in language_models.HEARD else {})
        yield found, width, entry.cross_attention_dim if role == "clip_g" else width


def _piece(entry: ModelEntry, prefix: str, shapes: Shapes) -> Piece:
    """A text encoder in a file; of a language model its layers alone."""
    return Piece(entry.path, f"{prefix}{language_models.stem(shapes) or ''}")


def _vae(file: ModelEntry, kind: Family, loose: Loose, shapes: Shapes, known: Sequence[ModelEntry]) -> Piece | None:
    """The autoencoder: the file's own, one called as the family's are, or one whose name tells of no family."""
    for prefix in VAES:
        if any(f"{prefix}{mark}" in shapes for mark in MARKS):
            return Piece(file.path, prefix)
    fits = [
        entry for entry in known
        if entry.kind == "vae" and entry.format == "single" and (entry.variant or PICTURES) == kind.components["vae"]
        and (entry.latent_channels, entry.latent_factor) == loose.latents
    ]  # fmt: skip
    kinds = (part.build() for part in families().parts())
    named = {word for kind in kinds if kind.flow is not None and kind.flow.loose for word in kind.flow.loose.called}
    ours = [entry for entry in fits if _words(entry) & set(loose.called)]
    open_ = [entry for entry in fits if not _words(entry) & named]
    return next((Piece(entry.path) for entry in (*ours, *open_)), None)


def _words(entry: ModelEntry) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", entry.path.stem.lower()))
