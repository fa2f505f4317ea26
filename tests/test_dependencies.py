"""What the packages import is what they say they need: nothing comes along by chance, with a test's tools."""

import ast
import importlib.metadata as metadata
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OURS = {"velatura", "velatura_engine", "velatura_starter"}
PACKAGES = {"client": "velatura", "engine": "velatura_engine", "starter": "velatura_starter"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def owners() -> dict[Path, str]:
    """The distribution of each installed file."""
    return {
        Path(str(file.locate())).resolve(): plain(dist.metadata["Name"])
        for dist in metadata.distributions()
        for file in dist.files or ()
        if file.suffix in {".py", ".so", ".pyd"}
    }


def imported(folder: Path) -> set[str]:
    """Modules of others that a package's files import at their top, and names that may be modules in them."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found |= {node.module}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names | OURS}


def owner(module: str) -> str:
    """The distribution that a module comes from."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{module} cannot be found"
    if spec.origin and (known := owners().get(Path(spec.origin).resolve())):
        return known
    for place in spec.submodule_search_locations or ():  # a folder without an __init__
        for file, name in owners().items():
            if file.is_relative_to(Path(place).resolve()):
                return name
    raise AssertionError(f"nobody owns {module}")


def brought(names: set[str]) -> set[str]:
    """What these distributions need, and what those need in turn, without extras."""
    found, left = set(), list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or ())
            left += [plain(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_imports_is_brought_by_its_dependencies(package: str):
    told = tomllib.loads((ROOT / package / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    needed = brought({plain(Requirement(line).name) for line in told})
    found = {owner(module): module for module in imported(ROOT / package / PACKAGES[package])}
    assert found.keys() <= needed, {module for name, module in found.items() if name not in needed}
