"""A fact is forever: topics are unique, versioned, reachable from every older shape, and each shape has a sample that still decodes."""

import dataclasses
import re
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from domain.kernel.aggregate import MISSING, EventType, Root, event_types, kinds
from infrastructure.discovery import import_room
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.transcoding import decode
from tests.architecture.repository import ROOT, modules

import_room("domain.aggregates")
GOLDEN = ROOT / "tests" / "golden"
TOPIC = re.compile(r"[a-z]+\.[a-z]+(?:_[a-z]+)*")
SHIPPED: list[EventType] = [t for t in event_types().values() if t.aggregate.__module__.startswith("domain.")]
SHAPES = [(t, version) for t in SHIPPED for version in range(1, t.version + 1)]


def test_a_topic_is_its_aggregates_name_and_a_past_fact():
    assert SHIPPED
    for known in SHIPPED:
        assert TOPIC.fullmatch(known.topic), known.topic
        assert known.topic.partition(".")[0] == known.aggregate.TOPIC
        assert not known.topic.endswith(("updated", "changed")), f"{known.topic}: what was it, in the words of the trade?"


def test_no_topic_is_written_twice():
    written = [line for m in modules("domain") for line in re.findall(r'^\s+TOPIC = "(.+)"', m.text, re.MULTILINE)]
    assert len(written) == len(set(written))
    assert set(written) == {t.topic for t in SHIPPED} | {k.TOPIC for k in kinds().values() if k.__module__.startswith("domain.")}


def test_every_event_class_has_a_topic():
    for kind in kinds().values():
        classes = [c for c in vars(kind).values() if isinstance(c, type) and issubclass(c, Root.Event) and c.__name__ != "Event"]
        assert [c.__qualname__ for c in classes if not getattr(c, "TOPIC", "")] == []


@pytest.mark.parametrize("known", SHIPPED, ids=lambda t: t.topic)
def test_a_newer_shape_can_be_reached_from_every_older_one(known: EventType):
    steps = {name for name in dir(known.event_class) if name.startswith("upcast_v")}
    assert steps == {f"upcast_v{v}_v{v + 1}" for v in range(1, known.version)}


@pytest.mark.parametrize(("known", "version"), SHAPES, ids=lambda v: v.topic if isinstance(v, EventType) else f"v{v}")
def test_each_shape_has_a_sample_that_decodes(known: EventType, version: int):
    path = GOLDEN / f"{known.topic}.v{version}.json"
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: python -m tests.golden.write makes it; never change it again"
    row = StoredEvent(
        position=1, recorded_at=datetime(2026, 11, 20, tzinfo=UTC), stream_id=UUID(int=1), stream_version=1, topic=known.topic,
        topic_version=version, organization_id=None, actor_id=None, data=path.read_text(encoding="utf-8"), metadata="{}",
    )  # fmt: skip
    event = decode(row, OpenSeals())
    assert isinstance(event, known.event_class)
    assert MISSING not in [getattr(event, field.name) for field in known.fields]


@pytest.mark.parametrize("known", SHIPPED, ids=lambda t: t.topic)
def test_the_newest_sample_has_the_fields_of_today(known: EventType):
    sample = orjson.loads((GOLDEN / f"{known.topic}.v{known.version}.json").read_bytes())
    assert set(sample) == {field.name for field in known.fields}
    assert {f.name for f in dataclasses.fields(known.event_class)} >= set(sample)


def test_no_sample_is_of_a_topic_that_nobody_knows():
    shapes = {f"{t.topic}.v{version}.json" for t, version in SHAPES}
    assert {path.name for path in GOLDEN.glob("*.json")} - shapes == set()
