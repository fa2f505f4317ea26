"""Preprocessors that the community has and this engine has not: named, so that whoever looks for them learns why."""

from typing import NoReturn

from . import PREPROCESSORS, Given

_MISSING = {
    # id: (title, kind of its hints, what it makes, what to do instead)
    "pidinet": ("Soft edges (PiDiNet)", "softedge", "Soft edges of objects", "use hed or gradient"),
    "lineart_anime": ("Line art of anime", "lineart_anime", "Lines of drawn figures", "use lineart"),
}


def _missing(given: Given) -> NoReturn:
    raise NotImplementedError  # planning has refused it


def _shelve() -> None:
    for id, (title, hints, what, instead) in _MISSING.items():
        reason = f"no model of this engine makes it; {instead}, or make the hint elsewhere and send it ready-made"
        facts = {"available": False, "reason": reason, "hints": hints}
        PREPROCESSORS.part(id, title, description=f"{what}, found by a learned model.", **facts)(_missing)


_shelve()
