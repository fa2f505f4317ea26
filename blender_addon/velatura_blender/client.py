"""The engine's client: the private copy inside the built extension, else the installed package (development)."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec(f"{__package__}._vendor") is not None:
    from ._vendor.velatura import (
        Endpoint,
        Engine,
        Job,
        Result,
        VelaturaError,
        discovery,
        errors,
        pixels,
        png,
        recipe,
        spec,
        tiles,
    )
    from ._vendor.velatura.v1 import catalog_pb2, diffuse_pb2, geometry_pb2, jobs_pb2, knobs_pb2, pixels_pb2
else:
    from velatura import (
        Endpoint,
        Engine,
        Job,
        Result,
        VelaturaError,
        discovery,
        errors,
        pixels,
        png,
        recipe,
        spec,
        tiles,
    )
    from velatura.v1 import catalog_pb2, diffuse_pb2, geometry_pb2, jobs_pb2, knobs_pb2, pixels_pb2

__all__ = [
    "Endpoint",
    "Engine",
    "Job",
    "Result",
    "VelaturaError",
    "catalog_pb2",
    "diffuse_pb2",
    "discovery",
    "errors",
    "geometry_pb2",
    "jobs_pb2",
    "knobs_pb2",
    "pixels",
    "pixels_pb2",
    "png",
    "recipe",
    "spec",
    "tiles",
]
