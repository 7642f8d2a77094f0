"""A stage is a room, a feature is a word: the same words in every room, one docstring a package, small pages, short functions."""

import ast

import pytest

from domain.kernel import registry
from infrastructure.discovery import import_room
from tests.architecture.repository import ROOMS, ROOT, Module, modules, words

FEATURE_ROOMS = (
    "domain/aggregates",
    "domain/commands",
    "domain/policies",
    "command_api/routes",
    "projections/projectors",
    "projections/read_models",
    "query_api/routes",
    "workers/reactions",
)
# Words that one room alone knows, and why.
ALONE = {
    "access": "facts of no aggregate's life: no command decides them, no read model shows them",
    "operations": "facts again: what superusers did to the installation",
    "reservations": "an aggregate that other features' commands hold",
    "superusers": "another one: who of the accounts counts as one",
    "audit": "its read model is the log itself",
    "stream": "likewise, as it grows",
}
SHIPPED = modules(*ROOMS)
OURS = modules(*ROOMS, "benchmarks", "tests")
LINES_MAX, FUNCTION_LINES_MAX = 250, 40
# Pages and functions that are longer, and why.
LONG_PAGES = {
    "domain/aggregates/users.py": "an account has many facts, each of a few lines",
    "domain/aggregates/organizations.py": "likewise",
    "tests/projections/history.py": "one long story, told in the order in which it happens",
}
LONG_FUNCTIONS: dict[str, str] = {}


def features(room: str) -> set[str]:
    """The words of a room.  `task_reads` beside `tasks` is a second page of the same feature, as `analytics_figures` of `analytics`."""
    found = words(room)
    return {word for word in found if "_" not in word or not {word.partition("_")[0], f"{word.partition('_')[0]}s"} & found}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_a_word_of_one_room_is_known_in_another():
    rooms = {room: features(room) for room in FEATURE_ROOMS}
    for room, own in rooms.items():
        others = set().union(*(found for name, found in rooms.items() if name != room))
        strangers = own - others - ALONE.keys()
        assert not strangers, f"{room} alone knows {sorted(strangers)}: misspelled, or a feature that goes nowhere"


def test_what_stands_alone_still_does():
    everywhere = [word for room in FEATURE_ROOMS for word in features(room)]
    assert {word for word in ALONE if everywhere.count(word) != 1} == set()


def test_each_read_model_has_its_projector():
    assert features("projections/projectors") == features("projections/read_models")


def test_a_command_its_handler_and_its_policy_bear_one_name():
    for room in ("domain.commands", "domain.policies"):
        import_room(room)
    commands = [c for c in registry._all_commands() if not c.__module__.startswith("tests")]
    assert commands
    for command in commands:
        homes = {part.__module__.rpartition(".")[2] for part in (command, registry.handler_of(command), registry.policy_of(command))}
        assert len(homes) == 1, f"{command.__name__} lives in {sorted(homes)}"


def test_the_mirror_of_the_domain_knows_no_other_words():
    known = {module.word for module in SHIPPED if module.path.parts[0] == "domain"}
    tested = {word.removeprefix("test_") for word in words("tests/domain") if word.startswith("test_")}
    strangers = {word for word in tested - known if word.rpartition("_")[0] not in known}
    assert not strangers, f"tests/domain tests {sorted(strangers)}, which the domain does not know"


@pytest.mark.parametrize("module", [m for m in OURS if m.path.name == "__init__.py"], ids=str)
def test_a_package_holds_one_docstring(module: Module):
    assert ast.get_docstring(module.tree)
    assert len(module.tree.body) == 1


@pytest.mark.parametrize("module", OURS, ids=str)
def test_every_module_says_what_for(module: Module):
    assert ast.get_docstring(module.tree)


@pytest.mark.parametrize("module", OURS, ids=str)
def test_pages_are_small(module: Module):
    lines = len(module.text.splitlines())
    assert lines <= LINES_MAX or (str(module) in LONG_PAGES and lines <= LINES_MAX * 1.1), f"{lines} lines: split it by verb"


@pytest.mark.parametrize("module", SHIPPED, ids=str)
def test_functions_are_short(module: Module):
    for function in ast.walk(module.tree):
        if isinstance(function, Function) and f"{module}:{function.name}" not in LONG_FUNCTIONS:
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= FUNCTION_LINES_MAX, f"{function.name}, line {function.lineno}, has {lines} lines: split it by verb"


def test_no_exception_is_left_over():
    functions = {f"{module}:{f.name}" for module in SHIPPED for f in ast.walk(module.tree) if isinstance(f, Function)}
    assert LONG_FUNCTIONS.keys() <= functions
    assert LONG_PAGES.keys() == {str(m) for m in OURS if len(m.text.splitlines()) > LINES_MAX}


def test_the_root_holds_what_the_design_names():
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")} - {"build", "dist"}
    assert folders - {name for name in folders if name.endswith((".egg-info", "__pycache__"))} == {*ROOMS, "tests", "benchmarks", "docs"}
