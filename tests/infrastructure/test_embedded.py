"""Embedded servers start on any folder, keep what was committed, come back after any end, and are reached by nobody else."""

import os
import stat
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from infrastructure import embedded, unprivileged
from infrastructure.embedded import ADMIN, OWNER, EmbeddedPostgres, EmbeddedRedis, EmbeddedServerFailed
from infrastructure.embedded_files import own_folder, socket_folder
from infrastructure.processes import Account, is_running
from infrastructure.unprivileged import let_through, may_search, server_account

STRANGER = Account("daemon", 1, 1)


def test_it_is_postgres_18_with_durable_settings_and_no_tcp(folder: Path):
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url()) as connection:
        wanted = (
            "server_version_num",
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "listen_addresses",
            "server_encoding",
            "TimeZone",
        )
        values = {name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in wanted}
        assert int((values.pop("server_version_num") or ("0",))[0]) >= 180000
        assert values == {
            "fsync": ("on",),
            "synchronous_commit": ("on",),
            "full_page_writes": ("on",),
            "listen_addresses": ("",),
            "server_encoding": ("UTF8",),
            "TimeZone": ("UTC",),
        }
        assert connection.execute("SELECT lower('ÄÉΣЖ'), 'z' < 'ä' COLLATE \"default\"").fetchone() == ("äéσж", True)
        assert connection.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone() == (
            False,
            False,
            False,
        )


def test_a_process_of_the_server_keeps_the_memory_that_it_frees(folder: Path):
    # Two long values that grow side by side: neither has room to grow in its place.
    statement = """
        SELECT sum(s.a + s.b) FROM generate_series(1, 20) g CROSS JOIN LATERAL (
            SELECT length(string_agg(x, '')) AS a, length(string_agg(y, '')) AS b
            FROM (SELECT repeat('x', 1000 + g) AS x, repeat('y', 1000 + g) AS y FROM generate_series(1, 40) OFFSET 0) v
        ) s
    """
    with EmbeddedPostgres(folder, fsync=False) as server, psycopg.connect(server.url(), autocommit=True) as connection:

        def faults(times: int) -> int:
            before = page_faults(connection.info.backend_pid)
            for _ in range(times):
                connection.execute(statement)
            return page_faults(connection.info.backend_pid) - before

        faults(5)
        assert faults(10) < 200  # given back each time, thousands


def page_faults(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_the_socket_is_for_its_user_only(folder: Path):
    with EmbeddedPostgres(folder, fsync=False) as server:
        assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.sockets / embedded.SOCKET_NAME).stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_several_databases_live_on_one_server(folder: Path):
    with EmbeddedPostgres(folder, fsync=False) as server:
        with psycopg.connect(server.url(ADMIN, "postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE second")
        with psycopg.connect(server.url(OWNER, "second")) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("second",)


def test_an_existing_server_starts_within_five_seconds(folder: Path):
    EmbeddedPostgres(folder).start().stop()
    started_at = time.monotonic()
    with EmbeddedPostgres(folder):
        assert time.monotonic() - started_at < 5


def test_a_server_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch):
    EmbeddedPostgres(folder, fsync=False).start().stop()
    monkeypatch.setitem(embedded.TUNING, "shared_buffers", "rubbish")
    monkeypatch.setitem(embedded.UNSAFE, "shared_buffers", "rubbish")
    with pytest.raises(EmbeddedServerFailed, match=r'invalid value for parameter "shared_buffers": "rubbish"'):
        EmbeddedPostgres(folder, fsync=False).start()


def test_a_long_path_moves_the_socket_to_the_temporary_folder(folder: Path):
    deep = folder / ("d" * 90)
    moved = socket_folder(deep, embedded.SOCKET_NAME)
    assert moved.parent == Path(tempfile.gettempdir())
    assert moved != socket_folder(folder / ("e" * 90), embedded.SOCKET_NAME)
    assert socket_folder(folder, embedded.SOCKET_NAME) == folder
    with EmbeddedPostgres(deep, fsync=False) as server:
        assert server.is_ready()
        assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700
        sockets = server.sockets
    sockets.rmdir()


def test_a_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    with pytest.raises(EmbeddedServerFailed, match="belongs to somebody else"):
        own_folder(folder, None)


def test_valkey_listens_on_a_private_socket_and_keeps_what_it_was_told(folder: Path):
    with EmbeddedRedis(folder / "redis") as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        client.set("kept", "42")
    with EmbeddedRedis(folder / "redis") as again, redis.Redis.from_url(again.url) as client:
        assert client.get("kept") == b"42"


def test_a_valkey_left_over_from_an_earlier_run_is_replaced(folder: Path):
    left = EmbeddedRedis(folder / "redis").start()
    old = int((folder / "redis" / "valkey.pid").read_text())
    with EmbeddedRedis(folder / "redis") as server:
        assert server.is_ready()
        assert not is_running(old)
    left.stop()


def test_the_account_is_nobody_for_root_and_ourselves_for_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    account = server_account()
    assert account is not None
    assert account.name == "nobody"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert server_account() is None


def test_one_user_is_let_through_and_nobody_else(folder: Path, caplog: pytest.LogCaptureFixture):
    inner = folder / "inner"
    inner.mkdir(mode=0o700)
    assert not may_search(inner, STRANGER)
    let_through(inner, STRANGER)
    assert may_search(inner, STRANGER)
    assert f"daemon may now pass through {inner}" in caplog.text or f"everybody may now pass through {inner}" in caplog.text
    if "access-control entry" in caplog.text:
        assert not may_search(inner, Account("bin", 2, 2))
        assert stat.S_IMODE(inner.stat().st_mode) & 0o007 == 0
    caplog.clear()
    let_through(inner, STRANGER)
    assert caplog.text == ""


def test_without_access_control_lists_the_folder_is_opened_for_passage_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    inner = folder / "inner"
    inner.mkdir(mode=0o700)
    monkeypatch.setattr(unprivileged, "_grant_search", lambda *_: False)
    let_through(inner, STRANGER)
    assert stat.S_IMODE(inner.stat().st_mode) == 0o701
    assert "the file system has no access-control lists" in caplog.text


def test_a_folder_kept_private_stays_so_and_keeps_its_passage(folder: Path):
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    own_folder(shared, None)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700
    shared.chmod(0o711)
    own_folder(shared, None)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o711
    assert os.access(shared, os.X_OK)
