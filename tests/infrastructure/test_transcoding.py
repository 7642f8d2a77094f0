"""Events become plain JSON and come back the same; what was written once is read for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import orjson
import pytest
from eventsourcing.domain import AggregateEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.tasks import Task
from domain.aggregates.users import User
from domain.kernel.aggregate import EventType, event_types
from infrastructure.discovery import import_room
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.transcoding import MalformedEvent, UnknownTopic, decode, encode, readable_part, subjects_of, subjects_of_row
from tests.golden import write
from tests.support.given import placed, through_the_log
from tests.support.world import ANN, NOON, THIS, fact, task_created, user_registered

import_room("domain.aggregates")
SHIPPED: list[EventType] = [t for t in event_types().values() if t.aggregate.__module__.startswith("domain.")]
SAMPLES = sorted(path.name.removesuffix(".decoded") for path in write.FOLDER.glob("*.decoded"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    Any: json_values,
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Whatever a declared type may hold."""
    options, of_what = get_args(hint), get_origin(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if of_what in (Union, UnionType):
        return st.one_of(*(st.none() if o is type(None) else values_of(o) for o in options))
    if of_what is tuple:
        return st.lists(values_of(options[0]), max_size=3).map(tuple)
    if of_what is list:
        return st.lists(values_of(options[0]), max_size=3)
    if of_what is dict:
        return st.dictionaries(values_of(options[0]), values_of(options[1]), max_size=3)
    if is_typeddict(hint):
        return st.fixed_dictionaries({}, optional={name: values_of(of) for name, of in get_type_hints(hint).items()})
    assert issubclass(hint, Enum)
    return st.sampled_from(hint)


def events_of(kind: EventType) -> st.SearchStrategy[AggregateEvent]:
    fields = st.fixed_dictionaries({f.name: values_of(f.type) for f in kind.fields})
    return fields.map(lambda values: placed(fact(kind.event_class, **values), THIS, 1))


def row(topic: str, data: str, version: int = 1) -> StoredEvent:
    return StoredEvent(7, NOON, THIS, 3, topic, version, None, None, data, "{}")


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.topic)
def test_every_event_comes_back_as_it_went(kind: EventType):
    @settings(max_examples=25, deadline=None)
    @given(events_of(kind))
    def comes_back(event: AggregateEvent) -> None:
        again = through_the_log(event)
        assert type(again) is type(event)
        assert vars(again) == vars(event)

    comes_back()


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.topic)
def test_stored_json_is_plain_with_the_names_of_the_declaration(kind: EventType):
    body = orjson.loads(encode(write.sample(kind), OpenSeals()))
    assert set(body) == {f.name for f in kind.fields}
    sealed = {name for name, value in body.items() if isinstance(value, dict) and set(value) == {"sealed"}}
    assert sealed == {f.name for f in kind.fields if f.personal is not None}


def test_times_are_written_in_utc_and_ids_as_text():
    text = encode(placed(task_created(due_at=NOON, assignee_id=ANN), THIS, 1), OpenSeals())
    assert '"due_at":"2026-11-20T12:00:00Z"' in text
    assert f'"assignee_id":"{ANN}"' in text


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.topic)
def test_every_version_of_every_event_has_a_golden_sample(kind: EventType):
    for version in range(1, kind.version + 1):
        for path in (write.data_path(kind.topic, version), write.decoded_path(kind.topic, version)):
            assert path.exists(), f"{path.name} is missing: run `python -m tests.golden.write` and commit it"


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_golden_sample_decodes_as_on_the_day_it_was_written(sample: str):
    topic, _, version = sample.rpartition(".v")
    expected = write.decoded_path(topic, int(version)).read_text(encoding="utf-8").splitlines()
    known = [line for line in write.as_read(topic, int(version)) if line in expected]  # fields that came later are in no older sample
    assert known == expected, "a stored fact has changed its meaning: give the event a new version instead"


def test_golden_samples_are_written_again_in_the_same_words():
    for kind in SHIPPED:
        data = write.data_path(kind.topic, kind.version).read_text(encoding="utf-8")
        assert encode(decode(row(kind.topic, data, kind.version), OpenSeals()), OpenSeals()) == data


def test_an_event_knows_its_place_in_its_stream():
    event = decode(row("task.deleted", "{}"), OpenSeals())
    assert (event.originator_id, event.originator_version, event.timestamp) == (THIS, 3, NOON)


def test_an_unknown_topic_is_told_with_its_position():
    with pytest.raises(UnknownTopic, match=r"task\.exploded.*position 7"):
        decode(row("task.exploded", "{}"), OpenSeals())


def test_a_shape_from_the_future_is_not_guessed_at():
    with pytest.raises(UnknownTopic, match=r"task\.deleted.*version 2"):
        decode(row("task.deleted", "{}", 2), OpenSeals())


def test_an_event_without_a_needed_field_is_refused_not_half_read():
    with pytest.raises(MalformedEvent, match="owner_id"):
        decode(row("reservation.taken", "{}"), OpenSeals())


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("task.revised", "5"),
        ("user.registered", '{"email": {"sealed": 5}}'),
        ("user.registered", '{"email": {"sealed": "not base64"}}'),
        ("reservation.taken", '{"owner_id": "nobody"}'),
        ("session.started", '{"user_id": 5}'),
    ],
)
def test_an_event_that_is_no_event_is_told_as_such_and_needs_nobodys_key(topic: str, data: str):
    with pytest.raises(MalformedEvent, match=rf"{topic} at position 7 \("):
        decode(row(topic, data), OpenSeals())
    if "base64" not in data:
        assert subjects_of_row(row(topic, data)) <= {THIS}


def test_of_an_event_that_cannot_be_read_nothing_hidden_or_sealed_is_shown():
    told = row("user.registered", '{"email": {"sealed": "x"}, "password_hash": "secret", "timezone": "UTC", "more": 1}')
    assert readable_part(told) == {"timezone": "UTC"}
    assert readable_part(row("user.registered", '{"timezone": "UTC"}', 2)) == {}
    assert readable_part(row("user.exploded", '{"locale": "de"}')) == readable_part(row("user.registered", "[]")) == {}


def test_a_field_that_came_later_takes_its_default():
    event: Any = decode(row("user.profile_revised", '{"touched": ["locale"], "locale": "de"}'), OpenSeals())
    assert (event.locale, event.full_name, event.notification_preferences) == ("de", None, None)


def test_whose_keys_are_needed_is_known_before_and_after_storing():
    registered = placed(user_registered(username=None), THIS, 1)
    assert subjects_of(registered) == {THIS}
    assert subjects_of_row(row("user.registered", encode(registered, OpenSeals()))) == {THIS}
    assert subjects_of(placed(task_created(), THIS, 1)) == set()
    started = write.sample(event_types()["session.started"])
    assert subjects_of(started) == {vars(started)["user_id"]}
    assert subjects_of_row(row("session.started", encode(started, OpenSeals()))) == {vars(started)["user_id"]}


def test_nobodys_key_is_needed_for_personal_fields_that_are_empty():
    nothing = dict.fromkeys(("full_name", "username", "timezone", "locale", "notification_preferences"))
    empty = placed(fact(User.ProfileRevised, touched=("locale",), **nothing), THIS, 2)
    assert subjects_of(empty) == set()


def test_a_revision_holds_only_what_differs():
    text = encode(placed(fact(Task.Revised, changes={"title": "New", "due_at": None}), THIS, 2), OpenSeals())
    assert orjson.loads(text) == {"changes": {"title": "New", "due_at": None}}
