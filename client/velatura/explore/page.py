"""The page of a grid: tables of small pictures that lead to the files, and how each was made. Opens without a server.

Everything that comes from a job is written as text: prompts may hold anything.
"""

from __future__ import annotations

import json
from html import escape
from urllib.parse import quote

from . import fields
from .folder import Made
from .grid import Grid

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #1c1c1e; background: #fafaf8; }
table { border-collapse: collapse; margin-bottom: 2rem; }
th { text-align: left; vertical-align: top; padding: .4rem .6rem; max-width: 16rem; overflow-wrap: anywhere; }
td { vertical-align: top; padding: .3rem; }
td img { display: block; max-width: 256px; max-height: 256px; image-rendering: auto; }
td details { max-width: 256px; font-size: 12px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.name { color: #78787c; font-weight: normal; }
.failed { background: #e2e2e0; color: #9e2020; max-width: 256px; padding: .6rem; overflow-wrap: anywhere; }
"""
# No script, no frame, no form, nothing from elsewhere: pictures beside the page are all that it may show.
_POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(grid: Grid, made: tuple[Made, ...]) -> str:
    """The page as HTML."""
    task = fields.painting(grid.job)
    cells = {(one.x, one.y, one.z): one for one in made}
    counts = ", ".join(
        f"{number} {state}"
        for state in ("painted", "kept", "failed")
        if (number := sum(one.state == state for one in made))
    )
    missing = grid.pictures - len(made)
    counts += f", {missing} not reached" if missing else ""
    negative = f"<p>Not: {escape(task.negative.text)}</p>" if task.negative.text else ""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(_short(task.prompt.text))}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(_short(task.prompt.text))}</h1>",
        f"<p>{escape(task.prompt.text)}</p>{negative}",
        f'<p>{escape(counts)}. <a href="sheet.png">All on one sheet</a>.</p>',
        *(_table(grid, z, cells) for z in range(len(grid.z) if grid.z else 1)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(grid: Grid, z: int, cells: dict[tuple[int, int, int], Made]) -> str:
    title = ""
    if grid.z:
        title = f'<h2><span class="name">{escape(grid.z.name)}</span> {escape(grid.z.labels[z])}</h2>\n'
    head = "".join(
        f'<th><span class="name">{escape(grid.x.name)}</span> {escape(label)}</th>' for label in grid.x.labels
    )
    corner = "<th></th>" if grid.y else ""
    rows = []
    for y in range(len(grid.y) if grid.y else 1):
        label = ""
        if grid.y:
            label = f'<th><span class="name">{escape(grid.y.name)}</span> {escape(grid.y.labels[y])}</th>'
        row = "".join(_cell(cells.get((x, y, z))) for x in range(len(grid.x)))
        rows.append(f"<tr>{label}{row}</tr>")
    return f"{title}<table><thead><tr>{corner}{head}</tr></thead>\n<tbody>" + "\n".join(rows) + "</tbody></table>"


def _cell(made: Made | None) -> str:
    if made is None:
        return "<td></td>"
    if not made.file:
        return f'<td><div class="failed">{escape(made.why)}</div></td>'
    link = escape(quote(made.file))
    command = f"velatura generate --replay {made.file}"
    return (
        f'<td><a href="{link}"><img src="{link}" alt="{escape(made.file)}" loading="lazy"></a>'
        f"<details><summary>seed {made.seed}</summary><pre>{escape(command)}</pre>"
        f"<pre>{escape(_pretty(made.recipe))}</pre></details></td>"
    )


def _pretty(recipe: str) -> str:
    return json.dumps(json.loads(recipe), indent=1, ensure_ascii=False) if recipe else ""


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= 80 else f"{words[:77]}..."
