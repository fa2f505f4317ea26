"""The models that are installed: found in folders by content, named by ids, never by path."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Invalid, NotFound, VelaturaError
from .entry import ModelEntry
from .identify import identify

_GROUPS = (
    "checkpoints", "controlnet", "controlnets", "t2i-adapter", "t2i_adapter", "annotators",
    "ip_adapter", "ip_adapters", "ipadapter", "clip_vision", "image_encoders",
)  # fmt: skip
"""Sub-folders that sort models; they are looked into."""

_PICKLED = (".ckpt", ".pt", ".pth", ".bin")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ModelIndex:
    """What is installed in some folders, besides the built-in starter model."""

    def __init__(self, folders: Sequence[Path] = (), *, starter: bool = True) -> None:
        self._folders, self._starter = tuple(folders), starter
        self._hashes: dict[tuple[str, int, int], str] = {}
        self.refused: dict[str, str] = {}
        """Files that could not be used, with the reason."""
        self.rescan()

    def rescan(self) -> None:
        """Look at the folders again."""
        found: dict[str, ModelEntry] = {}
        self.refused = {}
        for path, fixed in self._candidates():
            id = fixed.get("id") or _free(_slug(path), found)
            try:
                found[id] = replace(identify(path, id), **fixed, stamp=_stamp(path))
            except (
                VelaturaError,
                OSError,
                LookupError,
                ArithmeticError,
                TypeError,
                ValueError,
                AttributeError,
                RecursionError,
            ) as trouble:
                remedy = getattr(trouble, "remedy", "")
                self.refused[path.name] = f"{trouble}; {remedy}" if remedy else str(trouble)
        if found and not any(entry.is_default for entry in found.values()):
            first = next((entry for entry in found.values() if entry.kind == "checkpoint"), None)
            if first is not None:
                found[first.id] = replace(first, is_default=True)
        self._entries = found

    @property
    def etag(self) -> str:
        """Changes whenever the entries do."""
        facts = [(entry.id, entry.stamp) for entry in self._entries.values()]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def entries(self) -> tuple[ModelEntry, ...]:
        """Everything that can be used."""
        return tuple(self._entries.values())

    def default(self, *, field: str = "") -> ModelEntry:
        """The checkpoint used when none is named. Raises NotFound where there is none at all."""
        for entry in self._entries.values():
            if entry.is_default:
                return self._as_it_is(entry, field)
        remedy = "put one into the models folder, or let the engine have its starter"
        raise NotFound("checkpoint", "default", field=field, reason="NO_MODEL", remedy=remedy)

    def get(self, name: str, *, kind: str = "checkpoint", field: str = "") -> ModelEntry:
        """The model of that id and kind. Raises Invalid for a path or address, NotFound with near matches."""
        if not _ID.fullmatch(name) or ".." in name or name.endswith(_PICKLED):
            raise Invalid(
                field or "model", "models are named by their id, never by a path, an address or a file",
                remedy="put the model's .safetensors into the engine's models folder and choose it from the list",
                reason="NOT_A_MODEL_ID",
            )  # fmt: skip
        entry = self._entries.get(name)
        if entry is None or entry.kind != kind:
            known = [other.id for other in self._entries.values() if other.kind == kind]
            raise NotFound(kind, name, known=known, field=field, reason="UNKNOWN_MODEL")
        return self._as_it_is(entry, field)

    def _as_it_is(self, entry: ModelEntry, field: str) -> ModelEntry:
        """The entry with the stamp that its files have now. Raises NotFound where they are gone."""
        stamp = _stamp(entry.path)
        if not stamp:
            remedy = f"its files are gone from {entry.path.parent.name}: put them back, or look again for models"
            raise NotFound(entry.kind, entry.id, field=field, reason="MODEL_GONE", remedy=remedy)
        return entry if stamp == entry.stamp else replace(entry, stamp=stamp)

    def controls(
        self, kind: str, family: str, cross_attention_dim: int, latent_factor: int, rows: Sequence[int] = ()
    ) -> list[ModelEntry]:
        """Control models that read `kind`, or any kind ("*"), and were made for such a checkpoint: ControlNets first.

        A ControlNet must attend to text of that width, a T2I-Adapter bring features as wide as those `rows`; hints are
        as many times as large as the latents for both.
        """
        del family  # the classic families share their control models; width and geometry tell the base

        def fits(entry: ModelEntry) -> bool:
            if entry.kind == "controlnet":
                return entry.cross_attention_dim == cross_attention_dim
            return entry.kind == "t2i" and entry.rows == tuple(rows)

        found = [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if kind in ("*", entry.control_kind)
            and fits(entry)
            and entry.latent_factor == latent_factor
            and _stamp(entry.path)
        ]
        return sorted(found, key=lambda entry: entry.kind != "controlnet")

    def annotators(self, kind: str) -> list[ModelEntry]:
        """Models that estimate `kind`, such as depth, from a picture."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "annotator" and entry.control_kind == kind and _stamp(entry.path)
        ]

    def readers(self, base: ModelEntry) -> list[ModelEntry]:
        """IP-Adapters that were made for such a checkpoint: for attentions of its widths."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "ip_adapter"
            and entry.cross_attention_dim == base.cross_attention_dim
            and entry.widths == base.widths
            and _stamp(entry.path)
        ]

    def encoders(self, reader: ModelEntry) -> list[ModelEntry]:
        """Picture encoders that see as this IP-Adapter wants it."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "image_encoder"
            and any(wanted == width for wanted, width in zip(reader.sees, entry.sees, strict=True) if wanted)
            and _stamp(entry.path)
        ]

    def sha256(self, name: str) -> str:
        """Hash over a model's weights, computed once for as long as its files stay as they are."""
        whole = hashlib.sha256()
        for file in _weights(self._entries[name].path):
            facts = file.stat()
            key = (str(file), facts.st_size, facts.st_mtime_ns)
            if key not in self._hashes:
                with file.open("rb") as stream:
                    self._hashes[key] = hashlib.file_digest(stream, "sha256").hexdigest()
            whole.update(self._hashes[key].encode())
        return whole.hexdigest()

    def _candidates(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Paths that may be models, with facts that are known beforehand."""
        if self._starter:
            yield from _starter()
        for folder in self._folders:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_dir() and path.name in _GROUPS:
                    yield from ((inner, {}) for inner in sorted(path.iterdir()) if _worth_a_look(inner))
                elif _worth_a_look(path):
                    yield path, {}


def _weights(path: Path) -> list[Path]:
    return sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]


def _stamp(path: Path) -> str:
    """Tells a model's weights apart from those that lay there before, without reading them; "" where there are none."""
    try:
        facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _weights(path)]
    except OSError:
        return ""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16] if facts else ""


