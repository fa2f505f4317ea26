"""Preprocessors that the community has and this engine has not: named, so that whoever looks for them learns why."""

from typing import NoReturn

from . import PREPROCESSORS, Given

_MISSING = {
    # id: (title, kind of its hints, what it makes, what to do instead)
    "hed": ("Soft edges (HED)", "softedge", "Soft edges of objects", "use gradient"),
    "pidinet": ("Soft edges (PiDiNet)", "softedge", "Soft edges of objects", "use gradient"),
    "mlsd": ("Straight lines (MLSD)", "mlsd", "Straight lines of buildings and rooms", "use canny"),
    "openpose": ("Poses (OpenPose)", "openpose", "Skeletons of people", "pose a figure and send its skeleton"),
    "lineart_anime": ("Line art of anime", "lineart_anime", "Lines of drawn figures", "use lineart"),
    "normal_estimate": ("Estimated normals", "normal", "Surface directions", "use normal_from_depth"),
    "segmentation": ("Segmentation", "seg", "Areas by what they show", "paint the areas in the colours of ADE20K"),
}


def _missing(given: Given) -> NoReturn:
    raise NotImplementedError  # planning has refused it


def _shelve() -> None:
    for id, (title, hints, what, instead) in _MISSING.items():
        reason = f"no model of this engine makes it; {instead}, or make the hint elsewhere and send it ready-made"
        facts = {"available": False, "reason": reason, "hints": hints}
        PREPROCESSORS.part(id, title, description=f"{what}, found by a learned model.", **facts)(_missing)


_shelve()
