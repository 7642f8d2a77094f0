"""Real servers for every test: an embedded PostgreSQL and Valkey for each pytest worker.  Nothing is skipped for want of a server."""

import base64
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import httpx._transports.default
import psycopg
import pytest
import redis

from infrastructure.embedded import ADMIN, APPLICATION, DATABASE, OWNER, EmbeddedPostgres, EmbeddedRedis
from infrastructure.migrations import runner
from infrastructure.settings import Settings

_numbers = count(1)
# Files with few tests and long ones: begun last, one would keep a worker busy for minutes after the other is done.
LONG_FIRST = ("benchmarks", "system", "projections", "architecture", "workers", "infrastructure", "docs", "query_api")
MEMORY = Path("/dev/shm")  # files that are never written to a disk, on Linux
ROOM_BYTES = 4 << 30  # free there, before tests take some of it; they have needed a tenth of that

# A client that is told nothing else reads every certificate there is, for 30 ms; tests make thousands, and speak plain HTTP.
_transports = vars(httpx._transports.default)
_transports["create_ssl_context"] = cache(_transports["create_ssl_context"])

gc.disable()  # what is imported while tests are collected stays; looking through it again and again takes seconds


@dataclass(frozen=True, slots=True)
class Database:
    """A database of its own, made from the migrated template."""

    name: str
    app_url: str  # what the processes log in with
    owner_url: str  # what migrations log in with
    admin_url: str  # the server's superuser: for a test that must break something


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """The server of this pytest worker; its `trialog` database is migrated and serves as template only."""

    server: EmbeddedPostgres

    def url(self, role: str, database: str) -> str:
        return self.server.url(role, database)

    @contextmanager
    def database(self, *, template: str = DATABASE) -> Iterator[Database]:
        """A fresh database, dropped at the end whoever is still connected.  `template="template0"`: without our tables."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as admin:
            # File by file: by the write-ahead log, as is usual, it takes twice as long.
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy OWNER {OWNER}")
            try:
                yield Database(name, self.url(APPLICATION, name), self.url(OWNER, name), self.url(ADMIN, name))
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms of long tests first; within a room the order stays."""
    ranks = {room: rank for rank, room in enumerate(LONG_FIRST)}
    here = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(here).parts[0], len(ranks)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """The collector is at work again, on what tests make alone."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own shell reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short path: a socket's name has room for about a hundred bytes."""
    folder = Path(tempfile.mkdtemp(prefix="trialog-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """In memory if it can be: most of the time that a fresh database takes goes into making and removing its 300 files.

    Servers that a test kills have folders of their own, on a disk.
    """
    place = MEMORY if _has_room(MEMORY) else None
    with (
        tempfile.TemporaryDirectory(prefix="trialog-", dir=place) as folder,
        EmbeddedPostgres(Path(folder, "postgres"), fsync=False) as server,
    ):
        runner.upgrade(server.url(OWNER))
        yield PostgresServer(server)


def _has_room(memory: Path) -> bool:
    """Whether a server's files and programs can lie there."""
    try:
        facts = os.statvfs(memory)
    except OSError:
        return False
    return os.access(memory, os.W_OK) and not facts.f_flag & os.ST_NOEXEC and facts.f_bavail * facts.f_frsize >= ROOM_BYTES


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh migrated database for one test (some 30 ms)."""
    with postgres_server.database() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def module_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh migrated database shared by the tests of one module."""
    with postgres_server.database() as fresh:
        yield fresh


@pytest.fixture
def bare_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh database with nothing in it."""
    with postgres_server.database(template="template0") as fresh:
        yield fresh


@pytest.fixture(scope="session")
def _redis_server(server_folder: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(server_folder / "redis") as server:
        yield server


@pytest.fixture
def redis_url(_redis_server: EmbeddedRedis) -> str:
    """A real server, emptied before each test."""
    with redis.Redis.from_url(_redis_server.url) as client:
        client.flushall()
    return _redis_server.url


@pytest.fixture
def settings(database: Database, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a process under test, on its own database."""
    return Settings.model_validate(
        {
            "environment": "testing",
            "trialog_data_dir": tmp_path,
            "database_url": database.app_url,
            "migration_database_url": database.owner_url,
            "redis_url": redis_url,
            "secret_key": "only-for-tests-only-for-tests-only-for-tests",
            "master_key": base64.b64encode(bytes(range(32))).decode(),
        }
    )