def _worth_a_look(path: Path) -> bool:
    if path.is_dir():
        return not path.name.startswith(".")
    return path.suffix.lower() in (".safetensors", *_PICKLED)


def _slug(path: Path) -> str:
    name = path.name if path.is_dir() else path.stem
    name = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    # An id may not look like a path or a pickle: no two dots, no such ending.
    name = re.sub(r"\.(?=\.|(?:ckpt|pth?|bin)$)", "-", name[:58])
    return name.strip("-._") or "model"


def _free(id: str, taken: dict[str, ModelEntry]) -> str:
    return next(name for name in (id, *(f"{id}-{number}" for number in range(2, 10_000))) if name not in taken)


def _starter() -> Iterator[tuple[Path, dict[str, Any]]]:
    try:
        import velatura_starter
    except ImportError:
        return
    checkpoint, control = velatura_starter.model_path(), velatura_starter.controlnet_path()
    if checkpoint.is_dir():
        facts = {"id": "starter", "title": "Starter (textures)", "is_default": True}
        yield checkpoint, facts | _starter_facts(checkpoint)
    if control.is_dir():
        facts = {"id": "starter-depth", "title": "Starter depth", "control_kind": "depth", "license": "Apache-2.0"}
        yield control, facts


def _starter_facts(checkpoint: Path) -> dict[str, Any]:
    """Defaults and words of the starter, from the file beside its weights."""
    try:
        card = json.loads((checkpoint.parent / "vocabulary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    words = [word for group in ("materials", "colours", "attributes") for word in card.get(group, ())]
    facts = {
        "description": "Built in. Paints seamless materials; for other subjects install a full model.",
        "license": "Apache-2.0",
        "vocabulary": tuple(words),
        "guidance": card.get("guidance_scale"),
        "steps": card.get("steps"),
        "sampler": card.get("sampler"),
        "native_size": card.get("size"),
    }
    return {name: value for name, value in facts.items() if value}
