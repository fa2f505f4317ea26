"""A job and up to three axes: which pictures there are, in which order, and whether all of them can be asked for."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import Invalid, NotFound, Unsupported
from ..v1 import catalog_pb2, diffuse_pb2, jobs_pb2
from . import fields
from .axes import Axis, FieldAxis
from .near import near

if TYPE_CHECKING:
    from ..client import Engine

MAX_PICTURES = 512
"""Of one grid."""
_SHELVES = {"sampling.sampler": "samplers"}
_MODELS = ("model", "vae")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A picture of a grid: its place on the axes (0 where there is none), its job, and a name for its file."""

    x: int
    y: int
    z: int
    job: jobs_pb2.JobSpec = field(repr=False)
    name: str


@dataclass(frozen=True)
class Grid:
    """A job and the axes along which it changes. The job's own `count` is one: a seed is an axis too.

    Raises Invalid where it paints nothing, has more than 512 pictures, or a value that cannot be said.
    """

    job: jobs_pb2.JobSpec
    x: Axis
    y: Axis | None = None
    z: Axis | None = None

    def __post_init__(self) -> None:
        task = fields.painting(self.job)
        if task.count > 1 or task.prompt.texts or task.prompt.draw == diffuse_pb2.PROMPT_DRAW_EVERY:
            raise Invalid("a grid paints one picture for each cell", field="count", remedy="Make seed an axis.")
        if self.pictures > MAX_PICTURES:
            sizes = " x ".join(str(len(axis)) for _, axis in self.axes)
            raise Invalid(f"{sizes} are {self.pictures} pictures, {MAX_PICTURES} at most", field="x")
        seen: dict[str, str] = {}
        for letter, axis in self.axes:
            name = fields.full(axis.name)
            if axis.rank == 0 and name in seen:
                raise Invalid(f"{axis.name} is on {seen[name]} already", field=letter)
            seen[name] = letter
            axis.check(self._with_texts(letter), letter)

    @property
    def axes(self) -> list[tuple[str, Axis]]:
        """The axes that there are, with their letters."""
        return [(letter, axis) for letter, axis in zip("xyz", (self.x, self.y, self.z), strict=True) if axis]

    @property
    def pictures(self) -> int:
        """How many pictures it has."""
        return len(self.x) * len(self.y or "-") * len(self.z or "-")

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All pictures as one reads them: along x, then down y, then sheet by sheet along z."""
        across, down, deep = (range(len(axis) if axis else 1) for axis in (self.x, self.y, self.z))
        return tuple(self._cell(x, y, z) for z in deep for y in down for x in across)

    def with_seed(self, draw: int | None = None) -> Grid:
        """The same with one seed for all pictures where none was asked for: `draw`, or a new one."""
        if fields.painting(self.job).HasField("seed") or any(axis.name == "seed" for _, axis in self.axes):
            return self
        job = jobs_pb2.JobSpec()
        job.CopyFrom(self.job)
        fields.painting(job).seed = secrets.randbelow(2**32) if draw is None else draw
        return replace(self, job=job)

    def check(self, engine: Engine) -> None:
        """Ask the engine whether it has something against any single value; nothing is painted.

        Names are looked up in the catalog, then each value is planned with the others at their first. Pairs of values
        that cannot be done are left to their cells. Raises Invalid or NotFound, naming the axis.
        """
        catalog = engine.catalog()
        for letter, axis in self.axes:
            _check_names(axis, catalog, letter)
        for letter, axis in self.axes:
            for number, label in enumerate(axis.labels):
                places = {other: number if other == letter else 0 for other in "xyz"}
                try:
                    engine.plan(self._cell(**places).job)
                except Unsupported:
                    continue
                except (Invalid, NotFound) as trouble:
                    trouble.message, trouble.field = f"{axis.name} {label}: {trouble}", letter
                    trouble.remedy, trouble.suggestions = "", ()  # the message has them
                    raise

    def _cell(self, x: int, y: int, z: int) -> Cell:
        job = jobs_pb2.JobSpec()
        job.CopyFrom(self.job)
        places = {"x": x, "y": y, "z": z}
        for letter, axis in sorted(self.axes, key=lambda pair: pair[1].rank):
            axis.apply(job, places[letter], letter)
        return Cell(x=x, y=y, z=z, job=job, name=self._name(places, job))

    def _name(self, places: dict[str, int], job: jobs_pb2.JobSpec) -> str:
        """A file name of the values, with a hash of the job: another job has another name."""
        parts = [_slug(f"{axis.name.rpartition('.')[2]}-{axis.labels[places[letter]]}") for letter, axis in self.axes]
        slug = "_".join(part for part in parts if part)
        return f"{slug or 'picture'}-{digest(job)[:12]}"

    def _with_texts(self, letter: str) -> jobs_pb2.JobSpec:
        """The job with all texts that its prompt gets on other axes, for words that are looked for in them."""
        job = jobs_pb2.JobSpec()
        job.CopyFrom(self.job)
        texts = []
        for other, axis in self.axes:
            if other != letter and (axis.rank or fields.full(axis.name) in ("prompt.text", "negative.text")):
                texts += axis.labels
        if texts:
            task = fields.painting(job)
            task.prompt.text = "\n".join([task.prompt.text, *texts])
        return job


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).replace("..", "-")[:28].strip("-.")


def digest(job: jobs_pb2.JobSpec) -> str:
    """A hash of all that decides what a job paints, hexadecimal."""
    bare = jobs_pb2.JobSpec()
    bare.CopyFrom(job)
    for name in ("preview", "supersede_key", "request_id", "time_limit", "lane", "labels"):
        bare.ClearField(name)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def _check_names(axis: Axis, catalog: catalog_pb2.Catalog, letter: str) -> None:
    """Raises NotFound for a sampler or model that the catalog does not have."""
    path = fields.full(axis.name)
    if path in _SHELVES:
        known = [part.id for shelf in catalog.shelves if shelf.name == _SHELVES[path] for part in shelf.parts]
    elif path in _MODELS:
        known = [model.id for model in catalog.models]
    else:
        return
    for label in axis.labels if isinstance(axis, FieldAxis) else ():
        if label not in known:
            offer = near(label, known) or known[:8]
            raise NotFound(f"There is no {axis.name} {label!r}", field=letter, suggestions=offer)
