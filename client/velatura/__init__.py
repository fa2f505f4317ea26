"""Client of the Velatura engine: images and textures over gRPC, in pure Python.

from velatura import Engine, spec

with Engine.connect() as engine:
    job = engine.generate(spec.texture("mossy cobblestone", size=512, seed=1))
    open("cobbles.png", "wb").write(job.result().images[0].data)
"""

from . import errors, explore, pixels, recipe, spec, tiles
from .client import Engine
from .discovery import find, start
from .endpoint import Endpoint
from .errors import VelaturaError
from .job import Feed, Job, Result
from .version import CONTRACT, VERSION

__all__ = [
    "CONTRACT",
    "VERSION",
    "Endpoint",
    "Engine",
    "Feed",
    "Job",
    "Result",
    "VelaturaError",
    "errors",
    "explore",
    "find",
    "pixels",
    "recipe",
    "spec",
    "start",
    "tiles",
]
