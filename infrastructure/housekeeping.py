"""Deletes what the log keeps for a time only.  The events themselves stay for ever."""

from typing import Any, LiteralString

import psycopg

from infrastructure.postgres import as_application

BATCH_ROWS = 5_000  # a transaction: short locks, and a killed run loses little

# Answers given under an idempotency key: kept 24 hours.
DELETE_RECEIPTS = """
DELETE FROM log.receipts WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM log.receipts WHERE created_at < now() - interval '24 hours' LIMIT %(rows)s
))
"""
# The last position each login session wrote: of no use when the session has ended, which it has after 40 days without a write.
DELETE_SESSION_POSITIONS = """
DELETE FROM log.session_positions WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM log.session_positions WHERE updated_at < now() - interval '40 days' LIMIT %(rows)s
))
"""
# What was done or left out: the relay never goes back, so nobody asks again.
DELETE_REACTIONS = """
DELETE FROM workers.reactions WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM workers.reactions
    WHERE state IN ('done', 'skipped') AND finished_at < now() - interval '30 days' LIMIT %(rows)s
))
"""
# Longer than their reactions: one may have been a dead letter for a while before it was retried.
DELETE_MAILS = """
DELETE FROM workers.mails WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM workers.mails WHERE begun_at < now() - interval '1 year' LIMIT %(rows)s
))
"""


def delete_expired(database_url: str) -> dict[str, int]:
    """Rows deleted by table.  Safe to be run by several at once."""
    with psycopg.connect(**as_application(database_url), autocommit=True, connect_timeout=10) as connection:
        return {
            "receipts": _delete_all(connection, DELETE_RECEIPTS),
            "session_positions": _delete_all(connection, DELETE_SESSION_POSITIONS),
            "reactions": _delete_all(connection, DELETE_REACTIONS),
            "mails": _delete_all(connection, DELETE_MAILS),
        }


def _delete_all(connection: psycopg.Connection[Any], statement: LiteralString) -> int:
    deleted = 0
    while count := connection.execute(statement, {"rows": BATCH_ROWS}).rowcount:
        deleted += count
    return deleted
