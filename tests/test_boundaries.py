"""Who may import whom, and other promises about the sources, read from their syntax trees."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "client" / "velatura"
ENGINE = ROOT / "engine" / "velatura_engine"
STARTER = ROOT / "starter" / "velatura_starter"
BLENDER = ROOT / "blender_addon" / "velatura_blender"

LEARNED = {"torch", "diffusers", "transformers", "accelerate"}
WITH_TORCH = {
    "runtime", "run.py", "worker/main.py", "operations", "textures", "families", "samplers", "preprocessors",
    "upscalers", "conditioning",
}  # fmt: skip
SHELVES = ("families", "samplers", "preprocessors", "upscalers")
HOST_FILES = {
    "held", "meshes", "projection",
    "__init__", "host", "capture", "place", "wiring", "operators", "panel", "preferences", "offscreen", "session",
    "asking", "connection", "history", "icons", "knobs", "masks", "memory", "painting", "picture", "resume", "units",
    "uvs", "view_hints", "views", "whole", "whole_panel", "relief", "relief_panel", "lines", "lines_panel",
    "drawing", "errands", "film", "live_panel", "live_view", "passes", "restyle", "restyle_panel", "shots", "takes",
    "canvas", "flat", "local", "local_panel", "repeating", "vantage", "unseen", "live_eye",
    "drafts", "lent", "reblend", "scouting", "sending", "textured",
}  # fmt: skip
"""Files of a host that may touch it. What they need of each other's duties stays in client.py and the engine."""
BLENDERS = {"bpy", "bmesh", "gpu", "mathutils", "bpy_extras", "addon_utils"}
CLIENT_NEEDS = {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict"}
VERSIONED = [ROOT / name / "pyproject.toml" for name in ("client", "engine", "starter")]


def sources(*folders: Path) -> list[Path]:
    """Our own Python files; neither generated nor vendored ones."""
    found = [file for folder in folders for file in folder.rglob("*.py")]
    return sorted(file for file in found if not {"v1", "_vendor", "__pycache__"} & set(file.relative_to(ROOT).parts))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def roots(nodes: Iterator[ast.AST] | list[ast.stmt]) -> set[str]:
    """First words of all absolute imports among the nodes."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def imports(file: Path) -> set[str]:
    """First words of all absolute imports, inside functions too."""
    return roots(ast.walk(tree(file)))


def relative(file: Path) -> set[str]:
    """What is imported relatively from the same folder."""
    found: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


def every(*folders: Path) -> pytest.MarkDecorator:
    files = sources(*folders)
    return pytest.mark.parametrize("file", files, ids=[named(file) for file in files])


@every(ENGINE)
def test_torch_stays_below_the_plan(file: Path):
    inside = file.relative_to(ENGINE).as_posix()
    allowed = any(inside == place or inside.startswith(f"{place}/") for place in WITH_TORCH)
    assert allowed or not imports(file) & LEARNED


@every(CLIENT)
def test_torch_never_reaches_the_client(file: Path):
    assert not imports(file) & LEARNED


@every(ENGINE)
def test_only_the_server_speaks_grpc(file: Path):
    inside = file.relative_to(ENGINE)
    assert inside.parts[0] == "server" or not {"grpc", "grpc_health", "grpc_reflection", "grpclib"} & imports(file)


@every(CLIENT)
def test_the_client_needs_nothing_compiled(file: Path):
    known = sys.stdlib_module_names | CLIENT_NEEDS | {"velatura"}
    assert imports(file) - known <= {"numpy"}


@every(CLIENT)
def test_the_client_needs_numpy_only_where_it_is_handed_arrays(file: Path):
    assert "numpy" not in roots(tree(file).body)


@every(BLENDER)
def test_only_host_files_touch_blender(file: Path):
    assert file.stem in HOST_FILES or not imports(file) & BLENDERS


@every(CLIENT, ENGINE, STARTER)
def test_blender_is_known_to_its_add_on_alone(file: Path):
    assert not imports(file) & BLENDERS


@every(BLENDER)
def test_the_add_on_paints_nothing_itself(file: Path):
    assert not imports(file) & (LEARNED | {"velatura_engine", "velatura_starter", "grpc"})


@every(ENGINE / "families")
def test_families_never_import_each_other(file: Path):
    families = {other.stem for other in file.parent.glob("[!_]*.py")}
    assert not relative(file) & families


@every(CLIENT, ENGINE, STARTER)
def test_packages_do_nothing_when_they_are_imported(file: Path):
    if file.name != "__init__.py" or (file.parent.parent == ENGINE and file.parent.name in SHELVES):
        return  # a shelf's package makes its own empty shelf; the next test watches it
    calm = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for statement in tree(file).body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            assert not any(isinstance(node, ast.Call) and not _harmless(node) for node in ast.walk(statement))
        else:
            assert isinstance(statement, calm) or _is_text(statement)


@every(*(ENGINE / name for name in SHELVES))
def test_shelves_are_discovered_on_first_use(file: Path):
    if file.name == "__init__.py":
        loops = (ast.For, ast.While, ast.With, ast.Try)
        assert not any(isinstance(statement, loops) for statement in tree(file).body)


def _harmless(call: ast.Call) -> bool:
    words = ast.unparse(call.func)
    return words in ("Path", "frozenset", "tuple", "re.compile", "TypeVar") or words.startswith("Path(__file__)")


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@every(CLIENT, ENGINE, STARTER, BLENDER, ROOT / "tools", ROOT / "tests", ROOT / "bench")
def test_state_is_never_global(file: Path):
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree(file)))


@every(CLIENT, ENGINE)
def test_what_is_public_is_documented(file: Path):
    silent = [name for name, node in _public(tree(file)) if ast.get_docstring(node) is None]
    assert not silent
    assert ast.get_docstring(tree(file)) is not None or not file.read_text("utf-8").strip()


def _public(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Functions and classes of a module and methods of its public classes, without leading underscore."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in module.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef) and not _is_named_by_its_base(node):
                for inner in node.body:
                    if isinstance(inner, kinds) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def _is_named_by_its_base(node: ast.ClassDef) -> bool:
    """What it overrides is documented there."""
    return bool(node.bases)


@every(CLIENT, ENGINE, BLENDER, ROOT / "tools")
def test_a_file_is_read_in_one_sitting(file: Path):
    assert len(file.read_text("utf-8").splitlines()) <= 400


@every(CLIENT, ENGINE, BLENDER, ROOT / "tools")
def test_a_function_fits_a_screen(file: Path):
    for node in ast.walk(tree(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < 80, node.name


def test_everything_carries_one_version():
    text = (CLIENT / "version.py").read_text("utf-8")
    version = re.search(r'^VERSION = "(.+)"$', text, re.MULTILINE)
    assert version is not None
    found = {named(file): tomllib.loads(file.read_text("utf-8"))["project"]["version"] for file in VERSIONED}
    manifest = BLENDER / "blender_manifest.toml"
    found[named(manifest)] = tomllib.loads(manifest.read_text("utf-8"))["version"]
    assert set(found.values()) == {version[1]}, found


def test_the_engine_asks_for_its_own_client_and_starter():
    project = tomllib.loads((ROOT / "engine" / "pyproject.toml").read_text("utf-8"))["project"]
    own = {f"velatura=={project['version']}", f"velatura-starter=={project['version']}"}
    assert own <= set(project["dependencies"])


def test_the_engine_allows_no_version_that_its_other_needs_refuse():
    """Each lower bound of ours lies within the bounds that our other dependencies set for the same package."""
    project = tomllib.loads((ROOT / "engine" / "pyproject.toml").read_text("utf-8"))["project"]
    needs = {need.name: need for need in map(Requirement, project["dependencies"])}
    refused = []
    for name in needs.keys() - {"velatura", "velatura-starter"}:
        for need in map(Requirement, metadata.requires(name) or ()):
            ours = needs.get(need.name)
            if ours is None or (need.marker and not need.marker.evaluate({"extra": ""})):
                continue
            floors = [part.version for part in ours.specifier if part.operator in (">=", "==")]
            refused += [f"{name} needs {need}, not {floor}" for floor in floors if floor not in need.specifier]
    assert not refused


def test_pages_that_sources_name_are_there():
    page = re.compile(r"docs/[\w./-]+\.md")
    files = [file for name in ("client", "engine", "starter", "tools", "bench") for file in (ROOT / name).rglob("*.py")]
    named_there = {name for file in files for name in page.findall(file.read_text("utf-8"))}
    assert named_there and not [name for name in named_there if not (ROOT / name).is_file()]


def test_sources_name_no_place_of_one_machine():
    home = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w+|/work/\w+|[A-Z]:\\Users\\")
    texts = ("*.py", "*.md", "*.toml", "*.proto", "*.lock", "*.ini")
    folders = [
        ROOT / name for name in ("client", "engine", "starter", "blender_addon", "tools", "docs", "bench", "proto")
    ]
    files = [file for folder in folders for kind in texts for file in folder.rglob(kind)]
    files += [file for kind in texts for file in ROOT.glob(kind)] + [ROOT / ".ci" / "run"]
    files = [file for file in files if "runs" not in file.parts]
    assert not [named(file) for file in files if home.search(file.read_text("utf-8"))]


def test_packages_bring_the_files_that_lie_beside_their_code():
    for folder in (CLIENT, ENGINE, STARTER):
        project = tomllib.loads((folder.parent / "pyproject.toml").read_text("utf-8"))
        declared = project["tool"]["setuptools"].get("package-data", {})
        found = {
            file
            for package, patterns in declared.items()
            for pattern in patterns
            for file in folder.parent.joinpath(*package.replace("*", folder.name).split(".")).glob(pattern)
        }
        ignored = {".py", ".pyc"}
        data = {file for file in folder.rglob("*") if file.is_file() and file.suffix not in ignored}
        assert not [named(file) for file in data - found if file.name[0] != "."]
