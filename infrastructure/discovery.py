"""Finding features: every module of a room is imported, so that its decorators and routers are known.  No list is kept by hand."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def import_room(name: str) -> list[ModuleType]:
    """Every module of a package, by name, in alphabetical order."""
    package = importlib.import_module(name)
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return [importlib.import_module(f"{name}.{module}") for module in names]
