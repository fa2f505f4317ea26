"""The one entry for everybody who has this repository.

It needs Python 3.11, 3.12 or 3.13 with venv, and npm for parts of `test` only.

python3 tools/dev.py demo     install everything, start the engine, paint a texture into ./out
python3 tools/dev.py test     run every check; --only PART for some of them
python3 tools/dev.py lint     format and lint; --fix mends what can be mended
python3 tools/dev.py proto    generate client/velatura/v1 from proto/
python3 tools/dev.py bench    measure; see docs/benchmarks.md
python3 tools/dev.py package  build what a host installs, such as Blender's extension, into ./dist
python3 tools/dev.py clean    remove what these verbs made
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit(f"Velatura needs Python 3.11, 3.12 or 3.13; this one is {sys.version.split()[0]}.")

import checks
import environments
from environments import BUILD, ROOT, Trouble, program, run, say


def demo(options: argparse.Namespace) -> int:
    """From nothing to a picture."""
    stale = not (ROOT / ".venv" / environments.STAMP).exists()
    python = environments.ensure_engine(tests=False)
    velatura = [python, "-m", "velatura_engine"]
    if stale:
        # An engine of an earlier installation may still run.
        run([*velatura, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    since = time.monotonic()
    say(f'Painting "{options.prompt}", 256 x 256 pixels, seamless')
    command = [*velatura, "texture", options.prompt, "--size", "256", "--out", ROOT / "out", "--json"]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        with contextlib.suppress(ValueError, KeyError):
            say(json.loads(done.stdout)["error"]["text"])
        return done.returncode
    files = json.loads(done.stdout)["pictures"][0]
    shown = [str(Path(files[kind]).relative_to(ROOT)) for kind in ("picture", "preview", "recipe")]
    print(f"Painted in {time.monotonic() - since:.1f} s: {shown[0]} (tile), {shown[1]} (3 x 3), {shown[2]} (recipe).")
    print(
        f'Next: {_short(python)} -m velatura_engine texture "mossy cobblestone" --out out   or docs/getting-started.md'
    )
    return 0


def _short(path: Path) -> Path:
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd())
    return path


def test(options: argparse.Namespace) -> int:
    """Every check, and one line about each at the end."""
    environments.ensure_engine(tests=True)
    outcomes: dict[str, tuple[checks.Outcome, float]] = {}
    for name, part in checks.PARTS.items():
        if options.only and name not in options.only:
            continue
        say(f"== {name}")
        since = time.monotonic()
        try:
            outcome = part()
        except Trouble as trouble:
            outcome = checks.Outcome(failed=1, note=str(trouble))
        outcomes[name] = outcome, time.monotonic() - since
    print()
    for name, (outcome, seconds) in outcomes.items():
        word = "FAILED" if outcome.failed else "passed" if outcome.passed else "left out"
        print(f"{name:18} {word:9} {seconds:6.1f} s  {outcome.note}")
    passed, failed, skipped = (
        sum(getattr(outcome, kind) for outcome, _ in outcomes.values()) for kind in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return int(failed > 0 or passed == 0)


def lint(options: argparse.Namespace) -> int:
    """ruff over everything."""
    environments.ensure_engine(tests=True)
    ruff = program(ROOT / ".venv", "ruff")
    paths = options.paths or ["."]
    formatted = run([ruff, "format", *([] if options.fix else ["--check"]), *paths])
    return run([ruff, "check", *(["--fix"] if options.fix else []), *paths]) or formatted


def proto(_: argparse.Namespace) -> int:
    """Generate the messages."""
    checks.generate_stubs(ROOT / "client")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Run the measurements of bench/, or the named ones; those of Blender in Blender's own environment."""
    names = options.names or sorted(path.stem for path in (ROOT / "bench").glob("[!_]*.py"))
    pythons = {
        name: environments.ensure_blender() if name.startswith("blender") else environments.ensure_engine(tests=False)
        for name in names
    }
    return max([run([python, ROOT / "bench" / f"{name}.py"]) for name, python in pythons.items()], default=0)


def package(options: argparse.Namespace) -> int:
    """Build and validate what a host installs."""
    return run([environments.ensure_blender(), ROOT / "tools" / f"build_{options.host}.py", "--out", options.out])


def clean(_: argparse.Namespace) -> int:
    """Remove environments, build outputs and caches."""
    folders = [ROOT / ".venv", ROOT / ".venv-blender", BUILD, ROOT / ".pytest_cache", ROOT / ".ruff_cache"]
    folders += [path for package in environments.PACKAGES for path in (ROOT / package).glob("*.egg-info")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """The verbs."""
    whole = argparse.ArgumentParser(
        prog="tools/dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="VERB")
    for function in (demo, test, lint, proto, bench, package, clean):
        verb = verbs.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        verb.set_defaults(function=function)
        if function is demo:
            verb.add_argument("prompt", nargs="?", default="red brick wall", help="what to paint")
        elif function is test:
            verb.add_argument("--only", action="append", choices=list(checks.PARTS), help="run this part; repeatable")
        elif function is lint:
            verb.add_argument("--fix", action="store_true", help="mend what can be mended")
            verb.add_argument("paths", nargs="*", help="files and folders (default: all)")
        elif function is package:
            verb.add_argument("host", choices=("blender",), help="for which host")
            verb.add_argument("--out", type=Path, default=ROOT / "dist", help="folder (default: dist)")
        elif function is bench:
            verb.add_argument("names", nargs="*", help="measurements, by file name in bench/")
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        return options.function(options)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
