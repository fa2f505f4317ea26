"""Styles: words laid around a prompt. Those that come with the add-on, and the artist's own in a file. No bpy here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "styles.json"
HERE = "{prompt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """`prompt` holds HERE where the artist's words go; `negative` is added to what to avoid."""

    id: str
    title: str
    prompt: str
    negative: str = ""

    def dress(self, prompt: str, negative: str) -> tuple[str, str]:
        """The words and what to avoid, in this style."""
        return self.prompt.replace(HERE, prompt), ", ".join(filter(None, (negative, self.negative)))


BUILT_IN = (
    Style(id="photo", title="Photograph", prompt="{prompt}, photograph, even light", negative="drawing, painting"),
    Style(id="painted", title="Hand-painted", prompt="{prompt}, hand-painted, stylized game texture", negative="photo"),
    Style(id="cartoon", title="Cartoon", prompt="{prompt}, flat colors, bold outlines, cartoon", negative="photo"),
    Style(id="worn", title="Worn", prompt="{prompt}, worn, weathered, scratched, dirt in the corners"),
    Style(id="wet", title="Wet", prompt="{prompt}, wet, puddles, glossy"),
    Style(id="mossy", title="Overgrown", prompt="{prompt}, overgrown with moss and lichen"),
)


def load(folder: Path) -> tuple[Style, ...]:
    """Ours, then the artist's. Raises ValueError that names the file where it cannot be read."""
    path = folder / FILE
    if not path.exists():
        return BUILT_IN
    try:
        own = [
            Style(**{key: str(value) for key, value in each.items()}) for each in json.loads(path.read_text("utf-8"))
        ]
    except (OSError, ValueError, TypeError, AttributeError) as trouble:
        raise ValueError(f"{path} cannot be read: {trouble}. Mend it or remove it") from trouble
    ours = {style.id for style in own}
    return (*(style for style in BUILT_IN if style.id not in ours), *own)


def save(folder: Path, style: Style) -> None:
    """Keep one of the artist's, in place of one of the same id. Raises ValueError where the file cannot be read."""
    kept = [each for each in load(folder) if each not in BUILT_IN and each.id != style.id]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps([asdict(each) for each in (*kept, style)], indent=1), "utf-8")


def remove(folder: Path, name: str) -> bool:
    """Forget one of the artist's by its id; says whether there was one."""
    own = [each for each in load(folder) if each not in BUILT_IN]
    left = [each for each in own if each.id != name]
    if len(left) == len(own):
        return False
    (folder / FILE).write_text(json.dumps([asdict(each) for each in left], indent=1), "utf-8")
    return True
