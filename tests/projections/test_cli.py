"""`trialog projections ...`: every verb on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from typer.testing import CliRunner

from infrastructure.settings import Settings
from projections.cli import app
from projections.registry import load
from tests.projections.desk import projected, rows
from tests.projections.history import History, append

Ask = Callable[..., Any]


@pytest.fixture
async def url(settings: Settings) -> str:
    url = settings.needed("database_url")
    await projected(url, load().chosen(), append(url, *History(seed=9).next(400)))
    return url


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A verb that does a job itself logs problems only; other tests have nothing to do with that."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def ask(settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str) -> Ask:
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(words))


def asked(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_status_names_every_model_its_lag_and_its_errors(ask: Ask) -> None:
    found = asked(ask("status", "--json"))
    assert [row["name"] for row in found] == sorted(load().models)
    assert {"name", "generation", "status", "position", "lag_events", "lag_seconds", "rate", "last_error"} <= found[0].keys()
    assert all((row["status"], row["lag_events"]) == ("live", 0) for row in found)
    assert "tasks" in ask("status").output


def test_a_rebuild_that_no_projector_takes_on_is_done_here(ask: Ask, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.process.PICK_UP_SECONDS", 0.0)
    before = rows(url, load().models["tasks"])
    (job,) = asked(ask("rebuild", "tasks", "--verify", "--json"))
    assert (job["projection"], job["status"], job["rows_new"]) == ("tasks", "completed", job["rows_live"])
    assert rows(url, load().models["tasks"]) == before
    (job,) = asked(ask("rollback", "tasks", "--json"))
    assert (job["kind"], job["status"]) == ("rollback", "completed")
    assert rows(url, load().models["tasks"]) == before
    assert "would drop generation 2 of tasks" in ask("drop-old", "tasks").output
    assert "dropped: 1" in ask("drop-old", "tasks", "--yes").output
    assert "nothing is kept of tasks" in ask("drop-old", "tasks").output


def test_all_are_rebuilt_one_after_the_other(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.process.PICK_UP_SECONDS", 0.0)
    done = asked(ask("rebuild", "--all", "--json"))
    assert [job["status"] for job in done] == ["completed"] * len(load().models)
    assert len(asked(ask("jobs", "--json"))) == len(done)


def test_jobs_can_be_left_to_the_projector_and_cancelled(ask: Ask) -> None:
    (job,) = asked(ask("rebuild", "tags", "--no-wait", "--json"))
    assert job["status"] == "queued"
    assert "a rebuild or rollback of tags is running already" in ask("rebuild", "tags").output.lower()
    assert ask("rebuild", "--all").exit_code == 1
    assert [job["projection"] for job in asked(ask("jobs", "--json"))] == ["tags"]  # all of them, or none
    assert "cancelled" in ask("cancel", job["id"]).output


def test_a_paused_model_says_so(ask: Ask) -> None:
    assert ask("pause", "tags").exit_code == 0
    assert {row["name"]: row["status"] for row in asked(ask("status", "--json"))}["tags"] == "paused"
    assert ask("resume", "tags").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("rebuild",),
        ("rebuild", "tasks", "--all"),
        ("rebuild", "nonsense"),
        ("rollback", "tasks"),
        ("pause", "nonsense"),
        ("forget", "nonsense", "--yes"),
        ("forget", "tasks", "--yes"),
        ("cancel", "no-id"),
        ("cancel", str(uuid4())),
        ("retry", str(uuid4())),
        ("skip", str(uuid4()), "--reason", "x", "--yes"),
        ("skip", str(uuid4()), "--reason", " "),
        ("skip", str(uuid4()), "--reason", "x" * 1001),
    ],
)
def test_what_cannot_be_done_exits_with_1_and_says_why(ask: Ask, words: tuple[str, ...]) -> None:
    result = ask(*words)
    assert result.exit_code == 1
    assert "trialog: " in result.stderr


def test_what_is_parked_can_be_seen_and_skipped(ask: Ask) -> None:
    assert asked(ask("parked", "--json")) == []
    assert "would leave out" in ask("skip", str(uuid4()), "--reason", "x").output


def test_every_act_is_an_event_and_a_refused_one_is_none(ask: Ask, url: str) -> None:
    assert ask("pause", "users").exit_code == 0
    assert ask("resume", "users").exit_code == 0
    assert ask("pause", "nothing").exit_code == 1
    with psycopg.connect(url) as connection:
        told = connection.execute(
            "SELECT data::jsonb ->> 'act', data::jsonb ->> 'target' FROM log.events WHERE topic = 'operation.requested' ORDER BY position"
        )
        assert told.fetchall() == [("pause", "projection users"), ("resume", "projection users")]
