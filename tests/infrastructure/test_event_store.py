"""Both logs pass one suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infrastructure.event_store.log import EventLog
from infrastructure.event_store.memory import MemoryLog
from tests.conftest import Database
from tests.contracts.event_store import EventLogContract, SnapshotContract
from tests.contracts.receipts import Ages, ReceiptContract
from tests.support.logs import opened_log


class TestMemoryLog(EventLogContract, ReceiptContract, SnapshotContract):
    @pytest.fixture
    def skew(self) -> list[timedelta]:
        return [timedelta(0)]

    @pytest.fixture
    def log(self, skew: list[timedelta]) -> EventLog:
        return MemoryLog(now=lambda: datetime.now(UTC) + sum(skew, timedelta(0)))

    @pytest.fixture
    def age(self, skew: list[timedelta]) -> Ages:
        async def pass_time(by: timedelta) -> None:
            skew.append(by)

        return pass_time


class TestPostgresLog(EventLogContract, ReceiptContract, SnapshotContract):
    @pytest.fixture
    async def log(self, database: Database) -> AsyncIterator[EventLog]:
        async with opened_log(database.app_url) as log:
            yield log

    @pytest.fixture
    def age(self, database: Database) -> Ages:
        async def backdate(by: timedelta) -> None:
            async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
                await owner.execute("UPDATE log.receipts SET created_at = created_at - %s", (by,))

        return backdate
