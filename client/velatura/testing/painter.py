"""What the fake engine checks and what it paints."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .. import png, recipe
from ..blobs import holders
from ..errors import Invalid, NotFound, Unsupported
from ..pixels import LAYOUT
from ..v1 import diffuse_pb2, geometry_pb2, jobs_pb2, pixels_pb2
from .meshes import QUAD

MODEL = "fake/painter"
CONTROL_MODEL = "fake/depth-control"
PREPROCESSORS = {"canny": "image", "normal_from_depth": "depth", "depth_estimate": "image"}
"""Those that it has, and what they are made of."""
NATIVE = 512  # pixels
INLINE = 4 << 20  # bytes
Size = tuple[int, int] | None

# A grey 16 × 16 JPEG, for previews.
PREVIEW = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P///////////////////////////////////////////////////"
    "///////wAALCAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAwAC/8QAFRABAQAAAAAAAAAAAAAAAAAAAQD/2gAIAQEAAD8AMJAoLYX/2Q=="
)


@lru_cache(maxsize=32)
def picture(width: int, height: int, seed: int = 0, channels: int = 3) -> bytes:
    """The fake's pixels, 8 bits, packed: red 0..255 from left to right, green 0..255 from top to bottom, blue
    `seed * 37 + 11`, alpha 255. Grey: red alone."""
    row = bytearray(b"\xff" * width * channels)
    row[0::channels] = bytes(x * 255 // max(width - 1, 1) for x in range(width))
    if channels == 1:
        return bytes(row) * height
    row[2::channels] = bytes([(seed * 37 + 11) % 256]) * width
    rows = []
    for y in range(height):
        row[1::channels] = bytes([y * 255 // max(height - 1, 1)]) * width
        rows.append(bytes(row))
    return b"".join(rows)


class Checker:
    """Checks a job as the engine does, with the fields' names; raises Invalid, NotFound or Unsupported."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self.blobs = blobs
        self.made: dict[str, Size] = {}

    def job(self, spec: jobs_pb2.JobSpec) -> None:
        """Checks everything."""
        if not 1 <= len(spec.steps) <= 16:
            raise Invalid("a job has 1 to 16 steps", field="steps")
        for number, step in enumerate(spec.steps):
            kind = step.WhichOneof("operation")
            where = f"steps[{number}]"
            if kind is None:
                raise Invalid("a step says what to do", field=where)
            where = f"{where}.{kind}"
            task = getattr(step, kind)
            if hasattr(self, "_" + kind):
                size = getattr(self, "_" + kind)(task, where)
            else:
                size = self.image(task.image, f"{where}.image") if hasattr(task, "image") else None
            self.made[step.id or str(number)] = size

    def content(self, holder: Any, where: str) -> bytes:
        """The bytes of an Image or Buffer."""
        source = holder.WhichOneof("source")
        if source == "data":
            if len(holder.data) > INLINE:
                raise Invalid("more than 4 MiB must be uploaded as a blob", field=where)
            return holder.data
        if source == "blob_id":
            if holder.blob_id not in self.blobs:
                raise NotFound("This content is not at the engine any more", field=where, reason="UNKNOWN_BLOB")
            return self.blobs[holder.blob_id]
        raise Invalid("there is nothing in it", field=where)

    def image(self, image: pixels_pb2.Image, where: str) -> Size:
        """Width and height of a picture; None where only its file knows."""
        if image.WhichOneof("source") == "output":
            if image.output.step_id not in self.made:
                raise Invalid(f"there is no earlier step {image.output.step_id!r}", field=where)
            return self.made[image.output.step_id]
        content = self.content(image, where)
        if image.format == pixels_pb2.PIXEL_FORMAT_PNG or content.startswith(png.SIGNATURE):
            return png.size(content)
        if image.format in LAYOUT:
            channels, size, _ = LAYOUT[image.format]
            if len(content) != image.width * image.height * channels * size or not content:
                raise Invalid(
                    f"{len(content)} bytes are not {image.width} × {image.height} pixels of this format", field=where
                )
            return image.width, image.height
        if not image.format:
            raise Invalid("its format is not given", field=f"{where}.format")
        return None

    def mask(self, mask: pixels_pb2.Mask, picture: Size, where: str) -> None:
        """A mask, of the size of its picture."""
        size = self.image(mask.image, f"{where}.image")
        if size and picture and size != picture:
            raise Invalid(f"the mask is {size}, its picture {picture}", field=where)

    def depth(self, depth: pixels_pb2.DepthMap, where: str) -> Size:
        """A depth map; metric ones are floats with something in them."""
        size = self.image(depth.image, f"{where}.image")
        if depth.encoding == pixels_pb2.DEPTH_ENCODING_DISPARITY:
            return size
        kinds = {pixels_pb2.PIXEL_FORMAT_R32F: "f", pixels_pb2.PIXEL_FORMAT_R16F: "e"}
        if depth.image.format not in kinds:
            raise Invalid("metric depth is R32F or R16F", field=f"{where}.image.format")
        content = self.content(depth.image, where)
        if not any(
            0 < value < float("inf") for (value,) in struct.iter_unpack("<" + kinds[depth.image.format], content)
        ):
            raise Invalid("the depth map holds nothing", field=where)
        if depth.HasField("near") and depth.HasField("far") and not 0 <= depth.near < depth.far:
            raise Invalid("near must be less than far", field=f"{where}.near")
        return size

    def reference(self, ask: Any, where: str) -> None:
        """A picture to take after."""
        self.image(ask.image, f"{where}.image")
        if ask.role == "edit":
            raise Unsupported("pictures are not edited by words yet", field=f"{where}.role")
        if ask.role not in ("", "content", "style", "face"):
            raise Invalid(f"{ask.role!r} is not known", field=f"{where}.role")
        if not 0 <= ask.strength <= 2:
            raise Invalid(f"must be 0 to 2, got {ask.strength:g}", field=f"{where}.strength")
        if not 0 <= ask.start < (ask.end if ask.HasField("end") else 1) <= 1:
            raise Invalid("start must be before end, both 0 to 1", field=f"{where}.start")
        if ask.HasField("mask"):
            self.image(ask.mask.image, f"{where}.mask.image")

    def view(self, view: geometry_pb2.View, where: str, paint: bool) -> None:
        """A view; with `paint` one to project from."""
        for name in ("world_to_camera", "camera_to_clip"):
            if len(getattr(view.camera, name)) != 16:
                raise Invalid("a matrix has 16 numbers", field=f"{where}.camera.{name}")
        if not view.camera.projection:
            raise Invalid("its projection is not given", field=f"{where}.camera.projection")
        color = self.image(view.color, f"{where}.color") if paint or view.HasField("color") else None
        if paint or view.HasField("depth"):
            self.depth(view.depth, f"{where}.depth")
        if view.HasField("mask"):
            self.mask(view.mask, color, f"{where}.mask")

    def _diffuse(self, task: Any, where: str) -> Size:
        if not task.prompt.text.strip() and not task.allow_empty_prompt:
            raise Invalid("say what to paint", field=f"{where}.prompt.text")
        if task.model and task.model != MODEL:
            raise NotFound(f"No model is called {task.model!r}", field=f"{where}.model", suggestions=[MODEL])
        if not 1 <= (task.count or 1) <= 64:
            raise Invalid("1 to 64 pictures", field=f"{where}.count")
        for name in ("width", "height"):
            if task.HasField(name) and not 16 <= getattr(task, name) <= 8192:
                raise Invalid(f"must be 16 to 8192, got {getattr(task, name)}", field=f"{where}.{name}")
        size: Size = None
        if task.HasField("init"):
            if not 0 <= task.init.strength <= 1:
                raise Invalid(f"must be 0 to 1, got {task.init.strength:g}", field=f"{where}.init.strength")
            size = self.image(task.init.image, f"{where}.init.image")
        if task.HasField("depth"):
            size = size or self.depth(task.depth, f"{where}.depth")
        if task.HasField("mask"):
            if not task.HasField("init"):
                raise Invalid("a mask needs a picture", field=f"{where}.init")
            self.mask(task.mask, size, f"{where}.mask")
        self._latents(task, where)
        for number, control in enumerate(task.controls):
            if control.HasField("image") or not control.preprocessor:
                self.image(control.image, f"{where}.controls[{number}].image")
        for number, reference in enumerate(task.references):
            self.reference(reference, f"{where}.references[{number}]")
        for number, way in enumerate(task.directions):
            if not way.source or not way.target:
                side = "target" if way.source else "source"
                raise Invalid("must have at least one phrase", field=f"{where}.directions[{number}].{side}")
        for number, view in enumerate(task.views):
            self.view(view, f"{where}.views[{number}]", paint=False)
            size = size or self.image(view.depth.image, f"{where}.views[{number}].depth.image")
        out = task.outpaint
        if task.HasField("outpaint") and not task.HasField("init"):
            raise Invalid(f"needs {where}.init: there is nothing to grow", field=f"{where}.outpaint")
        width, height = size or (NATIVE, NATIVE)
        whole = width + out.left + out.right, height + out.top + out.bottom
        if task.HasField("outpaint") and (task.width or whole[0], task.height or whole[1]) != whole:
            raise Invalid(f"{where}.outpaint makes it {whole[0]} x {whole[1]}", field=f"{where}.width")
        return task.width or whole[0], task.height or whole[1]

    def _latents(self, task: Any, where: str) -> None:
        if not 0 <= task.variation.strength <= 1:
            raise Invalid(f"must be 0 to 1, got {task.variation.strength:g}", field=f"{where}.variation.strength")
        if task.windows.HasField("size") and not 64 <= task.windows.size <= 4096:
            raise Invalid(f"must be 64 to 4096, got {task.windows.size}", field=f"{where}.windows.size")
        fits = task.HasField("init") and not task.HasField("mask") and (task.tiling.x or task.tiling.y)
        for name in ("mend", "keep"):
            if task.tiling.HasField(name) and not fits:
                raise Invalid("needs a picture without a mask, and edges that meet", field=f"{where}.tiling.{name}")

    def _upscale(self, task: Any, where: str) -> Size:
        size = self.image(task.image, f"{where}.image")
        factor = task.factor if task.HasField("factor") else 2.0
        if not 1 < factor <= 8:
            raise Invalid(f"must be above 1 to 8, got {factor:g}", field=f"{where}.factor")
        return size and (round(size[0] * factor), round(size[1] * factor))

    def _preprocess(self, task: Any, where: str) -> Size:
        if task.preprocessor not in PREPROCESSORS:
            known = list(PREPROCESSORS)
            what = f"No preprocessor is called {task.preprocessor!r}"
            raise NotFound(what, field=f"{where}.preprocessor", suggestions=known)
        if PREPROCESSORS[task.preprocessor] == "depth":
            return self.depth(task.depth, f"{where}.depth")
        return self.image(task.image, f"{where}.image")

    def _relief(self, task: Any, where: str) -> Size:
        if task.HasField("depth"):
            self.depth(task.depth, f"{where}.depth")
        return self.image(task.image, f"{where}.image")

    def _project(self, task: Any, where: str) -> Size:
        if not task.targets or not task.views:
            raise Invalid("a projection needs targets and views", field=where)
        if len({target.id for target in task.targets}) != len(task.targets):
            raise Invalid("the targets' ids must differ", field=f"{where}.targets")
        for number, target in enumerate(task.targets):
            place = f"{where}.targets[{number}].mesh"
            corners = len(self.content(target.mesh.triangles, f"{place}.triangles")) // 4
            if len(self.content(target.mesh.positions, f"{place}.positions")) % 12 or corners % 3:
                raise Invalid("three numbers each", field=place)
            if len(self.content(target.mesh.uvs, f"{place}.uvs")) != corners * 8:
                raise Invalid("two numbers for each corner of each triangle", field=f"{place}.uvs")
        for number, view in enumerate(task.views):
            self.view(view, f"{where}.views[{number}]", paint=True)
        return None

    def _merge(self, task: Any, where: str) -> Size:
        return None

    _convert = _train = _merge


