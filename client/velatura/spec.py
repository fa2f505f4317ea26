"""Short ways to say what to make. Every builder returns a JobSpec; `job` joins several into one.

Nothing is checked here but types: the engine checks, and says which field is wrong. What is not given (None, "") is
left to the model's own default.

    job(diffuse("a castle", width=512, height=512), upscale(from_step(0), factor=2))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .parts import adapter as adapter
from .parts import control as control
from .parts import direction as direction
from .parts import inpaint as inpaint
from .parts import outpaint as outpaint
from .parts import reference as reference
from .parts import set_fields, set_knobs
from .v1 import diffuse_pb2, geometry_pb2, jobs_pb2, operations_pb2, pixels_pb2


def job(
    *specs: jobs_pb2.JobSpec,
    preview: bool | None = None,
    preview_interval_ms: int | None = None,
    preview_size: int | None = None,
    output: pixels_pb2.PixelFormat | None = None,
    supersede_key: str = "",
    batch: bool = False,
    time_limit: float | None = None,
    labels: Mapping[str, str] | None = None,
) -> jobs_pb2.JobSpec:
    """One job of the steps of all `specs`, in order, with settings for the whole.

    `preview`: show the picture while it is made, at least `preview_interval_ms` apart, `preview_size` pixels at most.
    `output`: format of the results, default PNG. `supersede_key`: a newer job with this key cancels the older.
    `batch`: let jobs that somebody waits for go first. `time_limit`: seconds. `labels`: notes kept with the recipe.
    """
    whole = jobs_pb2.JobSpec()
    for spec in specs:
        whole.MergeFrom(spec)
    if preview is not None:
        whole.preview.enabled = preview
    set_fields(whole.preview, interval_ms=preview_interval_ms, size=preview_size)
    set_fields(whole.output, format=output)
    set_fields(whole, supersede_key=supersede_key)
    if batch:
        whole.lane = jobs_pb2.LANE_BATCH
    if time_limit is not None:
        whole.time_limit.FromNanoseconds(int(time_limit * 1e9))
    whole.labels.update(labels or {})
    return whole


def diffuse(
    prompt: str = "",
    *,
    negative: str = "",
    model: str = "",
    vae: str = "",
    width: int | None = None,
    height: int | None = None,
    seed: int | None = None,
    count: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    image_guidance: float | None = None,
    cache_interval: int | None = None,
    sampler: str = "",
    schedule: str = "",
    knobs: Mapping[str, bool | int | float | str] | None = None,
    init: pixels_pb2.Image | None = None,
    strength: float | None = None,
    invert: bool = False,
    mask: pixels_pb2.Mask | None = None,
    depth: pixels_pb2.DepthMap | None = None,
    controls: Iterable[diffuse_pb2.Control] = (),
    references: Iterable[diffuse_pb2.Reference] = (),
    directions: Iterable[diffuse_pb2.Direction] = (),
    adapters: Iterable[diffuse_pb2.Adapter] = (),
    views: Iterable[geometry_pb2.View] = (),
    tile: str = "",
    inpaint: diffuse_pb2.InpaintSettings | None = None,
    outpaint: diffuse_pb2.Outpaint | None = None,
    variation: diffuse_pb2.Variation | None = None,
    spans: Iterable[diffuse_pb2.PromptSpan] = (),
    regions: Iterable[diffuse_pb2.PromptRegion] = (),
    windows: diffuse_pb2.Windows | None = None,
    agreement: diffuse_pb2.Agreement | None = None,
    mend: int | None = None,
    vae_tile: int | None = None,
    every: bool = False,
    id: str = "",
    hidden: bool = False,
    **settings: Any,
) -> jobs_pb2.JobSpec:
    """Paint with a diffusion model. What is given decides the task: text only, `init`, `mask`, `depth`, `views`, …

    `tile`: "x" left meets right, "y" top meets bottom, "xy" both. `strength`: 0 keeps the `init`, 1 paints anew.
    `invert`: begin with the noise that the `init` would have been painted from by the prompt. `knobs`: the sampler's,
    by the catalog's names. `every`: each picture gets another of the prompts that `{a|b}` and `__name__` stand for,
    instead of a drawn one. `spans` are texts for parts of the run, `regions` for parts of the picture. `views` are
    painted so that they agree, as `agreement` says; each with its camera and depth, and with its picture where that is
    to stay. `vae`: another VAE's id. `image_guidance`: how much of the `init` a model keeps that edits by words, from 1
    on. `cache_interval`: DeepCache, compute the UNet whole in every so many steps. `mend`: repaint only a band of the
    `init` along the edges that are to meet, pixels. `windows`: paint through them. `vae_tile`: side of what the
    autoencoder sees at once, pixels; 0 is the whole picture. `settings` go to the job as in `job`.
    """
    task = diffuse_pb2.Diffuse(
        prompt=diffuse_pb2.Prompt(text=prompt, spans=spans, regions=regions), model=model, vae=vae, mask=mask,
        depth=depth, controls=controls, references=references, directions=directions, adapters=adapters, views=views,
        inpaint=inpaint, outpaint=outpaint, variation=variation, windows=windows, agreement=agreement,
    )  # fmt: skip
    set_fields(task, width=width, height=height, seed=seed, count=count, vae_tile=vae_tile)
    set_fields(task.sampling, sampler=sampler, schedule=schedule, steps=steps, guidance=guidance)
    set_fields(task.sampling, image_guidance=image_guidance, cache_interval=cache_interval)
    set_knobs(task.sampling.knobs, knobs)
    if negative:
        task.negative.text = negative
    set_fields(task.prompt, draw=diffuse_pb2.PROMPT_DRAW_EVERY if every else None)
    if init is not None:
        task.init.image.CopyFrom(init)
        set_fields(task.init, strength=strength, invert=invert or None)
    if tile:
        task.tiling.x, task.tiling.y = "x" in tile, "y" in tile
    set_fields(task.tiling, mend=mend)
    return _one(id, hidden, settings, diffuse=task)


def texture(
    prompt: str, size: int | tuple[int, int] = 512, seed: int | None = None, tile: str = "xy", **more: Any
) -> jobs_pb2.JobSpec:
    """A texture that repeats without a seam, `size` pixels square or (width, height). The rest as in `diffuse`."""
    width, height = (size, size) if isinstance(size, int) else size
    return diffuse(prompt, width=width, height=height, seed=seed, tile=tile, **more)


def upscale(
    image: pixels_pb2.Image, *, factor: float | None = None, upscaler: str = "", tile: str = "", **more: Any
) -> jobs_pb2.JobSpec:
    """Make a picture `factor` times larger, above 1 to 8."""
    task = operations_pb2.Upscale(image=image, upscaler=upscaler, tile_x="x" in tile, tile_y="y" in tile)
    set_fields(task, factor=factor)
    return _step(more, upscale=task)


def preprocess(
    preprocessor: str,
    image: pixels_pb2.Image | None = None,
    *,
    depth: pixels_pb2.DepthMap | None = None,
    knobs: Mapping[str, bool | int | float | str] | None = None,
    tile: str = "",
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Make a control hint of a picture, or of depth: what a `control` with this preprocessor would follow."""
    task = operations_pb2.Preprocess(image=image, depth=depth, preprocessor=preprocessor)
    task.tile_x, task.tile_y = "x" in tile, "y" in tile
    set_knobs(task.knobs, knobs)
    return _step(more, preprocess=task)


