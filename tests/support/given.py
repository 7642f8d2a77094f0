"""given(facts).when(verb).then(facts), .refused(error) or .nothing(): the name of a test is the rule, its body the story."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self, cast
from uuid import UUID

from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import Root, event_types
from domain.kernel.errors import DomainError
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.transcoding import decode, encode
from tests.support.world import NOON, THIS, Fact

_ENVELOPE = {"originator_id", "originator_version", "timestamp", "originator_topic"}


def given(*facts: Fact, id: UUID = THIS) -> Given:
    """An aggregate with this history, a minute between facts, the first at noon."""
    aggregate: Any = None
    for version, said in enumerate(facts, 1):
        aggregate = placed(said, id, version).mutate(aggregate)
    return Given(aggregate)


def placed(said: Fact, stream_id: UUID, version: int) -> AggregateEvent:
    """A fact at its place in a stream."""
    kind = event_types()[said.event_class.TOPIC]
    first = {"originator_topic": kind.aggregate.TOPIC} if kind.is_first else {}
    event: AggregateEvent = said.event_class(
        originator_id=stream_id, originator_version=version, timestamp=NOON + timedelta(minutes=version - 1), **first, **said.fields
    )
    return event


class Given:
    """A history to act on."""

    def __init__(self, aggregate: Any) -> None:
        self.aggregate = aggregate

    def when(self, verb: Callable[[Any], object]) -> When:
        """Ask the aggregate for something."""
        try:
            verb(self.aggregate)
        except DomainError as refusal:
            return When(self.aggregate, refusal)
        return When(self.aggregate, None)


class When:
    """What came of it."""

    def __init__(self, aggregate: Any, refusal: DomainError | None) -> None:
        self.aggregate = aggregate
        self.refusal = refusal

    def then(self, *facts: Fact) -> Self:
        """Exactly these facts, in this order."""
        if self.refusal is not None:
            raise AssertionError(f"refused: {self.refusal}") from self.refusal
        assert [told(e) for e in self.aggregate.pending_events] == list(facts)
        return self

    def nothing(self) -> Self:
        """No fact, and no refusal either."""
        return self.then()

    def refused(self, error: type[DomainError], **facts: Any) -> None:
        """This refusal, telling at least these facts; no event has come about."""
        assert isinstance(self.refusal, error), f"not refused by {error.__name__} but: {self.refusal!r}"
        assert {name: self.refusal.facts.get(name) for name in facts} == facts
        assert self.aggregate.pending_events == []

    def and_now(self, **state: Any) -> Self:
        """The aggregate's attributes afterwards."""
        assert {name: getattr(self.aggregate, name) for name in state} == state
        return self


def told(event: object) -> Fact:
    """An event without its place."""
    return Fact(type(event), {name: value for name, value in vars(event).items() if name not in _ENVELOPE})


def state_of(aggregate: Root) -> dict[str, Any]:
    """Everything that an aggregate knows, but for what is not stored yet."""
    return {name: value for name, value in vars(aggregate).items() if name != "_pending_events"}


def through_the_log(event: AggregateEvent) -> AggregateEvent:
    """Written as JSON and read again."""
    kind = event_types()[cast(Any, event).TOPIC]
    seals = OpenSeals()
    row = StoredEvent(
        1, event.timestamp, event.originator_id, event.originator_version, kind.topic, kind.version, None, None, encode(event, seals), "{}"
    )
    return decode(row, seals)


def replayed(events: list[AggregateEvent]) -> Any:
    """The aggregate that this history gives after a trip through the log."""
    aggregate: Any = None
    for event in events:
        aggregate = through_the_log(event).mutate(aggregate)
    return aggregate
