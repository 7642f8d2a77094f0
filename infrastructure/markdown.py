"""Declarations as Markdown: docstrings, types, the comments behind fields, tables, verbs.  For infrastructure.reference."""

import ast
import inspect
import re
import sys
import types
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

_REMARK = re.compile(r"#\s+(?!type:|noqa)(.+?)(?:\s+#.*)?$")


def first(thing: Any) -> str:
    """The first paragraph of a docstring, on one line.  The library rebuilds event classes, with a signature for a docstring."""
    own = getattr(thing, "__doc__", None) or ""
    if isinstance(thing, type) and own.startswith(f"{thing.__name__}("):
        own = next(c.__doc__ or "" for c in thing.__mro__[1:] if c.__name__ == thing.__name__)
    return " ".join(inspect.cleandoc(own).split("\n\n")[0].split())


def remarks(declared: type) -> dict[str, str]:
    """The comments behind the fields of a class, from its module's source: rebuilt classes do not know their own."""
    if not declared.__module__.startswith("domain."):
        return {}
    source = inspect.getsource(sys.modules[declared.__module__])
    lines, node = source.splitlines(), ast.parse(source).body
    for name in declared.__qualname__.split("."):
        node = next(inner.body for inner in node if isinstance(inner, ast.ClassDef) and inner.name == name)
    return {
        field.target.id: found.group(1)
        for field in node
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (found := _REMARK.search(lines[field.lineno - 1]))
    }


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table with a blank line behind it; nothing without rows."""
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *body, ""] if body else []


def type_text(hint: Any) -> str:
    return f"`{type_name(hint)}`"


def type_name(hint: Any) -> str:
    """A type as one would write it, the same on every Python."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, arguments))
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join('...' if a is Ellipsis else type_name(a) for a in arguments)}]"
    if hint in (None, types.NoneType):
        return "None"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " | ".join(str(member.value) for member in hint)
    return "object" if is_typeddict(hint) else getattr(hint, "__name__", str(hint))


def verbs(command: Any, path: str) -> list[str]:
    """A section for each verb below a command, in alphabetical order; hidden ones are for ourselves."""
    lines: list[str] = []
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if child.hidden:
            continue
        words = {p: f"<{p.name}>" for p in child.params if p.param_type_name == "argument"}
        words |= {p: ", ".join([*p.opts, *p.secondary_opts]) for p in child.params if p.param_type_name == "option" and p.name != "help"}
        lines += [f"## `{' '.join([path, name, *(w for w in words.values() if w.startswith('<'))])}`", "", (child.help or "").strip(), ""]
        lines += [*(f"- `{word}`: {parameter.help or ''}" for parameter, word in words.items()), ""] if words else []
        what, _, examples = (child.epilog or "").partition(": ")
        lines += [f"{what}: {', '.join(f'`{example}`' for example in examples.split(' · '))}", ""] if examples else []
        lines += verbs(child, f"{path} {name}")
    return lines
