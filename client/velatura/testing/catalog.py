"""What the fake engine says can be chosen."""

from __future__ import annotations

from ..v1 import catalog_pb2, knobs_pb2
from . import painter

SHELVES = {
    "samplers": ["euler", "dpmpp_2m"],
    "schedules": ["normal", "karras"],
    "preprocessors": list(painter.PREPROCESSORS),
    "controls": ["depth", "canny", "normal"],
    "upscalers": ["bicubic", "lanczos", "nearest"],
    "operations": ["diffuse", "upscale", "preprocess", "project", "material", "relief"],
    "wildcards": ["stones"],
    "families": ["fake"],
}
WORDS = ["brick", "moss", "old bronze", "red"]
KNOBS = {
    "dpmpp_2m": [
        knobs_pb2.KnobSpec(
            name="order", title="Order", description="Of the solver", minimum=1, maximum=3, step=1,
            default=knobs_pb2.KnobValue(integer=2),
        ),
    ],
    "canny": [
        knobs_pb2.KnobSpec(
            name="low", title="Low", minimum=0, maximum=1, step=0.01, default=knobs_pb2.KnobValue(number=0.25)
        ),
        knobs_pb2.KnobSpec(name="thin", title="Thin", default=knobs_pb2.KnobValue(flag=True)),
        knobs_pb2.KnobSpec(
            name="measure", title="Measure", choices=["sum", "length"], default=knobs_pb2.KnobValue(text="sum")
        ),
    ],
}  # fmt: skip


def catalog() -> catalog_pb2.Catalog:
    """One of everything that a host draws."""
    made = catalog_pb2.Catalog(etag="fake")
    for name, parts in SHELVES.items():
        shelf = made.shelves.add(name=name)
        for part in parts:
            title = part.replace("_", " ").title()
            shelf.parts.add(id=part, title=title, description=f"The {part}.", knobs=KNOBS.get(part, ()), available=True)
    made.models.add(
        id=painter.MODEL,
        title="Fake painter",
        kind="checkpoint",
        family="fake",
        tasks=["txt2img", "img2img", "inpaint", "depth"],
        native_size=painter.NATIVE,
        size_multiple=8,
        vocabulary=WORDS,
        is_default=True,
    )
    made.models.add(id=painter.CONTROL_MODEL, title="Fake depth", kind="controlnet", control_kind="depth")
    made.models.add(id="fake/rust", title="Rust", kind="lora", family="fake")
    return made
