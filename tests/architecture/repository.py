"""What belongs to the repository: every file that is not ignored, git or no git; and its Python, parsed."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "infrastructure", "projections", "command_api", "query_api", "workers")
LOCKS = ("requirements.lock", "requirements-dev.lock")


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file."""

    path: Path  # from the root
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)

    @property
    def word(self) -> str:
        return self.path.stem

    def __str__(self) -> str:
        return self.path.as_posix()


@cache
def _parsed(text: str) -> ast.Module:
    """When it is first asked for: all workers collect these tests, one runs them."""
    return ast.parse(text)


def _ignored() -> list[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return [".git", *(line.strip("/") for line in lines)]


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file below, from the root; what `.gitignore` names is passed over."""
    ignored = _ignored()
    for place, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not any(fnmatch(f, pattern) for pattern in ignored))
        for name in sorted(names):
            if not any(fnmatch(name, pattern) for pattern in ignored):
                yield Path(place, name).relative_to(root)


@cache
def texts() -> dict[str, str]:
    """Every text file but the lock files, by its path from the root."""
    found = {}
    for path in files():
        if path.name not in LOCKS:
            try:
                found[path.as_posix()] = (ROOT / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture, or the like
    return found


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files in these folders of the root, tests' own included."""
    wanted = {name: text for name, text in texts().items() if name.endswith(".py") and name.partition("/")[0] in folders}
    return tuple(Module(Path(name), text) for name, text in wanted.items())


def words(folder: str) -> set[str]:
    """Names of a folder's modules: the features of a room."""
    return {path.stem for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"}
