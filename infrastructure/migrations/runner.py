"""Moves a database from one revision to another, by one starter at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from infrastructure.migrations.revisions import current

FOLDER = Path(__file__).parent
LOCK_KEY = 7_210_411_015  # of the advisory lock; any number, the same for all
LOCK_WAIT_SECONDS = 120  # for another starter to finish its migrations
TABLE_LOCK_WAIT_SECONDS = 10  # for a table: a migration that waits blocks all who come after it

ADVISORY_LOCK = "SELECT pg_advisory_lock(%s)"


class MigrationRefused(Exception):
    """The schema was not changed; the message says why."""


# What a step may fail with: our refusal, Alembic's, a revision's own (RuntimeError), the database's.
FAULTS = (MigrationRefused, CommandError, RuntimeError, SQLAlchemyError, psycopg.Error)


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema's history."""

    revision: str
    down_revision: str | None
    title: str
    is_current: bool


def upgrade(url: str, revision: str = "head") -> None:
    """Go forward.  Errors: MigrationRefused."""
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Go back, as `-1` or to a revision.  Errors: MigrationRefused."""
    _run(url, lambda config: command.downgrade(config, revision))


def history(url: str | None) -> list[Revision]:
    """All revisions, newest first; without an address none is marked as current."""
    now = None if url is None else current(url)
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [
        Revision(
            revision=script.revision,
            down_revision=str(script.down_revision) if script.down_revision else None,
            title=script.doc.split(". ")[0].rstrip("."),
            is_current=script.revision == now,
        )
        for script in scripts
    ]


def create(title: str) -> Path:
    """Write an empty revision after the newest, numbered on from it."""
    number = f"{len(history(None)) + 1:04d}"
    script = command.revision(_config(), message=title, rev_id=number)
    if script is None or isinstance(script, list):
        raise MigrationRefused("no revision was written: the history has more than one end")
    return Path(script.path)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """SQLAlchemy's view of a psycopg connection, which reads the address itself and so takes all that libpq takes."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url, connect_timeout=10), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise MigrationRefused(str(error.orig).strip()) from error
    finally:
        engine.dispose()


def _run(url: str, step: Callable[[Config], None]) -> None:
    """The lock belongs to the connection: it is gone with a killed starter."""
    config = _config()
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as guard, _connected(url) as connection:
        try:
            guard.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            guard.execute(ADVISORY_LOCK, (LOCK_KEY,))
        except psycopg.errors.LockNotAvailable:
            raise MigrationRefused(f"another migration has been running for {LOCK_WAIT_SECONDS} seconds; see pg_stat_activity") from None
        connection.exec_driver_sql(f"SET lock_timeout = '{TABLE_LOCK_WAIT_SECONDS}s'")
        connection.commit()
        # A percent sign in plain SQL is a percent sign, not a placeholder.
        config.attributes["connection"] = connection.execution_options(no_parameters=True)
        step(config)
        connection.commit()
