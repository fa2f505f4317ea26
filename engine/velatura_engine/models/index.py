"""The models that are installed: found in folders by content, named by ids, never by path."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ..errors import Invalid, NotFound, VelaturaError
from ..families import family as family_of
from ..wildcards.folder import FOLDER, Wildcards
from . import assembly, control_lora, flows
from .entry import Kind, ModelEntry
from .identify import identify
from .sd3_reference import EYES

_GROUPS = (
    "checkpoints", "controlnet", "controlnets", "t2i-adapter", "t2i_adapter", "annotators", "vae", "vaes",
    "ip_adapter", "ip_adapters", "ipadapter", "clip_vision", "image_encoders",
    "lora", "loras", "lycoris", "embeddings", "hypernetworks", "materials",
    "text_encoders", "clip", "diffusion_models", "unet",
)  # fmt: skip
"""Sub-folders that sort models; they are looked into."""

REST = 1.0
"""Seconds between two looks at the folders."""
MAX_FILES = 1000
"""Files of one folder that are looked at."""
_PICKLED = (".ckpt", ".pt", ".pth", ".bin")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ModelIndex:
    """What is installed in some folders, besides the built-in starter model."""

    def __init__(self, folders: Sequence[Path] = (), *, starter: bool = True) -> None:
        self._folders, self._starter = tuple(folders), starter
        self.wildcards = Wildcards(self._folders)
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._known: dict[Path, tuple[str, ModelEntry | str]] = {}
        self._seen: dict[Path, tuple[dict[str, Any], str]] = {}
        self._looked = -REST
        self._looking = Lock()
        self.refused: dict[str, str] = {}
        """Files that could not be used, with the reason."""
        self.rescan()

    def refresh(self) -> bool:
        """Look at the folders again if anything in them is otherwise than at the last look; whether it was.

        Cheap enough for every question: names, sizes and times are asked for, nothing is opened, and after less than
        `REST` seconds nothing at all.
        """
        if time.monotonic() - self._looked < REST:
            return False
        with self._looking:
            candidates = self._looks()
            self._looked = time.monotonic()
            self.wildcards.rescan()
            if candidates == self._seen:
                return False
            self._scan(candidates)
            return True

    def rescan(self) -> None:
        """Look at the folders again."""
        with self._looking:
            self.wildcards.rescan()
            self._scan(self._looks())

    def _looks(self) -> dict[Path, tuple[dict[str, Any], str]]:
        """Facts known beforehand of all that may be models, and how each looks from outside."""
        return {path: (fixed, _look(path)) for path, fixed in self._candidates()}

    def _scan(self, candidates: dict[Path, tuple[dict[str, Any], str]]) -> None:
        """Tell what the candidates are; what looks as it did is not opened again."""
        found: dict[str, ModelEntry] = {}
        refused: dict[str, str] = {}
        known: dict[Path, tuple[str, ModelEntry | str]] = {}
        for path, (fixed, look) in candidates.items():
            before = self._known.get(path)
            known[path] = before if before is not None and before[0] == look else (look, _told(path))
            told = known[path][1]
            if isinstance(told, str):
                refused[path.name] = told
            else:
                id = fixed.get("id") or _free(_slug(path), found)
                found[id] = replace(told, **({"id": id} | fixed), stamp=_stamp(path))
        self._lend(found, refused)
        if found and not any(entry.is_default for entry in found.values()):
            first = next((entry for entry in found.values() if entry.kind == "checkpoint"), None)
            if first is not None:
                found[first.id] = replace(first, is_default=True)
        self._entries, self.refused, self._known, self._seen = found, refused, known, candidates

    def _lend(self, found: dict[str, ModelEntry], refused: dict[str, str]) -> None:
        """Give single files of denoisers the other parts of a folder that goes with them, or single files of those."""
        alone = [entry for entry in found.values() if entry.flows and entry.format == "single"]
        changing = [entry for entry in alone if entry.variant == control_lora.VARIANT]
        for entry in [entry for entry in alone if entry not in changing]:
            lent = flows.lend(entry, found.values()) or assembly.assemble(entry, found.values())
            if isinstance(lent, tuple):
                del found[entry.id]
                refused[entry.path.name] = flows.alone(entry, lent)
            else:
                found[entry.id] = replace(lent, stamp=_stamp(entry.path, *_pieces(lent)))

        for entry in changing:
            over = control_lora.lay(entry, found.values())
            if over is None:
                del found[entry.id]
                refused[entry.path.name] = control_lora.WANTED
            else:
                found[entry.id] = replace(over, stamp=_stamp(entry.path, *_pieces(over)))

    @property
    def etag(self) -> str:
        """Changes whenever the entries do."""
        facts = [(entry.id, entry.stamp) for entry in self._entries.values()]
        facts.append(("", self.wildcards.stamp))
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

    def named(self, name: str, kind: Kind, *, field: str = "") -> ModelEntry:
        """The adapter that prompts call so: by id, or by its file's name in any case. Raises NotFound."""
        entry = self._entries.get(name)
        if entry is None or entry.kind != kind:
            entry = next((other for other in self.adapters(kind) if other.name.lower() == name.lower()), None)
        if entry is None:
            known = [other.name for other in self.adapters(kind)]
            remedy = "" if known else f"none is installed: put it into the models folder, under {kind}s"
            raise NotFound(kind, name[:80], known=known, field=field, reason="UNKNOWN_MODEL", remedy=remedy)
        return self._as_it_is(entry, field)

    def adapters(self, kind: Kind) -> list[ModelEntry]:
        """All adapters of a kind."""
        return [entry for entry in self._entries.values() if entry.kind == kind]

    def _as_it_is(self, entry: ModelEntry, field: str) -> ModelEntry:
        """The entry with the stamp that its files have now. Raises NotFound where they are gone."""
        stamp = _stamp(entry.path, *_pieces(entry))
        if not stamp:
            remedy = f"its files are gone from {entry.path.parent.name}: put them back, or look again for models"
            raise NotFound(entry.kind, entry.id, field=field, reason="MODEL_GONE", remedy=remedy)
        return entry if stamp == entry.stamp else replace(entry, stamp=stamp)

    def controls(
        self, kind: str, family: str, cross_attention_dim: int, latent_factor: int, rows: Sequence[int] = ()
    ) -> list[ModelEntry]:
        """Control models that read `kind`, or any kind ("*"), and were made for such a checkpoint: ControlNets first,
        those of one kind before unions.

        A ControlNet must be one of those that the family has, and attend to text of that width; a T2I-Adapter must
        bring features as wide as those `rows`. Hints are as many times as large as the latents for both.
        """
        base = family_of(family).controls

        def fits(entry: ModelEntry) -> bool:
            if entry.kind == "controlnet":
                return entry.family == base and entry.cross_attention_dim == cross_attention_dim
            # Families that have no ControlNets can be led by adapters all the same.
            return entry.kind == "t2i" and entry.rows == tuple(rows) and base in ("", entry.family)

        found = [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if (kind == "*" or kind in (entry.reads or (entry.control_kind,)))
            and fits(entry)
            and entry.latent_factor == latent_factor
            and _stamp(entry.path)
        ]
        return sorted(found, key=lambda entry: (entry.kind != "controlnet", bool(entry.reads)))

    def annotators(self, kind: str) -> list[ModelEntry]:
        """Models that estimate `kind`, such as depth, from a picture."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "annotator" and entry.control_kind == kind and _stamp(entry.path)
        ]

    def materials(self, variant: str) -> list[ModelEntry]:
        """Models of a kind that read materials off pictures; the starter's first."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "material" and entry.variant == variant and _stamp(entry.path)
        ]

    def readers(self, base: ModelEntry) -> list[ModelEntry]:
        """IP-Adapters that were made for such a checkpoint: for attentions of its widths."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "ip_adapter"
            and (entry.family == base.family if base.flows else family_of(entry.family).flow is None)
            and entry.cross_attention_dim == base.cross_attention_dim
            and (entry.widths == base.widths or (not any(entry.widths) and len(entry.widths) == len(base.widths)))
            and _stamp(entry.path)
        ]

    def encoders(self, reader: ModelEntry) -> list[ModelEntry]:
        """Picture encoders that see as this IP-Adapter wants it."""
        return [
            self._as_it_is(entry, "")
            for entry in self._entries.values()
            if entry.kind == "image_encoder"
            and (entry.variant == EYES) == (reader.variant == EYES)
            and any(wanted == width for wanted, width in zip(reader.sees, entry.sees, strict=True) if wanted)
            and _stamp(entry.path)
        ]

    def sha256(self, name: str) -> str:
        """Hash over a model's weights, computed once for as long as its files stay as they are."""
        whole = hashlib.sha256()
        entry = self._entries[name]
        for file in (*_weights(entry.path), *_pieces(entry)):
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


