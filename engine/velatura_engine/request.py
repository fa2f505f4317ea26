"""What the artist asked: checked, frozen, still with gaps. `None` means «the model's own default»; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .pixels.picture import Picture

Fill = Literal["original", "surroundings", "neutral", "noise"]
Role = Literal["content", "style", "face"]
Resize = Literal["stretch", "fit", "fill"]


@dataclass(frozen=True, slots=True)
class Output:
    """Picture `index` of the earlier step `step_id`."""

    step_id: str
    index: int = 0


Source = Picture | Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the noise is taken away; see the proto message of the same name."""

    sampler: str | None = None
    schedule: str | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_rescale: float = 0.0
    image_guidance: float | None = None
    eta: float | None = None
    clip_skip: int | None = None
    cache_interval: int | None = None
    knobs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Which edges meet without a seam, and during which part of the run (0..1)."""

    x: bool = False
    y: bool = False
    start: float = 0.0
    end: float = 1.0
    mend: int | None = None
    """Width of the band along the init's edges that is painted anew so that they meet, pixels."""
    keep: int | None = None
    """Width of the band along the init's edges that alone stays, pixels; the init is shifted to its quietest border."""

    def __bool__(self) -> bool:
        return self.x or self.y


@dataclass(frozen=True, slots=True, kw_only=True)
class Inpaint:
    """How repainted pixels meet the ones that stay; lengths in pixels. A layer is the new pixels alone."""

    fill: Fill | None = None
    grow: int = 0
    feather: int = 0
    context: int | None = None
    color_match: bool | None = None
    layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outpaint:
    """Canvas added on each side, pixels."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return any((self.left, self.top, self.right, self.bottom))


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """Depth to follow: metric z in metres or relative disparity, as (H, W) numbers in `image`."""

    image: Source
    metric: bool = True
    near: float | None = None
    far: float | None = None
    validity: Source | None = None
    strength: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A hint to follow with a ControlNet or a T2I-Adapter: `image` as it is, or what a preprocessor makes of it, or of
    `depth`. What of these is left out comes from the painting; `mask` says where in it the hint counts.
    """

    kind: str
    image: Source | None = None
    model: str | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    preprocessor: str | None = None
    knobs: Mapping[str, object] = field(default_factory=dict)
    depth: Depth | None = None
    mask: Source | None = None
    resize: Resize = "stretch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text that holds for part of the run (0..1) or, with a mask, of the picture; `weight` against others there.
    `texts`, where there are any, are one for each picture in place of it."""

    text: str
    texts: tuple[str, ...] = ()
    literal: bool = False
    start: float = 0.0
    end: float = 1.0
    weight: float = 1.0
    mask: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A picture to take after: as a whole, in its style alone, or a face; `mask` says where it counts, `start` and
    `end` in which part of the run (0..1)."""

    image: Source
    role: Role = "content"
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mask: Source | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """A change of what is said, from the mean of some phrases to that of others, by `strength`; for the first
    `keep_layout` (0..1) of the run places attend to words as without it."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    strength: float = 1.0
    keep_layout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Something the model wears while it paints. Weights are factors, `text_weight` None as `weight`; `block_weights`
    are further factors by the names of blocks: BASE, IN00, M00, OUT00, …"""

    model: str
    weight: float = 1.0
    text_weight: float | None = None
    block_weights: Mapping[str, float] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A near relative of a seed's picture: towards another seed's by `strength` 0..1, from noise of another size."""

    subseed: int | None = None
    strength: float = 0.0
    seed_width: int | None = None
    seed_height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Paint through overlapping windows; pixels."""

    size: int | None = None
    overlap: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewpoint:
    """A look at a scene that is to be painted, or is and stays where it has a `color`. Matrices as of `View`; `words`
    are added to the prompt."""

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    depth: Depth
    color: Source | None = None
    words: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How views are made to agree; see the contract's `Agreement`."""

    method: str = "sequence"
    refine: float = 0.4
    gain: float = 0.2
    color_match: bool = True
    every: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffuse:
    """Paint. The fields present decide the task. Of literal texts every character is taken as it stands.

    `texts` and `negative_texts`, where there are any, are one for each picture in place of the prompts. `every` is how
    many pictures there may be where each is to have another of the prompts that this one stands for, 0 where they are
    drawn; `count` is then the most that are wanted, 0 for all.
    """

    prompt: str
    negative: str = ""
    prompt_literal: bool = False
    negative_literal: bool = False
    passages: tuple[Passage, ...] = ()
    negative_passages: tuple[Passage, ...] = ()
    texts: tuple[str, ...] = ()
    negative_texts: tuple[str, ...] = ()
    every: int = 0
    model: str | None = None
    vae: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    count: int = 1
    sampling: Sampling = Sampling()
    init: Source | None = None
    strength: float | None = None
    invert: bool = False
    mask: Source | None = None
    inpaint: Inpaint = Inpaint()
    outpaint: Outpaint = Outpaint()
    depth: Depth | None = None
    controls: tuple[Control, ...] = ()
    references: tuple[Reference, ...] = ()
    directions: tuple[Direction, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    tiling: Tiling = Tiling()
    variation: Variation | None = None
    windows: Windows | None = None
    views: tuple[Viewpoint, ...] = ()
    agreement: Agreement = Agreement()
    vae_tile: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """A triangle mesh in world space: positions (V, 3) f32 metres, triangles (T, 3) u32, uvs (T, 3, 2) f32, v up."""

    positions: np.ndarray
    triangles: np.ndarray
    uvs: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A surface that gets a texture of `size` (width, height) texels; `base` is its present one."""

    id: str
    mesh: Mesh
    size: tuple[int, int] | None = None
    base: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A look at the scene: 4x4 matrices (row-major, OpenGL axes), what was painted, metric z (H, W), what counts."""

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    color: Source
    depth: Source
    mask: Source | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Paint pictures onto meshes. Angles in degrees, margins in pixels, bleed in texels."""

    targets: tuple[Target, ...]
    views: tuple[View, ...]
    max_angle: float = 80.0
    exponent: float = 4.0
    edge_margin: float = 1.0
    depth_tolerance: float = 0.002
    bleed: int = 16
    fill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """Make a hint of a picture or of depth; `tiling` says which of its edges meet."""

    preprocessor: str
    image: Source | None = None
    knobs: Mapping[str, object] = field(default_factory=dict)
    depth: Depth | None = None
    tiling: Tiling = Tiling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """Make a picture `factor` times larger; `tile_x` and `tile_y` say that its edges meet."""

    image: Source
    upscaler: str | None = None
    factor: float = 2.0
    knobs: Mapping[str, object] = field(default_factory=dict)
    tile_x: bool = False
    tile_y: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Make maps of a picture's material, all where none is named; `y_down`: green of the normals points down."""

    image: Source
    maps: tuple[str, ...] = ()
    model: str | None = None
    y_down: bool = False
    tile_x: bool = False
    tile_y: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Make a mesh of a picture and its depth, which is estimated where it is None.

    The camera is that of the matrices (4, 4), with which the mesh lies in world space; without them one at the origin
    with `field_of_view` degrees along the longer side. Relative depth reaches from `nearest` metres to `relief` times
    as far. `jump` is the change from pixel to pixel, as a part of the distance, from which on the mesh is cut.
    """

    image: Source
    depth: Depth | None = None
    world_to_camera: np.ndarray | None = None
    camera_to_clip: np.ndarray | None = None
    format: str = "glb"
    field_of_view: float = 50.0
    nearest: float = 1.0
    relief: float = 5.0
    jump: float = 0.05
    max_triangles: int | None = None


Operation = Diffuse | Project | Upscale | Preprocess | Material | Relief


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation under a name that later steps can refer to; a hidden step's pictures stay inside the job."""

    id: str
    operation: Operation
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewAsk:
    """How the unfinished picture is shown: least seconds between glimpses, longest side in pixels."""

    interval: float = 0.2
    size: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A whole job as asked. `max_pixels` are what one painting may have in all its pictures together, or a picture
    whose material is read; `max_texels` what one projection may have in all its textures or one upscaling in its
    picture; `max_side` how long its sides may be.
    """

    steps: tuple[Step, ...]
    preview: PreviewAsk | None = None
    time_limit: float | None = None
    max_pixels: int | None = None
    max_texels: int | None = None
    max_side: int | None = None