def resolve(spec: jobs_pb2.JobSpec, sizes: dict[str, Size], blobs: dict[str, bytes]) -> jobs_pb2.JobSpec:
    """The job with what was left open filled in and its pictures by blob id."""
    resolved = jobs_pb2.JobSpec()
    resolved.CopyFrom(spec)
    for holder in holders(resolved):
        data = holder.data
        holder.blob_id = hashlib.sha256(data).hexdigest()
        blobs[holder.blob_id] = data
    for number, step in enumerate(resolved.steps):
        step.id = step.id or str(number)
        if step.HasField("diffuse"):
            task = step.diffuse
            task.model = task.model or MODEL
            task.width, task.height = sizes[step.id] or (NATIVE, NATIVE)
            for field, value in (("seed", 1), ("count", 1)):
                if not task.HasField(field):
                    setattr(task, field, value)
            for one in task.references:
                one.role = one.role or "content"
                if not one.HasField("strength"):
                    one.strength = 1.0
                if not one.HasField("end"):
                    one.end = 1.0
                one.start = one.start  # said, also where it is 0
            for way in task.directions:
                if not way.HasField("strength"):
                    way.strength = 1.0
            if task.HasField("variation") and not task.variation.HasField("subseed"):
                task.variation.subseed = 1
            if task.HasField("windows") and not task.windows.HasField("size"):
                task.windows.size, task.windows.overlap = NATIVE, NATIVE // 4
            if not task.sampling.HasField("steps"):
                task.sampling.steps = 20
    return resolved


