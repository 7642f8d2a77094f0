"""A rebuild lets others go first, with the server's part of its work too."""

from __future__ import annotations

import os

import psycopg
import pytest

from projections import priority
from projections.checkpoints import Target
from projections.connections import connect
from projections.rebuild import Rebuild
from tests.conftest import Database
from tests.projections.desk import projected, rebuilt
from tests.projections.history import append
from tests.projections.notes import Notes
from tests.projections.test_rebuild import many
from tests.support.proxy import Proxy


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


async def test_a_server_process_becomes_as_nice_as_it_is_told(database: Database) -> None:
    async with await connect(database.app_url) as connection, await connect(database.app_url) as other:
        usual = niceness(other.info.backend_pid)
        assert priority.lower(connection, 7)
        assert (niceness(connection.info.backend_pid), niceness(other.info.backend_pid)) == (7, usual)
        assert not priority.lower(connection, 5)  # it never rises again
        assert niceness(connection.info.backend_pid) == 7


async def test_behind_a_network_nobody_is_touched(database: Database) -> None:
    proxy = Proxy(database.app_url)
    await proxy.start()
    async with await connect(proxy.url) as connection:
        usual = niceness(connection.info.backend_pid)
        assert not priority.lower(connection, 7)
        assert niceness(connection.info.backend_pid) == usual
    await proxy.stop()


async def test_what_reads_and_writes_for_a_rebuild_is_nice_and_what_swaps_is_not(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.app_url
    await projected(url, notes.models, append(url, *many(100)))
    found: list[int] = []
    count = Rebuild._count

    async def looked_at(self: Rebuild, target: Target) -> None:
        await count(self, target)
        with psycopg.connect(url) as connection:
            backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'trialog-projector' AND datname = current_database()"
            found.extend(niceness(pid) for (pid,) in connection.execute(backends).fetchall())
        found.append(niceness(self._swapping.writer.connection.info.backend_pid))

    monkeypatch.setattr(Rebuild, "_count", looked_at)
    monkeypatch.setattr(priority, "own", lambda: 7)
    assert (await rebuilt(url, notes.models, "notes"))["status"] == "completed"
    assert (found.count(7), found[-1] < 7) == (2, True)