def hires(
    prompt: str,
    *,
    factor: float = 2.0,
    strength: float = 0.5,
    upscaler: str = "",
    count: int = 1,
    seed: int | None = None,
    windows: diffuse_pb2.Windows | None = None,
    tile: str = "",
    id: str = "hires",
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Paint small, enlarge `factor` times, and paint over it at `strength`: large pictures that still hang together.

    Two steps more for each of `count` pictures, 7 at most; only the large ones are given back. `width` and `height`
    are the small picture's. `more` as in `diffuse`: words, model and hints go to both paintings, `variation` to the
    first, `windows` to the second.
    """
    settings = _settings(more)
    again = {name: value for name, value in more.items() if name not in ("width", "height", "variation")}
    first = diffuse(prompt, count=count, seed=seed, tile=tile, id=f"{id}-small", hidden=True, **more)
    steps = [first]
    for number in range(count):
        name = id if count == 1 else f"{id}-{number}"
        large = _then(f"{name}-large")
        steps.append(
            upscale(_then(f"{id}-small", number), factor=factor, upscaler=upscaler, tile=tile, id=f"{name}-large",
                    hidden=True)
        )  # fmt: skip
        steps.append(
            diffuse(prompt, init=large, strength=strength, seed=_count_on(seed, number), windows=windows, tile=tile,
                    id=name, **again)
        )  # fmt: skip
    return job(*steps, **settings)


def loopback(
    prompt: str,
    rounds: int = 4,
    *,
    init: pixels_pb2.Image | None = None,
    strength: float = 0.6,
    change: float = 1.0,
    seed: int | None = None,
    keep: bool = False,
    id: str = "loop",
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Paint over a picture `rounds` times, each round from the last one's, its strength `change` times the last one's.

    Without `init` the first picture is painted from words, and counts as a step too; a job has 16 at most. Seeds count
    on. `keep`: give back every round's picture, not only the last.
    """
    settings = _settings(more)
    steps, source = [], init
    if source is None:
        steps.append(diffuse(prompt, seed=seed, id=f"{id}-0", hidden=not keep or rounds < 1, **more))
        source = _then(f"{id}-0")
    again = {name: value for name, value in more.items() if name not in ("width", "height")}
    for number in range(1, rounds + 1):
        moved = min(1.0, strength * change ** (number - 1))
        hidden = number < rounds and not keep
        following = _count_on(seed, number - (init is not None))
        steps.append(
            diffuse(prompt, init=source, strength=moved, seed=following, id=f"{id}-{number}", hidden=hidden, **again)
        )
        source = _then(f"{id}-{number}")
    return job(*steps, **settings)


def enlarge(
    image: pixels_pb2.Image,
    prompt: str,
    *,
    factor: float = 2.0,
    strength: float = 0.3,
    upscaler: str = "",
    windows: diffuse_pb2.Windows | None = None,
    tile: str = "",
    id: str = "enlarge",
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Make a picture larger and paint detail into it, window by window, so that its size is no matter."""
    settings = _settings(more)
    larger = upscale(image, factor=factor, upscaler=upscaler, tile=tile, id=f"{id}-large", hidden=True)
    through = windows or diffuse_pb2.Windows()
    painted = diffuse(prompt, init=_then(f"{id}-large"), strength=strength, windows=through, tile=tile, id=id, **more)
    return job(larger, painted, **settings)


def make_seamless(
    image: pixels_pb2.Image, prompt: str, *, band: int = 64, tile: str = "xy", **more: Any
) -> jobs_pb2.JobSpec:
    """Make the edges of a picture meet: a band of `band` pixels along them is painted anew, the rest stays as it is.

    Its sides that are to meet have to be multiples of the model's (`size_multiple` in the catalog).
    """
    return diffuse(prompt, init=image, tile=tile, mend=band, **more)


def material(
    image: pixels_pb2.Image, *maps: str, model: str = "", y_down: bool = False, tile: str = "", **more: Any
) -> jobs_pb2.JobSpec:
    """Make material maps of a picture: "albedo", "normal", "height", "roughness", …; none named: all.

    `model`: from the catalog's shelf "materials", such as "classical". `y_down`: green points down, as DirectX has it.
    """
    task = operations_pb2.Material(image=image, maps=maps, model=model, tile_x="x" in tile, tile_y="y" in tile)
    if y_down:
        task.convention = pixels_pb2.NORMAL_CONVENTION_Y_DOWN
    return _step(more, material=task)


def project(
    targets: Iterable[geometry_pb2.ProjectionTarget],
    views: Iterable[geometry_pb2.View],
    *,
    max_angle: float | None = None,
    exponent: float | None = None,
    edge_margin: float | None = None,
    depth_tolerance: float | None = None,
    bleed: int | None = None,
    fill: bool = False,
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Paint the views' pictures onto the targets' meshes: one texture for each. `max_angle` degrees, `bleed` texels.

    `fill`: what no view saw is coloured like the nearest painted places of the surface.
    """
    task = operations_pb2.Project(targets=targets, views=views, fill=fill)
    set_fields(task, max_angle=max_angle, exponent=exponent, bleed=bleed)
    set_fields(task, edge_margin=edge_margin, depth_tolerance=depth_tolerance)
    return _step(more, project=task)


def relief(
    image: pixels_pb2.Image,
    depth: pixels_pb2.DepthMap | None = None,
    *,
    camera: geometry_pb2.Camera | None = None,
    format: str = "",
    field_of_view: float | None = None,
    nearest: float | None = None,
    relief: float | None = None,
    jump: float | None = None,
    max_triangles: int | None = None,
    **more: Any,
) -> jobs_pb2.JobSpec:
    """Make a mesh of a picture and its depth, which a model estimates where it is left out; `format` "glb" or "ply".

    `field_of_view`: of a camera at the origin, degrees, instead of a `camera`. `nearest` metres and `relief`, the
    farthest in times of it: for relative depth. `jump`: change of distance from which on the mesh is cut, as a part.
    """
    task = operations_pb2.Relief(image=image, depth=depth, camera=camera, format=format)
    set_fields(task, field_of_view=field_of_view, nearest=nearest, relief=relief, jump=jump)
    set_fields(task, max_triangles=max_triangles)
    return _step(more, relief=task)


def mesh(positions: Any, triangles: Any, uvs: Any) -> geometry_pb2.Mesh:
    """A mesh of three bytes-likes (or numpy arrays of these types, made contiguous).

    positions: float32, 3 a vertex, metres. triangles: uint32, 3 each. uvs: float32, 6 a triangle, 0..1, v up.
    """
    buffers = (
        pixels_pb2.Buffer(data=part.tobytes() if hasattr(part, "tobytes") else bytes(part))
        for part in (positions, triangles, uvs)
    )
    return geometry_pb2.Mesh(**dict(zip(("positions", "triangles", "uvs"), buffers, strict=True)))


def camera(
    world_to_camera: Iterable[float], camera_to_clip: Iterable[float], *, orthographic: bool = False
) -> geometry_pb2.Camera:
    """A camera of two 4x4 matrices, row-major, 16 numbers each; it looks along -z with y up; metres."""
    kind = geometry_pb2.PROJECTION_TYPE_ORTHOGRAPHIC if orthographic else geometry_pb2.PROJECTION_TYPE_PERSPECTIVE
    return geometry_pb2.Camera(world_to_camera=world_to_camera, camera_to_clip=camera_to_clip, projection=kind)


_JOB = ("preview", "preview_interval_ms", "preview_size", "output", "supersede_key", "batch", "time_limit", "labels")


def _settings(more: dict[str, Any]) -> dict[str, Any]:
    """Takes what is meant for a whole job out of what is meant for its steps."""
    return {name: more.pop(name) for name in _JOB if name in more}


def _then(step: str, index: int = 0) -> pixels_pb2.Image:
    return pixels_pb2.Image(output=pixels_pb2.StepOutput(step_id=step, index=index))


def _count_on(seed: int | None, number: int) -> int | None:
    return None if seed is None else (seed + number) % 2**64


def _step(more: dict[str, Any], **operation: Any) -> jobs_pb2.JobSpec:
    return _one(more.pop("id", ""), more.pop("hidden", False), more, **operation)


def _one(id: str, hidden: bool, settings: dict[str, Any], **operation: Any) -> jobs_pb2.JobSpec:
    step = jobs_pb2.Step(id=id, hidden=hidden, **operation)
    return job(jobs_pb2.JobSpec(steps=[step]), **settings)
