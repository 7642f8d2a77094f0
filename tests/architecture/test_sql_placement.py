"""SQL is spoken in read models, the engine of the projections and infrastructure; as constants, with its columns named."""

import ast
import re

import pytest

from tests.architecture.repository import ROOMS, Module, modules, texts

SQL = re.compile(
    r"\s*(?:SELECT\s|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\s|INSERT\s+INTO\s|UPDATE\s+[\w.%{]+|DELETE\s+FROM\s|TRUNCATE\s"
    r"|CREATE\s+(?:OR\s+REPLACE\s+)?(?:TABLE|INDEX|SCHEMA|FUNCTION|ROLE|DATABASE|TEMPORARY|UNIQUE|VIEW)"
    r"|ALTER\s+(?:TABLE|ROLE|INDEX)|DROP\s+(?:TABLE|INDEX|SCHEMA|DATABASE)|COPY\s+\S+\s+(?:FROM|TO|\()|LISTEN\s|NOTIFY\s|GRANT\s|SET\s+\w+\s*=)"
)
SPOKEN = ("infrastructure/", "projections/", "benchmarks/", "tests/")
NEVER_IN = ("projections/projectors/",)
# Where SQL is put together from other text, and from what: never from a request.
MADE = {
    "projections/tables.py": "tables, keys and indexes from their declarations",
    "projections/generations.py": "tables from their declarations and the number of the generation",
    "projections/statements.py": "lists from their declarations; what is asked for are parameters",
    "projections/waking.py": "channels from constants",
    "infrastructure/migrations/runner.py": "time limits from constants",
}
SHIPPED = modules(*ROOMS)


def strings(module: Module) -> list[tuple[int, str]]:
    """(line, text) of every string that is no docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


def made(module: Module) -> list[tuple[int, str]]:
    """(line, beginning) of strings put together while the program runs: f-strings, `%` and `.format` inside functions.

    What is put together outside of functions is a constant: it was so before the first request came.
    """
    inner = {id(node) for f in ast.walk(module.tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(f)}
    found = []
    for node in ast.walk(module.tree):
        first: ast.expr | None = None
        if isinstance(node, ast.JoinedStr) and any(isinstance(v, ast.FormattedValue) for v in node.values):
            first = node.values[0]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            first = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            first = node.func.value
        if first is not None and id(first) in inner and isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append((first.lineno, first.value))
    return found


@pytest.mark.parametrize("module", [m for m in SHIPPED if not str(m).startswith(SPOKEN) or str(m).startswith(NEVER_IN)], ids=str)
def test_no_sql_where_it_is_not_spoken(module: Module):
    assert [(line, text[:60]) for line, text in strings(module) if SQL.match(text)] == []


@pytest.mark.parametrize("module", [m for m in SHIPPED if str(m) not in MADE], ids=str)
def test_sql_is_never_put_together(module: Module):
    assert [(line, text[:60]) for line, text in made(module) if SQL.match(text)] == []


def test_what_may_be_put_together_still_is():
    assert {str(m) for m in SHIPPED if any(SQL.match(text) for _, text in made(m))} == MADE.keys()


def test_columns_are_named():
    everywhere = re.compile(r"\bSELECT\s+(?:DISTINCT\s+)?(?:\w+\.)?\*\s", re.IGNORECASE)
    in_python = [f"{m}:{line}" for m in SHIPPED for line, text in strings(m) if everywhere.search(text + " ")]
    in_files = [name for name, text in texts().items() if name.endswith(".sql") and everywhere.search(text)]
    assert in_python + in_files == []


def test_migrations_hold_plain_sql():
    """A revision runs a file; the file is read by people first."""
    sql_files = {name.rpartition("/")[2] for name in texts() if name.startswith("infrastructure/migrations/sql/")}
    revisions = [m for m in modules("infrastructure") if "migrations/versions/" in str(m)]
    assert revisions
    for revision in revisions:
        named = set(re.findall(r'"([\w.]+\.sql)"', revision.text))
        assert named <= sql_files