def _told(path: Path) -> ModelEntry | str:
    """What is there, or why it cannot be used."""
    try:
        return identify(path, "")
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
        return f"{trouble}; {remedy}" if remedy else str(trouble)


def _look(path: Path) -> str:
    """Changes whenever a file of a model does, also while it is still being copied, and one beside a single file."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path, path.with_suffix(".yaml")]
    facts = []
    for file in files[:MAX_FILES]:
        with suppress(OSError):  # gone meanwhile, or never there
            known = file.stat()
            facts.append((str(file), known.st_size, known.st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _weights(path: Path) -> list[Path]:
    return sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]


def _pieces(entry: ModelEntry) -> list[Path]:
    """Files beside its own that an entry was put together with."""
    others = [piece.path for _, piece in entry.pieces if piece.path != entry.path]
    return [*others, *_weights(entry.over.path)] if entry.over else others


def _stamp(path: Path, *pieces: Path) -> str:
    """Tells a model's weights apart from those that lay there before, without reading them; "" where there are none, or
    one of its pieces is gone.
    """
    try:
        files = [*_weights(path), *pieces]
        facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return ""
    beside = path.with_suffix(".yaml")
    if facts and path.suffix == ".safetensors" and beside.is_file():  # it may say what the model predicts
        facts.append((str(beside), 0, beside.stat().st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16] if facts else ""


def _worth_a_look(path: Path) -> bool:
    if path.is_dir():
        return not path.name.startswith(".") and path.name != FOLDER
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
    material = checkpoint.parent / "material.safetensors"
    if material.is_file():
        yield material, {"id": "starter-material", "title": "Starter material", "license": "Apache-2.0"}


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
        "cache_interval": card.get("cache_interval"),
        "view_depth": card.get("view_depth"),
        "sampler": card.get("sampler"),
        "native_size": card.get("size"),
    }
    return {name: value for name, value in facts.items() if value}