def paint(resolved: jobs_pb2.JobSpec, sizes: dict[str, Size]) -> Iterator[jobs_pb2.Artifact]:
    """What comes out of the steps that are not hidden."""
    for step in resolved.steps:
        if step.hidden:
            continue
        for index, artifact in enumerate(_outputs(step, sizes[step.id] or (64, 64))):
            artifact.step_id, artifact.index = step.id, index
            made = artifact.recipe
            made.format, made.engine_version, made.step_id, made.index = 1, "fake", step.id, index
            made.spec.CopyFrom(resolved)
            made.models.add(id=MODEL, sha256="0" * 64)
            yield artifact


def _outputs(step: jobs_pb2.Step, size: tuple[int, int]) -> Iterator[jobs_pb2.Artifact]:
    kind = step.WhichOneof("operation")
    task = getattr(step, kind)
    if kind == "diffuse":
        layer = task.inpaint.result == diffuse_pb2.INPAINT_RESULT_LAYER
        for number in range(len(task.views)):
            yield _image("image", size, task.seed + number, 4)
        for number in range(0 if task.views else task.count):
            if layer:  # whatever the mask: the picture's middle
                middle = _image("image", (max(1, size[0] // 2), max(1, size[1] // 2)), task.seed + number, 4)
                middle.offset_x, middle.offset_y = size[0] // 4, size[1] // 4
                yield middle
            else:
                yield _image("image", size, task.seed + number)
    elif kind == "project":
        for number, target in enumerate(task.targets):
            yield _image("texture", (target.width or 1024, target.height or 1024), number, 4, name=target.id)
    elif kind == "material":
        for name in task.maps or ["albedo", "normal", "height", "roughness", "metallic", "occlusion"]:
            made = _image(name, size, name=name)
            if name == "height":
                made.scores["relief"] = 4.0
            yield made
    elif kind == "relief":
        yield jobs_pb2.Artifact(kind="file", name=task.format or "glb", file=QUAD if task.format == "ply" else b"glTF")
    elif kind == "segment":
        for name in task.texts or ["foreground"]:
            yield _image("mask", size, channels=1, name=name)
    elif kind == "caption":
        yield jobs_pb2.Artifact(kind="text", text="a picture")
    elif kind in ("upscale", "restore", "preprocess"):
        yield _image("hint" if kind == "preprocess" else "image", size)
    elif kind in ("merge", "convert", "train"):
        yield jobs_pb2.Artifact(kind="model", text=task.name)
    else:
        raise Unsupported(f"The fake engine cannot {kind}")


def _image(kind: str, size: tuple[int, int], seed: int = 0, channels: int = 3, name: str = "") -> jobs_pb2.Artifact:
    format = {1: pixels_pb2.PIXEL_FORMAT_R8, 3: pixels_pb2.PIXEL_FORMAT_RGB8, 4: pixels_pb2.PIXEL_FORMAT_RGBA8}[
        channels
    ]
    data = picture(*size, seed, channels)
    image = pixels_pb2.Image(data=data, format=format, width=size[0], height=size[1])
    return jobs_pb2.Artifact(kind=kind, image=image, seed=seed, name=name)


def pack(artifact: jobs_pb2.Artifact, output: jobs_pb2.OutputSettings) -> None:
    """Brings an artifact's raw picture into the format that was asked for: PNG, or RGBA8, else as it is."""
    image = artifact.image
    if not artifact.HasField("image"):
        return
    if output.format in (0, pixels_pb2.PIXEL_FORMAT_PNG):
        channels = LAYOUT[image.format][0]
        texts = {} if output.omit_recipe else {recipe.KEY: recipe.dumps(artifact.recipe)}
        raster = png.Raster(width=image.width, height=image.height, channels=channels, data=image.data, texts=texts)
        image.data, image.format = png.encode(raster, level=1), pixels_pb2.PIXEL_FORMAT_PNG
    elif output.format == pixels_pb2.PIXEL_FORMAT_RGBA8 and image.format == pixels_pb2.PIXEL_FORMAT_RGB8:
        image.data = picture(image.width, image.height, artifact.seed, 4)
        image.format = output.format
