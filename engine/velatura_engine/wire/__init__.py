"""Between the contract's messages and the engine's own types: every check of outside input is in `read`."""

from .read import read
from .write import artifact, catalog, error, preview, recipe, resolve

__all__ = ["artifact", "catalog", "error", "preview", "read", "recipe", "resolve"]
