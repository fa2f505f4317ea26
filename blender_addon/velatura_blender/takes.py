"""What is wanted of each frame that is restyled, and how its shot is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import bpy
import numpy as np

from . import asking, asking_restyle, capture, held, hints, passes, shots, unseen
from .pace import Breath, Pieces, beside
from .session import session


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
        return self.depth or self.facing or self.only is not None

    @property
    def facing(self) -> bool:
        """Whether normals have to be."""
        return self.normals or self.passes

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What the camera has before it, as Blender has it: its lens, everything solid, how the picture is made, and what
    passes show otherwise than the picture, by names."""

    lens: capture.Lens
    solids: list[capture.Reading]
    notes: dict[str, object]
    left_out: dict[str, str]

    def is_as(self, other: Sight) -> bool:
        """Whether both have the same shapes at the same places before them. Touches no Blender data."""
        lenses = [np.stack([each.lens.world_to_camera, each.lens.camera_to_clip]) for each in (self, other)]
        if not np.array_equal(*lenses) or len(self.solids) != len(other.solids):
            return False
        pairs = list(zip(self.solids, other.solids, strict=True))
        if not all(one.name == two.name and np.array_equal(one.matrix, two.matrix) for one, two in pairs):
            return False
        forms = {(id(one.form), id(two.form)): (one.form, two.form) for one, two in pairs}
        return all(one.is_as(two) for one, two in forms.values())


def settled(wanted: Wanted) -> Pieces[Wanted]:
    """What is wanted of what the engine has, with its hints made, in pieces."""
    wish = yield from hints.settled(wanted.wish)
    normals = wanted.normals and asking_restyle.can_follow((yield from session.known()), wish.model, "normal")
    return replace(wanted, wish=wish, normals=normals)


def read(wanted: Wanted, layer: bpy.types.ViewLayer, *, solids: bool = True) -> Sight:
    """What the camera has before it now; without `solids` only where they are needed. Raises ValueError for what passes
    cannot show."""
    scene, _ = wanted.place()
    camera = shots.camera_of(scene)
    layer.update()
    lens, left_out = capture.lens_of(camera, layer.depsgraph, *wanted.wish.size, square=True), {}
    if wanted.shaped:
        left_out = unseen.found(layer.depsgraph, [lens])
        if named := unseen.refused(left_out):
            raise ValueError(
                f"Depth cannot show everything here: {unseen.words(named)}. Hide it in renders, or switch off "
                "Follow Depth, Follow Normals, Selected Only and Passes"
            )
    found = []
    if solids or wanted.shaped:
        found = list(capture.readings(layer.depsgraph, {}, shaded=wanted.facing))
    return Sight(lens=lens, solids=found, notes=shots.notes(scene), left_out=left_out)


def look(wanted: Wanted, sight: Sight) -> Pieces[passes.Passes | None]:
    """The passes of what was read, where they are needed, in pieces. Raises ValueError where they show nothing."""
    if not wanted.shaped:
        return None
    seen = yield from passes.look(sight.lens, sight.solids, wanted.wish.size, Breath(), normals=wanted.facing)
    if (seen.frame.objects < 0).all() and (wanted.depth or wanted.normals):
        raise ValueError("The camera sees nothing solid: move it, or switch off Follow Depth and Follow Normals")
    return seen


def picture(wanted: Wanted) -> Pieces[np.ndarray]:
    """The colours (H, W, 4) uint8 that are painted over."""
    scene, layer = wanted.place()
    if wanted.origin == "RENDER":
        return (yield from shots.rendered(scene, wanted.wish.size))
    return shots.drawn(scene, wanted.wish.size, layer=layer)


def looked_again(wanted: Wanted, before: Sight, seen: passes.Passes | None, now: Sight) -> Pieces[passes.Passes | None]:
    """The passes of `now`: those that were `seen` before, unless something was changed since."""
    (same,) = yield from beside([partial(before.is_as, now)])
    return seen if same else (yield from look(wanted, now))


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


def print_of(wanted: Wanted, wish: asking.Wish, sight: Sight) -> Pieces[str]:
    """What a frame is made of: words, settings, camera and shapes; not light and materials."""
    settings = {name: value for name, value in sight.notes.items() if name != "frame"}
    settings |= {name: getattr(wanted, name) for name in ("origin", "strength", "depth", "normals")}
    settings["only"] = wanted.names()
    (made,) = yield from beside([lambda: asking_restyle.fingerprint(wish, settings, _shapes(sight))])
    return made


def _shapes(sight: Sight) -> Iterator[bytes]:
    """The camera and everything solid, rounded so that another computer comes to the same."""
    yield np.round(sight.lens.world_to_camera * 1e5).astype(np.int64).tobytes()
    yield np.round(sight.lens.camera_to_clip * 1e5).astype(np.int64).tobytes()
    for piece in capture.pieces(sight.solids):
        yield piece.name.encode()
        yield np.round(piece.positions * 1e4).astype(np.int64).tobytes()
        yield np.ascontiguousarray(piece.triangles).tobytes()
