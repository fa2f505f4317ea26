"""What is wanted of each frame that is restyled, and how its shot is taken."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from . import asking, asking_restyle, capture, held, passes, shots, unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of each frame: by which scene's camera, how, and which objects may change (None: all). `scene` is
    a number that outlives a new name."""

    wish: asking.Wish
    scene: int
    layer: str
    origin: str
    strength: float
    depth: bool
    normals: bool
    only: tuple[held.Held, ...] | None
    passes: bool = False

    @property
    def shaped(self) -> bool:
        """Whether shapes have to be captured."""
        return self.depth or self.normals or self.passes or self.only is not None

    def names(self) -> tuple[str, ...] | None:
        """What the objects that may change are called now; None: all may."""
        there = None if self.only is None else [each.find() for each in self.only]
        return None if there is None else tuple(thing.name for thing in there if thing is not None)

    def place(self) -> tuple[bpy.types.Scene, bpy.types.ViewLayer]:
        """Where it is. Raises ValueError where it is gone."""
        scene = next((scene for scene in bpy.data.scenes if scene.session_uid == self.scene), None)
        layer = None if scene is None else scene.view_layers.get(self.layer)
        if scene is None or layer is None:
            raise ValueError("The scene that was to be restyled is not there any more, or not its view layer")
        return scene, layer


def look(wanted: Wanted, layer: bpy.types.ViewLayer) -> passes.Passes | None:
    """The camera's passes as they are now, where they are needed. Raises ValueError for what they cannot show."""
    scene, _ = wanted.place()
    camera = shots.camera_of(scene)
    if not wanted.shaped:
        return None
    lens = _lens(camera, layer, wanted)
    named = unseen.refused(unseen.found(layer.depsgraph, [lens]))
    if named:
        raise ValueError(
            f"Depth cannot show everything here: {unseen.words(named)}. Hide it in renders, or switch off "
            "Follow Depth, Follow Normals, Selected Only and Passes"
        )
    seen = passes.take(lens, layer.depsgraph, *wanted.wish.size)
    if (seen.frame.objects < 0).all() and (wanted.depth or wanted.normals):
        raise ValueError("The camera sees nothing solid: move it, or switch off Follow Depth and Follow Normals")
    return seen


def left_out(wanted: Wanted) -> dict[str, str]:
    """What its passes show otherwise than its picture, by names."""
    scene, layer = wanted.place()
    if not wanted.shaped:
        return {}
    return unseen.found(layer.depsgraph, [_lens(shots.camera_of(scene), layer, wanted)])


def picture(wanted: Wanted) -> Generator[None, None, np.ndarray]:
    """The colours (H, W, 4) uint8 that are painted over."""
    scene, layer = wanted.place()
    if wanted.origin == "RENDER":
        return (yield from shots.rendered(scene, wanted.wish.size))
    return shots.drawn(scene, wanted.wish.size, layer=layer)


def shot_of(wanted: Wanted, seen: passes.Passes | None, color: np.ndarray) -> asking_restyle.Shot:
    """Colours and those passes that are followed."""
    if seen is None:
        return asking_restyle.Shot(color=color)
    return asking_restyle.Shot(
        color=color,
        depth=seen.frame.depth if wanted.depth else None,
        normal=seen.normal if wanted.normals else None,
        mask=None if wanted.only is None else seen.frame.mask(wanted.names()),
    )


def mask_of(wanted: Wanted, seen: passes.Passes) -> np.ndarray:
    """What may change (H, W) bool; everything solid where that is everything."""
    return seen.frame.objects >= 0 if wanted.only is None else seen.frame.mask(wanted.names())


def print_of(wanted: Wanted, wish: asking.Wish) -> str:
    """What the frame is made of as it is now: words, settings, camera and shapes; not light and materials."""
    scene, layer = wanted.place()
    settings = {name: value for name, value in shots.notes(scene).items() if name != "frame"}
    settings |= {name: getattr(wanted, name) for name in ("origin", "strength", "depth", "normals")}
    settings["only"] = wanted.names()
    return asking_restyle.fingerprint(wish, settings, _shapes(_lens(shots.camera_of(scene), layer, wanted), layer))


def _lens(camera: bpy.types.Object, layer: bpy.types.ViewLayer, wanted: Wanted) -> capture.Lens:
    return capture.lens_of(camera, layer.depsgraph, *wanted.wish.size, square=True)


def _shapes(lens: capture.Lens, layer: bpy.types.ViewLayer) -> Iterator[bytes]:
    """The camera and everything solid, rounded so that another computer comes to the same."""
    yield np.round(lens.world_to_camera * 1e5).astype(np.int64).tobytes()
    yield np.round(lens.camera_to_clip * 1e5).astype(np.int64).tobytes()
    for piece in capture.solids(layer.depsgraph):
        yield piece.name.encode()
        yield np.round(piece.positions * 1e4).astype(np.int64).tobytes()
        yield np.ascontiguousarray(piece.triangles).tobytes()
