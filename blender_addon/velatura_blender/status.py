"""How it stands with the engine, in words an artist can act on. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from .client import Endpoint, VelaturaError, catalog_pb2, discovery, errors

OFFLINE = "OFFLINE"
"""Reason of the error where Blender may not go online."""
FIELDS = ("address", "token", "tls_ca")
"""Those of the preferences that an error may name."""
STAGES = MappingProxyType(
    {
        "load": "loading", "diffuse": "painting", "decode": "finishing", "project": "laying on", "upscale": "enlarging",
        "material": "maps", "preprocess": "reading hints", "relief": "surface",
    }
)  # fmt: skip
"""What the engine's stages are called beside a bar; one that is not here keeps its own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`words` say what is, `remedy` what to do; `fix` is the operator that does it, `label` its button."""

    ok: bool = False
    words: str = "Not connected yet"
    remedy: str = ""
    fix: str = "velatura.look"
    label: str = "Connect"


def well(endpoint: Endpoint, facts: catalog_pb2.Capabilities, catalog: catalog_pb2.Catalog) -> Status:
    """It answers."""
    painters = sum(model.kind == "checkpoint" for model in catalog.models)
    where = "on this computer" if endpoint.is_local else f"at {endpoint.address}"
    words = f"Engine {facts.engine_version} {where}, {facts.device}; {painters} model{'s' * (painters != 1)}"
    if painters:
        return Status(ok=True, words=words, fix="", label="")
    remedy = "It has no model that paints: put one into its models folder, then look again."
    return Status(words=words, remedy=remedy, label="Look Again")


def waiting(words: str) -> Status:
    """Something is under way."""
    return Status(words=words, fix="", label="")


def trouble(error: VelaturaError, *, local: bool = True) -> Status:
    """What is wrong and the button that helps; `local` where the engine is this computer's own."""
    fix, label = "velatura.look", "Try Again"
    if error.reason == OFFLINE:
        fix, label = "velatura.open_network", "Open Network Settings"
    elif isinstance(error, errors.Unauthenticated) or error.field in FIELDS or error.reason == discovery.NO_PROGRAM:
        fix, label = "velatura.open_preferences", "Open Preferences"
    elif isinstance(error, errors.Unreachable) and local:
        fix, label = "velatura.start_engine", "Start Engine"
    return Status(words=error.message, remedy=error.remedy, fix=fix, label=label)
