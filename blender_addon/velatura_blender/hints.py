"""Hints that lead one picture: read when it is asked for, and made messages in pieces."""

from dataclasses import dataclass, replace
from functools import partial

from . import capture, knobs, looks, place, unseen
from .client import pixels, spec
from .pace import Breath, beside

OF_SCENE = {"depth": "depth", "normal": "normal_from_depth", "lineart": "lineart_from_depth"}
"""What makes these kinds of hints from the scene's depth, where no other preprocessor is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hint:
    """A hint as it was read: its kind, what is said of it, and its picture; None: the scene's depth, or what is painted
    over."""

    kind: str
    said: dict
    picture: looks.Numbers | None
    of_scene: bool

    def message(self, depth):
        """As a message, with the scene's `depth`. Touches no Blender data."""
        said = dict(self.said)
        if self.of_scene:
            said["depth"] = depth
        elif self.picture is not None:
            said["image"] = pixels.from_array(self.picture.texels()[..., :3])
        return spec.control(self.kind, **said)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hints:
    """Those that are switched on, and for those of the scene what its camera has before it."""

    each: tuple[Hint, ...]
    lens: capture.Lens | None
    solids: list[capture.Reading]

    def messages(self, size):
        """As messages, for a picture of this size, in pieces. Raises ValueError where the camera sees nothing."""
        depth = None
        if self.lens is not None:
            (found,) = yield from beside([lambda: list(capture.pieces(self.solids))])
            seen = yield from capture.look(self.lens, found, size, Breath())
            if (seen.objects < 0).all():
                raise ValueError("The camera sees nothing: move it, or choose a picture for the hint")
            depth = pixels.depth_map(seen.depth)
        return tuple((yield from beside([partial(each.message, depth) for each in self.each])))


def read(context, size):
    """The hints that are switched on, read; None where there are none. Raises ValueError that says which one lacks
    something."""
    found = []
    for number, unit in enumerate(context.scene.velatura.controls, 1):
        if not unit.use:
            continue
        said = {"strength": unit.strength, "start": unit.start, "end": unit.end, "preprocessor": unit.preprocessor}
        if unit.preprocessor:
            said["knobs"] = knobs.values(unit.knobs, unit.preprocessor)
        of_scene, picture = unit.source == "SCENE", None
        if of_scene:
            said["preprocessor"] = unit.preprocessor or OF_SCENE.get(unit.kind, "")
            if not said["preprocessor"]:
                raise ValueError(f"Hint {number}: choose a preprocessor that makes «{unit.kind}» of the scene's depth")
        elif unit.image is not None:
            picture = place.raw(unit.image)
        elif not unit.preprocessor or context.scene.velatura.source == "WORDS":
            raise ValueError(f"Hint {number} has no picture: choose one, or switch the hint off")
        found.append(Hint(kind=unit.kind, said=said, picture=picture, of_scene=of_scene))
    lens, solids = None, []
    if any(each.of_scene for each in found):
        camera, depsgraph = context.scene.camera, context.evaluated_depsgraph_get()
        if camera is None:
            raise ValueError("The scene has no camera: add one and look through it (Ctrl Alt 0)")
        lens, solids = capture.lens_of(camera, depsgraph, *size), list(capture.readings(depsgraph, {}))
    return Hints(each=tuple(found), lens=lens, solids=solids) if found else None


def settled(wish):
    """A wish whose hints are messages, in pieces. Raises ValueError as `Hints.messages` does."""
    if wish.hints is None:
        return wish
    return replace(wish, hints=None, controls=(yield from wish.hints.messages(wish.size)))


def left_out(context, size):
    """What is before the scene's camera and its hints do not show, by names."""
    units, camera = context.scene.velatura.controls, context.scene.camera
    if camera is None or not any(unit.use and unit.source == "SCENE" for unit in units):
        return {}
    depsgraph = context.evaluated_depsgraph_get()
    return unseen.found(depsgraph, [capture.lens_of(camera, depsgraph, *size)])
