"""Puts a private copy of the client and of all it needs into a host's own package.

    python tools/vendor.py build/acme/_vendor acme._vendor

The copy imports nothing by a name that another add-on of the same process may use: every absolute import of velatura,
grpclib, h2, hpack, hyperframe, multidict and google is rewritten to begin with the package's name. It is pure Python
and so fits every system. Dependencies are taken from the environment that runs this; nothing is fetched.
See docs/decisions/007-private-copies.md.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackagePath, distribution
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = ("protobuf", "grpclib", "h2", "hpack", "hyperframe")
OURS = {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict", "velatura"}
OPTIONAL = {"annotationlib", "certifi", "numpy", "typing_extensions"}  # of a newer Python, for types, or where present
LEFT_OUT = (
    "google/protobuf/compiler/",
    "google/protobuf/internal/message_benchmark.py",
    "google/protobuf/pyext/",
    "google/protobuf/testdata/",
    "google/protobuf/util/",
    "grpclib/channelz/",
    "grpclib/health/",
    "grpclib/plugin/",
    "grpclib/reflection/",
    "grpclib/_typing.py",
    "grpclib/testing.py",
    "velatura/testing/",
)

# multidict is compiled; grpclib needs only this much of it.
MULTIDICT = '''"""As much of multidict's MultiDict as grpclib needs."""

from collections.abc import Mapping, MutableMapping


class MultiDict(MutableMapping):
    """A dictionary whose keys may come more than once; `[]` gives the first."""

    def __init__(self, arg=(), **more):
        self._pairs = []
        self.extend(arg, **more)

    def extend(self, arg=(), **more):
        self._pairs += arg.items() if isinstance(arg, Mapping) else arg
        self._pairs += more.items()

    def add(self, key, value):
        self._pairs.append((key, value))

    def getall(self, key):
        return [value for name, value in self._pairs if name == key]

    def items(self):
        return list(self._pairs)

    def __getitem__(self, key):
        for name, value in self._pairs:
            if name == key:
                return value
        raise KeyError(key)

    def __setitem__(self, key, value):
        self._pairs = [pair for pair in self._pairs if pair[0] != key] + [(key, value)]

    def __delitem__(self, key):
        self[key]
        self._pairs = [pair for pair in self._pairs if pair[0] != key]

    def __iter__(self):
        return iter([name for name, _ in self._pairs])

    def __len__(self):
        return len(self._pairs)
'''

# protobuf asks an environment variable and compiled modules which implementation to use: here there is one.
API_IMPLEMENTATION = '''"""The pure Python implementation, whatever the environment says."""

_c_module = None


def Type():
    return "python"


def IsPythonDefaultSerializationDeterministic():
    return False
'''
REPLACED = {"google/protobuf/internal/api_implementation.py": API_IMPLEMENTATION, "multidict.py": MULTIDICT}


def vendor(destination: Path, package: str) -> None:
    """Fills the folder `destination`, which is importable as `package` ("acme._vendor"); what was there goes.

    Raises SystemExit where a dependency is missing, carries no licence, or imports something unforeseen.
    """
    if destination.exists():
        shutil.rmtree(destination)
    for name, source in sorted(_sources()):
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rewrite(source, package, name), "utf-8")
    for folder in {path.parent for path in destination.rglob("*.py")} | {destination, destination / "google"}:
        (folder / "__init__.py").touch()
    _copy_licences(destination / "licences")


def _sources() -> Iterator[tuple[str, str]]:
    yield from REPLACED.items()
    client = REPOSITORY / "client"
    for path in client.rglob("velatura/**/*.py"):
        yield from _wanted(path.relative_to(client).as_posix(), path)
    for name in DISTRIBUTIONS:
        for file in _files(distribution(name)):
            yield from _wanted(file.as_posix(), Path(str(file.locate())))


def _wanted(name: str, path: Path) -> Iterator[tuple[str, str]]:
    if name.endswith(".py") and name not in REPLACED and not name.startswith((*LEFT_OUT, "..")):
        yield name, path.read_text("utf-8")


def _files(found: Distribution) -> list[PackagePath]:
    if not found.files:
        sys.exit(f"{found.name} is not installed from a wheel")
    return found.files


def rewrite(source: str, package: str, name: str) -> str:
    """The source with its absolute imports of OURS below `package`."""
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source, name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            sys.exit(f"{name}:{node.lineno}: an import by string cannot be rewritten")
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(imports, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        replacement = _replacement(node, package, name)
        if replacement is None:
            continue
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        # Offsets count UTF-8 bytes; imports of these packages are ASCII up to their end.
        head = lines[first].encode()[: node.col_offset].decode()
        tail = lines[last].encode()[node.end_col_offset :].decode()
        lines[first : last + 1] = [head + replacement + tail]
    return "".join(lines)


def _replacement(node: ast.Import | ast.ImportFrom, package: str, name: str) -> str | None:
    if isinstance(node, ast.ImportFrom):
        if node.level or not _is_ours(node.module or "", name):
            return None
        names = ", ".join(ast.unparse(alias) for alias in node.names)
        return f"from {package}.{node.module} import {names}"
    if not any([_is_ours(alias.name, name) for alias in node.names]):
        return None
    parts = []
    for alias in node.names:
        top = alias.name.partition(".")[0]
        if top not in OURS:
            parts.append(f"import {ast.unparse(alias)}")
        elif alias.asname:
            parts.append(f"import {package}.{alias.name} as {alias.asname}")
        elif top == alias.name:
            parts.append(f"from {package} import {top}")
        else:  # `import h2.config` loads the submodule and binds the name h2
            parts.append(f"import {package}.{alias.name}; from {package} import {top}")
    return "; ".join(parts)


def _is_ours(module: str, name: str) -> bool:
    top = module.partition(".")[0]
    if top not in OURS | OPTIONAL and top not in sys.stdlib_module_names:
        sys.exit(f"{name} imports {module}, which is neither vendored nor in the standard library")
    return top in OURS


def _copy_licences(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in DISTRIBUTIONS:
        found = distribution(name)
        texts = [file for file in _files(found) if file.name.upper().startswith(("LICEN", "COPYING", "NOTICE"))]
        if not texts:
            sys.exit(f"{name} carries no licence")
        for file in texts:
            shutil.copyfile(str(file.locate()), folder / f"{name}-{found.version}-{file.stem}.txt")
    ours = REPOSITORY / "LICENSE"
    if ours.exists():
        shutil.copyfile(ours, folder / "velatura-LICENSE.txt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("destination", type=Path, help="folder to fill; what is in it goes")
    parser.add_argument("package", help="the name it is imported by, such as acme._vendor")
    chosen = parser.parse_args()
    vendor(chosen.destination, chosen.package)
    size = sum(path.stat().st_size for path in chosen.destination.rglob("*") if path.is_file())
    print(f"{chosen.destination}: {size / 1024:.0f} KiB")
