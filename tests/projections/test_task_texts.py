"""Searching what tasks say: whatever the script, the index finds what looking through every text would."""

from __future__ import annotations

import asyncio
import random
import unicodedata
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projections.read_models.task_filters import TaskFilter
from projections.read_models.tasks import task_list
from projections.registry import load
from projections.statements import Page, Sight
from projections.texts import searchable
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import append, created, deleted, revised
from tests.support.world import ANN, CLINIC

WORDS = (
    "visit", "Größe", "STRASSE", "КРОВЬ", "кровяное", "試料を送る", "数据管理", "นมัสการ", "नमस्ते", "שלום", "مرحبا",  # noqa: RUF001
    "it's", "100%", "a_b", "c\\d", "''", ":*", "&", "x:y", "e\u0301te\u0301", "ﬁle", "İstanbul",
    "مُحَمَّد", "עִבְרִית", "ガイド", "कुल", "ёлка", "Ŝanĝo", "أحمد", "🗂", "o", "1", "!(a|b)",
)  # fmt: skip
Texts = dict[UUID, str]


POINTED = ("COMBINING", "HEBREW", "ARABIC")  # of the scripts up to these


def folded(text: str) -> str:
    """Without case, and without the accents and points that people leave out."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = [c for c in apart if not (c <= "\u06ed" and unicodedata.category(c) == "Mn" and unicodedata.name(c).startswith(POINTED))]
    return unicodedata.normalize("NFKC", "".join(kept))


@pytest.fixture(scope="module")
def texts(module_database: Database) -> Texts:
    """Two hundred titles and descriptions, put together from words of many scripts."""
    chance = random.Random(5)
    said = {UUID(int=n): [" ".join(chance.choices(WORDS, k=k)) for k in (3, chance.randrange(4))] for n in range(1, 201)}
    facts = [created(task_id, title=title, description=description) for task_id, (title, description) in said.items()]
    facts.append(created(uuid4(), title=" ".join(WORDS), organization_id=uuid4()))
    head = append(module_database.app_url, *facts)
    with asyncio.Runner() as runner:
        runner.run(projected(module_database.app_url, load().chosen(["tasks", "tags", "task_texts"]), head))
    return {task_id: folded(" ".join(parts)) for task_id, parts in said.items()}


def found(database: Database, q: str) -> set[UUID]:
    statement = task_list(CLINIC, Sight(ANN, everything=True), None, TaskFilter(q=q), Page(limit=200))
    return {UUID(item["id"]) for item in read(database.app_url, statement)["items"]}


pieces = (
    st.sampled_from(WORDS)
    .flatmap(lambda w: st.tuples(st.just(w), st.integers(0, len(w)), st.integers(1, 6)))
    .map(lambda t: t[0][t[1] :][: t[2]])
)
queries = st.lists(pieces | st.sampled_from(WORDS) | st.text(min_size=1, max_size=3), min_size=1, max_size=3).map(" ".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=queries.filter(lambda q: "\x00" not in q and not any("\ud800" <= c <= "\udfff" for c in q)))
@example(q="理")
@example(q="% '")
@example(q="GRÖSSE strasse")
@example(q="grosse ISTANBUL")
@example(q="محمد")
@example(q="カイト")
@example(q="कल")
def test_the_index_finds_what_looking_through_every_text_finds(module_database: Database, texts: Texts, q: str) -> None:
    words = folded(q).split()
    assert found(module_database, q) == {task_id for task_id, text in texts.items() if all(word in text for word in words)}


@pytest.mark.parametrize(
    ("said", "sought"),
    [
        ("Größe prüfen", "GROSSE prufen"), ("resume", "résumé"), ("İstanbul", "istanbul"), ("مُحَمَّد", "محمد"), ("עִבְרִית", "עברית"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"), ("Ёлка", "елка"),
    ],
)  # fmt: skip
def test_accents_and_points_may_be_left_out_on_either_side(said: str, sought: str) -> None:
    assert searchable(sought) in searchable(said)


@pytest.mark.parametrize(("said", "sought"), [("ガイド", "カイト"), ("कुल", "कल"), ("ที่", "ท")])
def test_marks_that_are_letters_count(said: str, sought: str) -> None:
    assert searchable(said) != searchable(sought)


async def test_the_newest_words_count_and_those_of_deleted_tasks_do_not(database: Database) -> None:
    one, two = UUID(int=1), UUID(int=2)
    facts = [created(one, title="old words", description="kept"), created(two, title="kept")]
    changes = [revised(one, title="new words"), revised(one, priority="low"), deleted(two)]
    await projected(database.app_url, load().chosen(["tasks", "tags", "task_texts"]), append(database.app_url, *facts, *changes))
    assert [found(database, q) for q in ("new", "old", "kept words", "KEPT")] == [{one}, set(), {one}, {one}]


async def test_a_rare_word_among_many_tasks_is_found_by_the_index(database: Database) -> None:
    facts = [created(UUID(int=n), title=f"number {n} of many") for n in range(1, 3001)]
    await projected(database.app_url, load().chosen(["tasks", "tags", "task_texts"]), append(database.app_url, *facts))
    statement = task_list(CLINIC, Sight(ANN, everything=True), None, TaskFilter(q="2718"), Page())
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("ANALYZE read_models.task_texts")
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement.sql}".encode(), statement.parameters).fetchall())
    assert "task_texts__g1_1" in plan
