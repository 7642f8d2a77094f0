"""Notifications and deadlines: facts in, rows and words out; a rebuild gives the same ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from projections.read_models.deadlines import due
from projections.read_models.notifications import MODELS, in_words, notification_list, of_event, unread
from projections.registry import load
from projections.statements import Page
from tests.conftest import Database
from tests.projections.desk import projected, read, rebuilt, rows
from tests.projections.history import (
    Recorded,
    append,
    commented,
    created,
    deleted,
    founded,
    member_added,
    registered,
    revised,
    sealed,
    told_of_due,
)
from tests.support.world import ANN, BOB, CLINIC, NOON

ONE, TWO, THREE, FOUR = (UUID(int=n) for n in (1, 2, 3, 4))
PEOPLE = [
    registered(ANN, full_name=sealed("Ann")),
    registered(BOB, "bob@example.com", full_name=None, username=sealed("bob")),
    founded(CLINIC),
    member_added(CLINIC, BOB, "developer"),
]


def told(database: Database, user_id: UUID) -> list[tuple[str, str]]:
    """(kind, body), newest first."""
    items = read(database.app_url, notification_list(user_id, None, None, Page()))["items"]
    found: list[dict[str, Any]] = orjson.loads(in_words(orjson.dumps(items).decode()))
    return [(item["kind"], item["body"]) for item in found]


async def test_what_is_told_in_which_words(database: Database) -> None:
    facts = [
        *PEOPLE,
        created(ONE, title="Sweep", assignee_id=BOB),
        commented(ONE, UUID(int=11), "Fine", recipients=[BOB]),
        told_of_due(ONE, "neared", BOB, NOON + timedelta(days=1)),
        told_of_due(ONE, "missed", BOB, NOON + timedelta(days=1)),
    ]
    head = append(database.app_url, *facts)
    await projected(database.app_url, load().chosen(MODELS), head)
    assert told(database, BOB) == [
        ("task_overdue", 'The task "Sweep" was due at 2026-11-21 13:00 (Europe/Berlin).'),
        ("task_due_soon", 'The task "Sweep" is due at 2026-11-21 13:00 (Europe/Berlin).'),
        ("task_commented", 'Ann commented on "Sweep": Fine'),
        ("task_assigned", 'Ann assigned the task "Sweep" to you.'),
        ("invitation", 'Ann made you a member of "Clinic", as developer.'),
    ]
    assert told(database, ANN) == []
    mailed = read(database.app_url, of_event(head))["items"]
    assert [(one["user_id"], one["kind"], one["title"]) for one in mailed] == [(str(BOB), "task_overdue", "Overdue: Sweep")]


async def test_due_times_are_told_by_our_clock_also_where_postgres_knows_another_rule_or_none(database: Database) -> None:
    """Vancouver keeps its summer time from 2026 on, which not every time zone database knows; of `localtime` Postgres knows nothing."""
    forever, never = datetime(2026, 12, 24, 7, 30, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
    carl = UUID(int=77)
    facts = [
        registered(BOB, "bob@example.com", timezone="America/Vancouver"),
        registered(carl, "carl@example.com", timezone="localtime"),
        founded(CLINIC),
        *(member_added(CLINIC, who, "developer") for who in (BOB, carl)),
        *(created(task, title="at \\u00012026|UTC\\u0001", assignee_id=who) for task, who in ((ONE, BOB), (TWO, carl))),
        *(told_of_due(task, "missed", who, at) for task, who in ((ONE, BOB), (TWO, carl)) for at in (never, forever)),
    ]
    await projected(database.app_url, load().chosen(MODELS), append(database.app_url, *facts))
    told_of = {who: [body.rpartition(" at ")[2] for kind, body in told(database, who) if kind == "task_overdue"] for who in (BOB, carl)}
    assert told_of == {
        BOB: ["2026-12-24 00:30 (America/Vancouver).", "0001-01-01 00:00 (UTC)."],
        carl: ["2026-12-24 07:30 (UTC).", "0001-01-01 00:00 (UTC)."],
    }
    assert '"at \\u00012026|UTC\\u0001"' in told(database, BOB)[0][1], "what people write is left as it is"


async def test_a_rebuild_gives_the_same_ids_and_keeps_what_was_read(database: Database) -> None:
    head = append(database.app_url, *PEOPLE, created(ONE, assignee_id=BOB), created(TWO, assignee_id=BOB))
    models = load().chosen(MODELS)
    await projected(database.app_url, models, head)
    first = read(database.app_url, unread(BOB, None))["ids"][0]
    known = Recorded("notification.read", UUID(int=99), {"user_id": BOB, "notification_ids": [first, UUID(int=5)]}, CLINIC, BOB)
    await projected(database.app_url, models, append(database.app_url, known))
    [model] = load().chosen(["notifications"])
    before = rows(database.app_url, model)
    assert [row for row in before["notifications"] if row[-1] is not None]
    assert (await rebuilt(database.app_url, models, "notifications", verify=True))["status"] == "completed"
    assert rows(database.app_url, model) == before
    assert UUID(str(first)).version == 7
    assert len(read(database.app_url, unread(BOB, None))["ids"]) == 2


async def test_candidates_are_open_tasks_with_somebody_to_be_told(database: Database) -> None:
    soon, late = NOON + timedelta(hours=2), NOON - timedelta(hours=2)
    watched = Recorded("deadline.watched", UUID(int=THREE.int ^ 2), {"organization_id": CLINIC, "task_id": THREE}, CLINIC, None)
    other = UUID(int=900)
    facts = [
        *(fact for where in (CLINIC, other) for fact in (founded(where), member_added(where, BOB))),
        created(UUID(int=7), organization_id=other, due_at=soon),
        Recorded("organization.deleted", other, {"member_ids": [ANN, BOB]}, other),
        created(ONE, due_at=soon),
        created(TWO, due_at=late, assignee_id=BOB),
        created(THREE, due_at=soon),
        created(FOUR, due_at=NOON + timedelta(days=2)),
        created(UUID(int=5), due_at=late),
        deleted(UUID(int=5)),
        created(UUID(int=6), due_at=late),
        revised(UUID(int=6), "task.moved", status="cancelled"),
        watched,
        told_of_due(THREE, "neared", ANN, soon),
    ]
    models = load().chosen(["tasks", "deadlines", "organizations"])
    await projected(database.app_url, models, append(database.app_url, *facts))
    assert found(database, due(NOON)) == [TWO, ONE]
    assert found(database, due(NOON, (late, TWO))) == [ONE]
    assert found(database, due(NOON + timedelta(hours=2))) == [TWO, ONE, THREE], "soon and late are told apart"
    again = [revised(THREE, "task.assigned", assignee_id=BOB)]
    await projected(database.app_url, models, append(database.app_url, *again))
    assert found(database, due(NOON)) == [TWO, ONE, THREE], "somebody else is concerned now"
    back = [told_of_due(THREE, "neared", BOB, soon), revised(THREE, "task.assigned", assignee_id=ANN)]
    await projected(database.app_url, models, append(database.app_url, *back))
    assert found(database, due(NOON)) == [TWO, ONE], "whoever was told once is not looked at each minute for ever"
    out = [Recorded("organization.member_removed", CLINIC, {"user_id": BOB}, CLINIC)]
    await projected(database.app_url, models, append(database.app_url, told_of_due(TWO, "missed", BOB, late), *out))
    assert found(database, due(NOON)) == [TWO, ONE], "the assignee was told and has left: now it is the creator's to know"
    await projected(database.app_url, models, append(database.app_url, told_of_due(TWO, "missed", ANN, late)))
    assert found(database, due(NOON)) == [ONE]


async def test_of_a_deleted_organization_nobody_is_told_not_even_who_sees_everything(database: Database) -> None:
    facts = [*PEOPLE, Recorded("user.superuser_set", BOB, {"superuser": True}), created(ONE, assignee_id=BOB)]
    models = load().chosen(MODELS)
    await projected(database.app_url, models, append(database.app_url, *facts))
    assert [kind for kind, _ in told(database, BOB)] == ["task_assigned", "invitation"]
    gone = Recorded("organization.deleted", CLINIC, {"member_ids": [ANN, BOB]}, CLINIC)
    await projected(database.app_url, models, append(database.app_url, gone))
    assert told(database, BOB) == []


def found(database: Database, statement: Any) -> list[UUID]:
    import psycopg

    with psycopg.connect(database.app_url) as connection:
        return [row[0] for row in connection.execute(statement.sql, statement.parameters)]
