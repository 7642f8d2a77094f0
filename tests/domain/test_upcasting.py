"""The way from an old shape to today's has no gap and no fork, or no process starts."""

from __future__ import annotations

from typing import Any

import pytest

from command_api.app import create_app as create_command_api
from domain.kernel.aggregate import EventType, Root, event_types
from domain.kernel.upcasting import BrokenUpcasting, check_upcasting, faults_of_upcasting
from query_api.app import create_app as create_query_api
from tests.projections.notes import Note, known_topics
from workers.registry import load as load_reactions

TOPIC = "note.starred"


def starred(monkeypatch: pytest.MonkeyPatch, *, version: int = 3, **steps: Any) -> None:
    """The tests' event with other steps."""

    class Starred(Root.Event):
        by: list[str]

    for name, step in steps.items():
        setattr(Starred, name, step)
    known = event_types()[TOPIC]
    monkeypatch.setitem(event_types(), TOPIC, EventType(TOPIC, version, Starred, Note, known.fields, is_first=False))


def step(state: dict[str, Any]) -> None:
    """Changes nothing."""


@pytest.fixture(autouse=True)
def _known() -> Any:
    with known_topics():
        yield


def test_all_that_is_shipped_is_whole() -> None:
    assert faults_of_upcasting() == []
    check_upcasting()


@pytest.mark.parametrize(
    ("version", "steps", "fault"),
    [
        (3, {"upcast_v1_v2": step}, "note.starred is at version 3 but has no upcast_v2_v3"),
        (3, {"upcast_v2_v3": step}, "note.starred is at version 3 but has no upcast_v1_v2"),
        (1, {"upcast_v1_v2": step}, "note.starred is at version 1 but has a needless upcast_v1_v2"),
        (2, {"upcast_v1_v2": step, "upcast_v1_v3": step}, "note.starred has upcast_v1_v3, which is no step from one version to the next"),
        (2, {"upcast_v1_v2": step, "upcast_v01_v2": step}, "note.starred has upcast_v01_v2, which is no step"),
        (1, {"upcast_v0_v1": step}, "note.starred has upcast_v0_v1, which is no step"),
        (2, {"upcast_v1_v2": "a slip"}, "note.starred.upcast_v1_v2 cannot be called"),
        (0, {}, "note.starred is at version 0; versions go from 1"),
        (40_000, {}, "note.starred is at version 40000; versions go from 1"),
    ],
)
def test_a_broken_way_stops_the_start(monkeypatch: pytest.MonkeyPatch, version: int, steps: dict[str, Any], fault: str) -> None:
    starred(monkeypatch, version=version, **steps)
    with pytest.raises(BrokenUpcasting) as refused:
        check_upcasting()
    assert fault in str(refused.value)


@pytest.mark.parametrize("start", [create_command_api, create_query_api, load_reactions])
def test_every_process_checks_before_it_begins(monkeypatch: pytest.MonkeyPatch, start: Any) -> None:
    starred(monkeypatch, version=2)
    with pytest.raises(BrokenUpcasting):
        start()


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    starred(monkeypatch, version=4, upcast_v2_v3=step)
    assert len(faults_of_upcasting()) == 2
