"""The `eventsourcing` library's own suites pass on our log, and its applications run on it."""

from __future__ import annotations

import importlib
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError, StoredEvent

from infrastructure.event_store.recorder import LogAggregateRecorder, LogApplicationRecorder
from tests.conftest import Database

# The suites' module imports the AES cipher of an extra that we do not have; the library ships the same class over `cryptography`.
sys.modules.setdefault("eventsourcing.cipher", importlib.import_module("eventsourcing.cryptography"))
suites = importlib.import_module("eventsourcing.tests.persistence")


class OnOurLog:
    """Gives a suite a database, and closes what it opens."""

    recorder_class: type[LogAggregateRecorder] = LogApplicationRecorder

    @pytest.fixture(autouse=True)
    def _database(self, database: Database) -> None:
        self.url = database.app_url

    def create_recorder(self) -> LogAggregateRecorder:
        recorder = self.recorder_class(self.url)
        self.addCleanup(recorder.close)  # type: ignore[attr-defined]  # every suite is a unittest case
        return recorder


class TestAggregateRecorder(OnOurLog, suites.AggregateRecorderTestCase):  # type: ignore[misc, name-defined]  # imported by name
    recorder_class = LogAggregateRecorder


class TestApplicationRecorder(OnOurLog, suites.ApplicationRecorderTestCase):  # type: ignore[misc, name-defined]
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNotificationIdsDoNotInterleave(OnOurLog, suites.NonInterleavingNotificationIDsBaseCase):  # type: ignore[misc, name-defined]
    pass


class Kennel(Aggregate):
    """The library's own kind of aggregate."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class Kennels(Application[UUID]):
    """An application of the library's that knows nothing of us but the recorder."""

    def __init__(self, url: str) -> None:
        self._url = url
        super().__init__()

    def construct_recorder(self) -> LogApplicationRecorder:
        return LogApplicationRecorder(self._url)

    def close(self) -> None:
        assert isinstance(self.recorder, LogApplicationRecorder)
        self.recorder.close()
        super().close()


@pytest.fixture
def kennels(database: Database) -> Any:
    with Kennels(database.app_url) as application:
        yield application


def test_an_application_of_the_library_runs_on_our_log(kennels: Kennels):
    fido = Kennel("Fido")
    fido.add_trick("roll over")
    kennels.save(fido)
    again: Kennel = kennels.repository.get(fido.id)
    again.add_trick("play dead")
    kennels.save(again)
    assert kennels.repository.get(fido.id).tricks == ["roll over", "play dead"]
    assert [n.id for n in kennels.notification_log.select(start=1, limit=10)] == [1, 2, 3]


def test_two_of_its_instances_meet_in_one_version(kennels: Kennels):
    fido = Kennel("Fido")
    kennels.save(fido)
    twins: list[Kennel] = [kennels.repository.get(fido.id) for _ in range(2)]
    for twin in twins:
        twin.add_trick("sit")
    kennels.save(twins[0])
    with pytest.raises(IntegrityError):
        kennels.save(twins[1])
    assert len(kennels.notification_log.select(start=1, limit=10)) == 2


def test_events_of_several_aggregates_are_saved_whole_or_not_at_all(kennels: Kennels):
    fido, rex = Kennel("Fido"), Kennel("Rex")
    kennels.save(fido)
    stale: Kennel = kennels.repository.get(fido.id)
    newer: Kennel = kennels.repository.get(fido.id)
    newer.add_trick("sit")
    kennels.save(newer)
    stale.add_trick("lie")
    with pytest.raises(IntegrityError):
        kennels.save(rex, stale)
    assert rex.id not in kennels.repository


@pytest.mark.parametrize("state", [b"", b"{}", b"\xff\x00\x80", b"with \x00 nul", b'{"base64":"trap"}', "Ünïcødé".encode()])
def test_any_bytes_come_back_as_they_went(database: Database, state: bytes):
    recorder = LogApplicationRecorder(database.app_url)
    try:
        stored = StoredEvent(originator_id=uuid4(), originator_version=1, topic="bytes", state=state)
        recorder.insert_events([stored])
        assert list(recorder.select_events(stored.originator_id)) == [stored]
    finally:
        recorder.close()
