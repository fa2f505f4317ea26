"""The shelf of model families: one file each, as data; what a family cannot do is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..errors import Unsupported
from ..shelf import Shelf

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor shapes by name, of a whole single-file model or of a diffusers denoiser."""

FAMILIES = Shelf("model family", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is common to all models of an architecture. Pipelines are diffusers class names by task."""

    id: str
    title: str
    detect: Callable[[Shapes], bool]
    pipelines: Mapping[str, str]
    control_pipelines: Mapping[str, str] = field(default_factory=dict)
    depth_channel: bool = False
    mask_channel: bool = False
    rescaling: tuple[str, ...] = ()
    """Those of its pipelines that can rescale the guidance."""
    style_layers: tuple[str, ...] = ()
    """Beginnings of the names, as diffusers has them, of the attentions that paint style more than content
    (InstantStyle, Wang et al., arXiv 2404.02733)."""
    config: str = ""
    """Folder of configs, under `configs`, for single files of this family."""

    @property
    def pixels_first(self) -> bool:
        """Its pipelines take the picture to start from as pixels, because they read more than its latents."""
        return self.depth_channel or self.mask_channel

    def pipeline(self, task: str, controlled: bool, *, field: str = "") -> str:
        """Class name of the diffusers pipeline for a task. Raises Unsupported naming what the family can do."""
        table = self.control_pipelines if controlled else self.pipelines
        if task not in table:
            able = ", ".join(sorted(table)) or "nothing"
            raise Unsupported(
                f"{self.title} cannot do {task}{' with a ControlNet' if controlled else ''}",
                field=field,
                remedy=f"it can do: {able}; or choose another model",
            )
        return table[task]


def families() -> Shelf:
    """The shelf itself."""
    return FAMILIES


def family(name: str) -> Family:
    """The family of that name. Raises NotFound."""
    return FAMILIES.get(name).build()


def detect(shapes: Shapes) -> Family | None:
    """The family that a model's tensors belong to, or None."""
    found = (part.build() for part in FAMILIES.parts())
    return next((family for family in found if family.detect(shapes)), None)
