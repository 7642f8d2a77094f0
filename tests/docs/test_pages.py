"""What the hand-written pages name does exist: links, paths, settings, verbs, metrics, slugs; and each page begins with why."""

import json
import re
from pathlib import Path

import pytest
import typer

from infrastructure.cli import app, mount_rooms
from infrastructure.settings import Settings
from tests.architecture.repository import ROOT, files

GENERATED = "docs/reference/"
DECISION = re.compile(r"docs/decisions/(?!0000)\d{4}-")
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives", "What enforces it"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:\.?[\w-]+/)+[\w.<>*-]*|[\w-]+\.(?:md|toml|yaml|lock|example)")
SETTING = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b")
OTHER_VARIABLES = {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD", "PYTHON_VERSION"}

pages = sorted(p.as_posix() for p in files() if p.suffix == ".md")
by_hand = [p for p in pages if not p.startswith(GENERATED)]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """Without its blocks of code."""
    return FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages)
def test_links_lead_somewhere(page: str):
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", [p for p in by_hand if p.startswith("docs/")])
def test_every_page_can_be_reached_from_the_map(page: str):
    linked = {((ROOT / "docs" / link.partition("#")[0]).resolve()) for link in LINK.findall(text_of("docs/index.md"))}
    assert page == "docs/index.md" or (ROOT / page).resolve() in linked


@pytest.mark.parametrize("page", [p for p in by_hand if p.startswith("docs/") and not p.startswith("docs/decisions/")])
def test_a_page_begins_with_why(page: str):
    title, blank, first = text_of(page).splitlines()[:3]
    assert title.startswith("# ")
    assert blank == ""
    assert first.startswith("Why"), first


@pytest.mark.parametrize("page", [p for p in by_hand if DECISION.match(p)])
def test_a_decision_has_its_parts_on_one_page(page: str):
    text = text_of(page)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.search(r"^Status: (accepted|proposed|superseded by \d{4})\. Date: \d{4}-\d\d-\d\d\.", text, re.MULTILINE)
    assert text.startswith(f"# {Path(page).name[:4]} ")
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize("page", by_hand)
def test_paths_exist(page: str):
    """A path in backticks is one of the repository, unless it is one of an example or of the data folder."""
    written = set(re.findall(r"^`([\w./]+)`$", text_of(page), re.MULTILINE))  # what a tutorial tells to write
    for code in CODE.findall(prose(page)):
        name = code.rstrip("/")
        if not PATH.fullmatch(code) or name in written or any(mark in name for mark in "<>*") or not is_ours(name):
            continue
        assert (ROOT / name).exists(), name


def is_ours(name: str) -> bool:
    first = name.partition("/")[0]
    return (ROOT / first).exists() if "/" in name else name.endswith((".md", ".toml", ".yaml", ".lock"))


@pytest.mark.parametrize("page", by_hand)
def test_settings_exist(page: str):
    known = {name.upper() for name in Settings.model_fields} | {f"{name.upper()}_FILE" for name in Settings.model_fields}
    named = {name for code in CODE.findall(prose(page)) for name in SETTING.findall(code)}
    assert named - known - OTHER_VARIABLES - constants() == set()


def constants() -> set[str]:
    """Names of constants in the code, which pages may name as well."""
    return set(re.findall(r"^\s*([A-Z][A-Z_]+)\b(?:: [^=\n]+)? = ", "\n".join(python()), re.MULTILINE))


def python() -> list[str]:
    return [(ROOT / p).read_text(encoding="utf-8") for p in files() if p.suffix == ".py" and p.parts[0] != "tests"]


@pytest.mark.parametrize("page", by_hand)
def test_verbs_exist(page: str):
    found = re.findall(r"(?:^|[\s`]|bin/)trialog ((?:[a-z][a-z-]+ ?)+)", text_of(page).replace('"', " "), re.MULTILINE)
    for words in found:
        command = known_command()
        for word in words.split():
            if not getattr(command, "commands", {}):
                break  # an argument
            assert word in command.commands, f"trialog {words}"
            command = command.commands[word]


def known_command():
    if "projections" not in {group.name for group in app.registered_groups}:
        mount_rooms()
    return typer.main.get_command(app)


@pytest.mark.parametrize("page", by_hand)
def test_make_targets_exist(page: str):
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    code = [c for c in CODE.findall(prose(page)) if c.startswith("make ")] + re.findall(r"^make .+$", text_of(page), re.MULTILINE)
    for line in code:
        words = [w for w in line.split("#")[0].split()[1:] if "=" not in w]
        assert set(words[:1]) <= targets, line


@pytest.mark.parametrize("page", by_hand)
def test_metrics_slugs_and_addresses_exist(page: str):
    metrics, errors, http = (text_of(f"docs/reference/{name}.md") for name in ("metrics", "errors", "http"))
    for code in CODE.findall(prose(page)):
        if code.startswith("trialog_") and code not in ("trialog_app", "trialog_owner"):
            assert f"`{code}`" in metrics, code
        if re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) /\S+", code):
            pattern = re.escape(code).replace(r"\{id\}", r"\{\w+\}")
            assert re.search(f"`{pattern}`", http), code
    for status, slug in re.findall(r"\b([45]\d\d) `([a-z-]+)`", prose(page)):
        assert f"| {status} | `{slug}` |" in errors, slug


def test_the_openapi_document_is_one():
    document = json.loads(text_of("docs/reference/openapi.json"))
    assert document["openapi"].startswith("3.1")
    operations = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(operations) == len(set(operations))
