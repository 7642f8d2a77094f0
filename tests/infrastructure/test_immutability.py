"""Nobody changes history: not the application, not the owner, not by any statement; and nothing is added but by log.append."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import Database
from tests.support.logs import one_event, running_appender

INSERT = (
    "INSERT INTO log.events (position, recorded_at, stream_id, stream_version, topic, append_id, data, metadata) "
    "VALUES (2, now(), gen_random_uuid(), 1, 'x', gen_random_uuid(), '{}', '{}')"
)
CHANGES = [
    "UPDATE log.events SET data = '{}'",
    "UPDATE log.events SET recorded_at = now() WHERE position = 1",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "TRUNCATE log.events CASCADE",
    INSERT.replace("VALUES (2", "VALUES (1") + " ON CONFLICT (position) DO UPDATE SET data = 'x'",
    "MERGE INTO log.events e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
]
LOGINS = ["app_url", "owner_url", "admin_url"]


@pytest.fixture
async def history(database: Database) -> Database:
    """A database with one event."""
    async with running_appender(database.app_url) as appender:
        await appender.append(one_event())
    return database


def content(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.admin_url) as connection:
        return connection.execute("SELECT * FROM log.events ORDER BY position").fetchall()


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("change", CHANGES)
def test_no_role_changes_or_deletes_an_event(history: Database, login: str, change: str):
    before = content(history)
    with psycopg.connect(getattr(history, login)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(change.encode())
    assert content(history) == before


@pytest.mark.parametrize("login", LOGINS)
def test_replica_mode_does_not_get_around_the_triggers(history: Database, login: str):
    with psycopg.connect(getattr(history, login)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SET session_replication_role = replica; DELETE FROM log.events")
    assert len(content(history)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        INSERT,
        "COPY log.events FROM STDIN",
        "ALTER TABLE log.events DISABLE TRIGGER ALL",
        "DROP TRIGGER events_are_immutable ON log.events",
        "ALTER TABLE log.events DROP COLUMN data",
        "DROP TABLE log.events",
        "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "INSERT INTO log.receipts VALUES (gen_random_uuid(), 'k', 'f', gen_random_uuid(), '{}', 1, now())",
        "UPDATE log.receipts SET outcome = '{}'",
        "UPDATE log.session_positions SET position = 0",
    ],
)
def test_the_application_writes_through_the_append_function_alone(history: Database, statement: str):
    with psycopg.connect(history.app_url) as connection, pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.SyntaxError)):
        connection.execute(statement.encode())
    assert len(content(history)) == 1


def test_the_application_cannot_become_the_owner(history: Database):
    with psycopg.connect(history.app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SET ROLE trialog_owner")


def test_the_append_function_cannot_be_turned_against_the_log_by_a_search_path(history: Database):
    with psycopg.connect(history.app_url) as connection:
        connection.execute("CREATE TEMPORARY TABLE events (position bigint)")
        connection.execute("SET search_path = pg_temp, public")
        row = connection.execute(
            """SELECT outcome, first_position FROM log.append('[["00000000-0000-4000-8000-000000000001", null, null,
               [["00000000-0000-4000-8000-000000000002", 0, [["x.y", 1, null, null, "{}", "{}"]]]]]]')"""
        ).fetchone()
        assert row == ("stored", 2)
